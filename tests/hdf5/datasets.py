"""Datasets of every kind that h5py can write, drawn by hypothesis."""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import h5py
import hdf5plugin
import numpy as np
from hypothesis import strategies as st

Array = np.ndarray[Any, Any]

NUMBERS = ("i1", "u1", "i2", "u2", "i4", "u4", "i8", "u8", "f2", "f4", "f8", "c8", "c16")
DTYPES = (*NUMBERS, *(f">{name}" for name in NUMBERS if np.dtype(name).itemsize > 1), "?", "enum")
COLOURS = h5py.enum_dtype({"RED": 0, "GREEN": 1, "BLUE": 7}, "i2")

FILTERS: dict[str, dict[str, Any]] = {
    "none": {},
    "gzip": {"compression": 4},
    "shuffle gzip": {"compression": 1, "shuffle": True},
    "shuffle": {"shuffle": True},
    "fletcher32": {"fletcher32": True},
    "all": {"compression": 4, "shuffle": True, "fletcher32": True},
    "lzf": {"compression": "lzf", "shuffle": True},
    "bitshuffle-lz4": dict(hdf5plugin.Bitshuffle()),
    "bitshuffle-zstd": dict(hdf5plugin.Bitshuffle(cname="zstd")),
    "bitshuffle": dict(hdf5plugin.Bitshuffle(cname="none")),
    "lz4": dict(hdf5plugin.LZ4()),
    "zstd": {"shuffle": True, **hdf5plugin.Zstd()},
    "blosc": dict(hdf5plugin.Blosc("zlib", 5, hdf5plugin.Blosc.BITSHUFFLE)),
    "blosc2": dict(hdf5plugin.Blosc2("zstd", 3, hdf5plugin.Blosc2.SHUFFLE)),
    "bzip2": {"fletcher32": True, **hdf5plugin.BZip2()},
    "scaleoffset": {"scaleoffset": 0},
    "szip": {"compression": "szip", "compression_opts": ("nn", 8)},
}
INTEGERS_ONLY = {"scaleoffset"}
NUMBERS_ONLY = {"scaleoffset", "szip"}


@dataclass(frozen=True)
class Case:
    """A dataset to be written.

    `holes` leaves every other chunk along the rows unwritten; `grown_from` is the shape that the
    dataset has when it is filled, before it is resized to `shape`.
    """

    shape: tuple[int, ...]
    chunks: tuple[int, ...] | None
    dtype: str = "f4"
    filters: str = "none"
    libver: str = "earliest"
    fill: int | None = None
    holes: bool = False
    grown_from: tuple[int, ...] | None = None
    userblock: int = 0
    extra: dict[str, Any] = field(default_factory=dict)

    def write(self, path: Path, name: str = "x") -> Array:
        """Write the file, and give the values as h5py reads them."""
        options = {"userblock_size": self.userblock} if self.userblock else {}
        with h5py.File(path, "w", libver=(self.libver, "latest"), **options) as file:
            self.add_to(file, name)
        with h5py.File(path, "r") as file:
            return np.asarray(file[name][...])

    def add_to(self, file: Any, name: str) -> None:
        """Make the dataset and fill it."""
        dtype = COLOURS if self.dtype == "enum" else np.dtype(self.dtype)
        first = self.grown_from or self.shape
        options: dict[str, Any] = dict(self.extra)
        if self.chunks is not None:
            options |= {"chunks": self.chunks, **FILTERS[self.filters]}
            options.setdefault("maxshape", (None,) * len(self.shape))
        if self.fill is not None:
            options["fillvalue"] = np.asarray(self.fill).astype(dtype)
        made = file.create_dataset(name, first, dtype, **options)
        values = numbers(first, np.dtype(dtype))
        step = max(1, self.chunks[0] if self.chunks else 1)
        for start in range(0, first[0], (2 if self.holes else 1) * step):
            made[start : start + step] = values[start : start + step]
        if self.grown_from is not None:
            made.resize(self.shape)


def numbers(shape: tuple[int, ...], dtype: np.dtype[Any]) -> Array:
    """Values of a dtype that compress a little, NaN and infinities among them."""
    rng = np.random.default_rng(len(shape) + sum(shape))
    if dtype.kind == "b":
        return rng.random(shape) > 0.5
    if h5py.check_enum_dtype(dtype):
        return rng.choice([0, 1, 7], shape).astype(dtype)
    if dtype.kind in "iu":
        info = np.iinfo(dtype)
        return rng.integers(max(info.min, -500), min(info.max, 1000), shape).astype(dtype)
    x = np.round(rng.normal(size=shape) * 100)
    x.flat[::7] = np.nan
    x.flat[3::11] = -np.inf
    made = x.astype(dtype)
    if dtype.kind == "c":
        made.imag = x[::-1]
    return made


@st.composite
def cases(draw: Any, filters: tuple[str, ...] = tuple(FILTERS)) -> Case:
    """Any dataset, chunked or contiguous."""
    ndim = draw(st.integers(1, 4))
    most = {1: 60, 2: 24, 3: 10, 4: 6}[ndim]
    sides = st.tuples(*[st.integers(0 if ndim < 3 else 1, most)] * ndim)
    shape = draw(sides)
    chunked = draw(st.integers(0, 7)) > 0
    chunks = draw(st.tuples(*[st.integers(1, most + 5)] * ndim)) if chunked else None
    name = draw(st.sampled_from(filters)) if chunked else "none"
    if name in INTEGERS_ONLY:
        dtype = draw(st.sampled_from(["i2", "u4", ">i4", "i8"]))
    elif name in NUMBERS_ONLY:
        dtype = draw(st.sampled_from(["u1", "i4", ">f4", "f8"]))
    else:
        dtype = draw(st.sampled_from(DTYPES))
    if name == "szip" and chunks is not None:
        chunks = (*chunks[:-1], -(-chunks[-1] // 8) * 8)
    fill = draw(st.sampled_from([None, None, 1, 7])) if dtype not in ("?", "enum") else None
    return Case(
        shape,
        chunks,
        dtype,
        name,
        draw(st.sampled_from(["earliest", "v108", "v110", "latest"])),
        fill,
        holes=draw(st.booleans()),
        grown_from=draw(sides) if chunked and draw(st.integers(0, 3)) == 0 else None,
        userblock=draw(st.sampled_from([0, 0, 0, 512, 1024])),
    )


def stored_bytes(path: Path, name: str, number: int) -> tuple[int, int, tuple[int, ...]]:
    """Where a stored chunk lies: its first byte, how many they are, its corner."""
    with h5py.File(path, "r") as file:
        found = file[name].id.get_chunk_info(number)
    return found.byte_offset, found.size, found.chunk_offset


def flip(path: Path, at: int, bits: int = 0xFF) -> None:
    """Flip bits of one byte of a file."""
    with path.open("r+b") as file:
        file.seek(at)
        (byte,) = file.read(1)
        file.seek(at)
        file.write(bytes([byte ^ bits]))


def cut(path: Path, size: int) -> None:
    """Let a file end early."""
    os.truncate(path, size)


def replace_chunk(path: Path, name: str, corner: tuple[int, ...], data: bytes, mask: int) -> None:
    """Store other bytes for a chunk."""
    with h5py.File(path, "r+") as file:
        file[name].id.write_direct_chunk(corner, data, mask)


def chunk_of(path: Path, name: str, corner: tuple[int, ...]) -> tuple[int, bytes]:
    """A chunk's filter mask and bytes, as stored."""
    with h5py.File(path, "r") as file:
        mask, data = file[name].id.read_direct_chunk(corner)
    return mask, bytes(data)
