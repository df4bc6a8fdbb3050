"""New HDF5 files, and the output's file opened for writing."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import h5py
from h5py import h5f, h5p

from sharedcompute.hdf5.copying.creation_order import TRACKED
from sharedcompute.hdf5.safety.files import open_file
from sharedcompute.system.shortage import full_disk_named

OLDEST = ("v108", "latest")
"""HDF5 1.8's format at the least: what netCDF-4 writes, with room for attributes above 64 KiB."""


def open_written(file: Path, new: bool = False) -> h5py.File:
    """Open the temporary file through HDF5, whose own locks would stand in the way of ours."""
    options: dict[str, Any] = {"locking": False, "libver": OLDEST}
    # Data on multiples of a cache line, or our own results could not be mapped as they lie.
    options |= {"alignment_threshold": 2048, "alignment_interval": 64}
    if new:
        _make_empty(file)
    return h5py.File(file, "r+", **options)


def _make_empty(file: Path) -> None:
    """Make an HDF5 file without the times of its root group: the bytes would depend on them.

    `h5py.File` leaves them in before h5py 3.15 (h5py/h5py#2610).
    """
    fcpl = h5p.create(h5p.FILE_CREATE)
    fcpl.set_link_creation_order(TRACKED)
    fcpl.set_attr_creation_order(TRACKED)
    fcpl.set_obj_track_times(False)
    create_file(file, fcpl)


def make_like(temporary: Path, like: str) -> None:
    """Make `temporary` an empty HDF5 file with the properties and the user block of file `like`.

    Raises
    ------
    MemoryBudgetError
        The disk is full.
    """
    with open_file(like) as source:
        fcpl = source.id.get_create_plist()
        # Those of the root group are in the file's list only when it is made.
        group: h5py.Group = source["/"]
        root = group.id.get_create_plist()
    fcpl.set_link_creation_order(root.get_link_creation_order())
    fcpl.set_attr_creation_order(root.get_attr_creation_order())
    fcpl.set_attr_phase_change(*root.get_attr_phase_change())
    fcpl.set_obj_track_times(False)
    with full_disk_named(str(temporary)):
        create_file(temporary, fcpl)
        with Path(like).open("rb") as old, temporary.open("r+b") as new:
            new.write(old.read(fcpl.get_userblock()))


def create_file(file: Path, fcpl: h5p.PropFCID) -> None:
    """Make `file` an empty HDF5 file with creation properties `fcpl`, in HDF5 1.8's format."""
    fapl = h5p.create(h5p.FILE_ACCESS)
    fapl.set_libver_bounds(h5f.LIBVER_V18, h5f.LIBVER_LATEST)
    fapl.set_file_locking(False, False)
    h5f.create(os.fsencode(file), h5f.ACC_TRUNC, fcpl, fapl).close()
