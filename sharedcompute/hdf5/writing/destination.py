"""Checks of an output's place, before anything is started, created or changed."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterable
from pathlib import Path

import h5py

from sharedcompute.errors import InputError, MemoryBudgetError, OutputExists
from sharedcompute.hdf5.format.names import is_taken, item_at
from sharedcompute.hdf5.safety.files import open_hdf5, without_locks
from sharedcompute.hdf5.safety.locks import lacks_locks
from sharedcompute.hdf5.writing.state_folder import StateFolder
from sharedcompute.system.machine import disk_free, format_size
from sharedcompute.wording import flag

LONGEST_NAME = 255


def check_place(file: Path) -> None:
    """Refuse a path at which no file can be put.

    Raises
    ------
    InputError
        The folder is missing or cannot be written, or what stands there is no regular file.
    """
    folder = file.parent
    if not folder.is_dir():
        raise InputError(f"expected a folder at {folder}, found none; create it first")
    if len(os.fsencode(StateFolder(file).path.name)) > LONGEST_NAME:
        raise InputError(f"expected a shorter file name than {file.name}; choose one")
    if file.is_dir():
        raise InputError(f"expected a file to write, {file} is a folder; name a file")
    if file.exists() and not stat.S_ISREG(file.stat().st_mode):
        raise InputError(f"expected a regular file, {file} is none; name another file")
    if not os.access(folder, os.W_OK | os.X_OK):
        raise InputError(f"expected a folder that can be written, {folder} cannot; choose another")


def check_no_input(folder: StateFolder, inputs: Iterable[str]) -> None:
    """Refuse to write what is read, or to remove it with the folder next to the output.

    Raises
    ------
    InputError
    """
    file = folder.final
    for given in inputs:
        if Path(os.path.realpath(given)).is_relative_to(folder.path):
            raise InputError(
                f"expected an input that stays, {given} is in {folder.path.name}, which is gone "
                "when the output is complete; move it out, or write to another file"
            )
        # Not `Path.exists`: that raises where a folder cannot be looked into.
        if file.exists() and os.path.exists(given) and file.samefile(given):  # noqa: PTH110
            raise InputError(
                f"expected an output other than the input, got {given} for both; "
                "write to another file"
            )


def check_room(folder: StateFolder, nbytes: int) -> None:
    """Refuse what the disk has no room for.

    Raises
    ------
    MemoryBudgetError
    """
    place = folder.final.parent
    # The files of a stopped job are resumed, or removed.
    free = disk_free(place) + folder.nbytes
    if nbytes > free:
        raise MemoryBudgetError(
            f"expected {format_size(nbytes)} free in {place} for the output, "
            f"it has {format_size(free)}; free some space or choose another folder"
        )


def check_existing(file: Path, paths: Iterable[str], overwrite: bool) -> None:
    """Refuse to replace what may not be replaced.

    Parameters
    ----------
    paths : iterable of str
        What is to be created or replaced in it; ``/`` is the whole file.

    Raises
    ------
    OutputExists
        Something of it exists, or the file is none of HDF5's.
    InputError
        The file is damaged, or a dataset stands where a group is needed.
    """
    if not file.exists():
        return
    paths = tuple(paths)
    if "/" in paths:
        if not overwrite:
            raise OutputExists(f"{file} exists; give {flag('overwrite')}, or name another file")
        return
    if not h5py.is_hdf5(file):
        raise OutputExists(
            f"{file} exists and is not HDF5, so {paths[0]} cannot be put into it; name another file"
        )
    try:
        opened = open_hdf5(str(file))
    except OSError as error:
        raise _unreadable(file, error) from None
    with opened:
        for path in paths:
            _check_path(opened, file, path, overwrite)


def _check_path(opened: h5py.File, file: Path, path: str, overwrite: bool) -> None:
    above = path.rpartition("/")[0]
    while above:
        found = item_at(opened, above)
        if found is not None:
            if not isinstance(found, h5py.Group):
                raise InputError(
                    f"expected a group at {file}::{above}, found a dataset; name another path"
                )
            break
        above = above.rpartition("/")[0]
    if is_taken(opened, path) and not overwrite:
        raise OutputExists(f"{file}::{path} exists; give {flag('overwrite')}, or name another path")


def _unreadable(file: Path, error: OSError) -> Exception:
    text = " ".join(str(error).split())
    if lacks_locks(text):
        return InputError(without_locks(str(file)))
    if "lock file" in text:
        return OutputExists(f"{file} is open in another program; close it there first")
    return InputError(f"expected a whole HDF5 file at {file}, got {text}; name another file")
