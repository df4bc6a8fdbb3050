"""Files as other programs open them: xarray by both of its engines, h5py, and h5dump."""

from __future__ import annotations

import shutil
import subprocess
import warnings
from pathlib import Path

import h5py
import numpy as np

Dims = dict[str, tuple[str, ...]]


def opened_by_all(path: str | Path) -> Dims:
    """Open a file with every reader, and read all of it.

    Returns
    -------
    dict of tuple of str
        The names of the dimensions of each variable that has labelled ones, by its path. All
        readers agree on them, and on the numbers.
    """
    found: Dims = {}
    with h5py.File(path) as file:
        groups, datasets = _of_h5py(file)
        arrays = {name: file[name][()] for name in datasets}
    for group in groups:
        seen = [_by_xarray(path, group, engine, arrays) for engine in ("h5netcdf", "netcdf4")]
        labelled = {name for name, labels in datasets.items() if labels}
        one, other = ({n: d for n, d in dims.items() if n in labelled} for dims in seen)
        assert one == other
        found |= one
    _by_h5dump(path)
    return found


def _of_h5py(file: h5py.File) -> tuple[list[str], dict[str, bool]]:
    """The groups, and for each dataset whether its axes are labelled: all are, or none is."""
    groups, datasets = ["/"], {}

    def note(name: str, item: h5py.Dataset | h5py.Group) -> None:
        path = f"/{name}"
        if isinstance(item, h5py.Group):
            groups.append(path)
        elif isinstance(item, h5py.Dataset):
            is_scale = item.attrs.get("CLASS") == b"DIMENSION_SCALE"
            labels = [is_scale or len(dim) > 0 for dim in item.dims] if item.shape else [True]
            assert len(set(labels)) == 1, f"{path} has a mixture of labelled axes and others"
            unwritten = item.attrs.get("NAME", b"").startswith(b"This is a netCDF dimension but")
            if not unwritten:
                datasets[path] = labels[0]

    file.visititems(note)
    return groups, datasets


def _by_xarray(
    path: str | Path, group: str, engine: str, arrays: dict[str, np.ndarray]
) -> dict[str, tuple[str, ...]]:
    import xarray as xr

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        how = {"group": group, "engine": engine}
        # As a user opens it, times and all: it may fail there.
        with xr.open_dataset(path, **how) as opened:
            opened.load()
        with xr.open_dataset(path, decode_cf=False, **how) as opened:
            found = {}
            for name, variable in opened.variables.items():
                where = f"{group.rstrip('/')}/{name}"
                stored = arrays.get(where, arrays.get(f"{group.rstrip('/')}/_nc4_non_coord_{name}"))
                if stored is not None and stored.dtype.kind in "biuf":
                    np.testing.assert_array_equal(variable.values, stored, err_msg=where)
                found[where] = tuple(map(str, variable.dims))
            return found


def _by_h5dump(path: str | Path) -> None:
    h5dump = shutil.which("h5dump")
    if h5dump is not None:
        done = subprocess.run([h5dump, str(path)], capture_output=True, check=False, timeout=60)
        assert done.returncode == 0, done.stderr.decode()
        assert b"error" not in done.stderr, done.stderr.decode()
