"""A file with one of everything that `repack` may meet, numbers stored in many ways above all."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import h5py
import hdf5plugin
import numpy as np

CUBE = np.round(np.random.default_rng(3).normal(size=(21, 18, 14)) * 50)


def write_rich(path: Path, **options: Any) -> None:
    """Write it."""
    with h5py.File(path, "w", **options) as file:
        _numbers(file)
        _others(file)


def _numbers(file: Any) -> None:
    make = file.create_dataset
    for dtype in ("u1", ">i2", "i4", ">u8", "f2", ">f4", "f8", "c8", ">c16"):
        name = dtype.replace(">", "big_")
        make(f"types/{name}", data=np.abs(CUBE).astype(dtype), chunks=(4, 7, 14), compression=1)
    make("types/bool", data=CUBE > 0, chunks=(5, 5, 5), compression="lzf")
    make("stored/contiguous", data=CUBE)
    make("stored/plain_chunks", data=CUBE, chunks=(3, 18, 5))
    make("stored/all_rows", data=CUBE, chunks=(21, 3, 2), compression=4, shuffle=True)
    make("stored/checked", data=CUBE, chunks=(8, 8, 8), fletcher32=True)
    make("stored/bitshuffle", data=CUBE, chunks=(1, 18, 14), **hdf5plugin.Bitshuffle())
    make("stored/large_chunk", data=CUBE, chunks=(64, 32, 16), maxshape=(None,) * 3)
    make("stored/scaleoffset", data=CUBE.astype("i4"), chunks=(7, 9, 14), scaleoffset=0)
    part = make("stored/in_part", CUBE.shape, "f4", chunks=(5, 9, 7), fillvalue=-1.5, compression=2)
    part[6:9, 3:] = CUBE[6:9, 3:]
    make("stored/never", (30, 4), "i2", chunks=(7, 4), fillvalue=3)
    make("stored/never_contiguous", (30, 4), "i2", fillvalue=3)
    make("stored/one_row", data=CUBE[0, 0], maxshape=(None,), chunks=(100,))
    make("stored/limited", data=CUBE[0], maxshape=(20, None), chunks=(4, 3), compression="gzip")
    small = make("stored/shrunk", data=CUBE[:, 0], maxshape=(None, None), chunks=(4, 5))
    small.resize((9, 11))
    make("stored/no_rows", (0, 4), "f4", maxshape=(None, 4), chunks=(2, 4))
    make("stored/no_columns", (4, 0), "f4", maxshape=(4, None), chunks=(2, 2))


def _others(file: Any) -> None:
    scale = file.create_dataset("time", data=np.arange(21.0))
    scale.make_scale("time")
    scale.attrs["units"] = "days"
    cube = file["stored/plain_chunks"]
    cube.dims[0].attach_scale(scale)
    cube.dims[0].label = "time"
    cube.attrs["long name"] = "a cube"
    cube.attrs["values"] = np.arange(6).reshape(2, 3)
    file.attrs["title"] = "one of everything"
    file["link/hard"] = cube
    file["link/soft"] = h5py.SoftLink("/stored/contiguous")
    file["link/nowhere"] = h5py.SoftLink("/gone")
    file["scalar"] = 2.5
    file["null"] = h5py.Empty("f4")
    file["text"] = "words"
    file["names"] = np.array(["a", "bc"], h5py.string_dtype())
    file["fixed"] = np.array([b"ab", b"c"])
    file["compound"] = np.zeros(3, [("a", "f4"), ("b", "i4")])
    file.create_dataset("enum", data=[0, 1, 1], dtype=h5py.enum_dtype({"NO": 0, "YES": 1}, "u1"))
    file["references"] = np.array([cube.ref, file["link"].ref], dtype=h5py.ref_dtype)
    file["regions"] = np.array([cube.regionref[2:5, :, 3]], dtype=h5py.regionref_dtype)
    ragged = file.create_dataset("ragged", (2,), dtype=h5py.vlen_dtype("i4"))
    ragged[0] = [1, 2, 3]
    file["named type"] = np.dtype("f8")
    file["typed"] = np.arange(4.0)
