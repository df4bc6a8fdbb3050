"""Filters that HDF5 has, or gets from hdf5plugin."""

from __future__ import annotations

import contextlib
import functools
import os
from pathlib import Path

from h5py import h5z


def available(code: int) -> bool:
    """Return whether filter `code` can be used here; hdf5plugin is imported if needed.

    It must be that import, 100 ms in each process, and not HDF5's own search in the package's
    folder, 5 ms: a plug-in that is found so lacks the bindings that its ``set_local`` calls, and
    can decode but not encode (hdf5plugin 7.1).
    """
    prefer_hdf5plugin()
    if not h5z.filter_avail(code):
        import hdf5plugin  # noqa: F401, PLC0415
    return bool(h5z.filter_avail(code))


@functools.cache
def prefer_hdf5plugin() -> None:
    """Let HDF5 use hdf5plugin's filters where it would find others first, in this process.

    HDF5 looks in HDF5_PLUGIN_PATH, which netCDF4 sets when it is imported: workers found its Blosc
    where their parent had hdf5plugin's. Before anything is opened: what a dataset uses stays.
    """
    if "HDF5_PLUGIN_PATH" not in os.environ:
        return
    import hdf5plugin  # noqa: PLC0415

    for name, file in hdf5plugin.get_config().registered_filters.items():
        if not Path(file).is_file():
            with contextlib.suppress(RuntimeError):
                hdf5plugin.register(name, force=True)
