"""Files looked at where it does no harm: HDF5 crashes and hangs on some that are damaged."""

from __future__ import annotations

import os
import re
import traceback
from collections.abc import Callable, Iterable, Sequence
from typing import Any, TypeVar

from sharedcompute.errors import Error, InputError
from sharedcompute.system import disposable

T = TypeVar("T")

LEAST_SECONDS, MOST_SECONDS = 4, 60
"""Of computing for each object of a file that is looked at, by the size of the file."""

RATE = 20e6
"""Bytes of a file whose chunks HDF5 lists in a second, at the least: one chunk takes 1 us there and
50 bytes here."""


def look(file: str, f: Callable[..., T], *args: Any, seconds: int | None = None) -> T:
    """What ``f(*args)`` finds in `file`, worked out in a disposable process.

    Parameters
    ----------
    seconds : int, optional
        Of computing, from one `disposable.progress` to the next. By default what it takes to look
        at a file of this size, without reading its data.

    Raises
    ------
    InputError
        The file is damaged: HDF5 refuses, crashes or makes no end.
    Error
        As `f` does.
    """
    found: T = disposable.run(file, explained, file, f, args, seconds=seconds or _seconds(file))
    return found


def look_at_each(
    f: Callable[..., T], calls: Sequence[tuple[str, tuple[Any, ...]]], seconds: int
) -> list[T]:
    """What `f` finds in each of many objects, worked out in one disposable process; as `look`.

    Parameters
    ----------
    calls : sequence of (str, tuple)
        The address of each object, and the arguments.
    seconds : int
        For each of them.
    """
    told = [(what, (what, f, args)) for what, args in calls]
    found: list[T] = disposable.run_each(explained, told, seconds)
    return found


States = tuple[tuple[int, ...] | None, ...]
"""What tells whether files are as they were."""


def states_of(files: Iterable[str]) -> States:
    """Device, number, size and times of each file; None for one that is not there."""
    return tuple(map(_state, files))


def _state(file: str) -> tuple[int, ...] | None:
    try:
        found = os.stat(file)  # noqa: PTH116 - `file` may hold anything
    except (OSError, ValueError):
        return None
    return found.st_dev, found.st_ino, found.st_size, found.st_mtime_ns, found.st_ctime_ns


def _seconds(file: str) -> int:
    try:
        stored = os.stat(file).st_blocks * 512  # noqa: PTH116 - `file` may hold anything
    except (OSError, ValueError):
        return LEAST_SECONDS
    return min(int(LEAST_SECONDS + stored / RATE), MOST_SECONDS)


def _is_hdf5_s(error: Exception) -> bool:
    """Whether HDF5 itself could not read: h5py gives its words, and the innermost in brackets."""
    known = isinstance(error, (OSError, RuntimeError, KeyError, ValueError))
    return known and re.search(r"\w+ \(.+\)", str(error)) is not None


def explained(file: str, f: Callable[..., T], args: tuple[Any, ...]) -> T:
    """Let what h5py raises of a damaged file say that it is damaged.

    That may be of any type: it takes names, types and sizes as they come. A sound file may have
    what h5py cannot express, and is not called damaged for that.
    """
    try:
        return f(*args)
    except Error:
        raise
    except Exception as error:  # noqa: BLE001
        text = " ".join(f"{type(error).__name__}: {error}".split())
        told = InputError(
            f"expected a whole HDF5 file, {file} cannot be read ({text}); check it with h5debug or "
            "copy it again from where it came"
            if _is_hdf5_s(error)
            else f"expected a file that h5py can express, {file} has something that it cannot "
            f"({text}); look at it with h5dump"
        )
        told.add_note(traceback.format_exc())
        raise told from None
