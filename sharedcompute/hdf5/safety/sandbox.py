"""Calls of HDF5 in disposable processes, where a crash does no harm.

HDF5 crashes and hangs on some files that are damaged.
"""

from __future__ import annotations

import os
import re
import traceback
from collections.abc import Callable, Hashable, Iterable, Sequence
from functools import lru_cache
from typing import Any, TypeVar

from sharedcompute.errors import Error, InputError
from sharedcompute.system import disposable

T = TypeVar("T")

LEAST_SECONDS, MOST_SECONDS = 4, 60
"""Of computing for each object of a file that is inspected, by the size of the file."""

RATE = 20e6
"""Bytes of a file whose chunks HDF5 lists in a second, at the least: one chunk takes 1 us there and
50 bytes here."""


def run_sandboxed(file: str, f: Callable[..., T], *args: Any, seconds: int | None = None) -> T:
    """Run ``f(*args)``, which opens `file`, in a disposable process and return the result.

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
    found: T = disposable.run(
        file, explain_damage, file, f, args, seconds=seconds or _seconds(file)
    )
    return found


def run_each_sandboxed(
    f: Callable[..., T], calls: Sequence[tuple[str, tuple[Any, ...]]], seconds: int
) -> list[T]:
    """Run `f` for each of many objects in one disposable process; as `run_sandboxed`.

    Parameters
    ----------
    calls : sequence of (str, tuple)
        The address of each object, and the arguments.
    seconds : int
        For each of them.
    """
    named = [(what, (what, f, args)) for what, args in calls]
    found: list[T] = disposable.run_each(explain_damage, named, seconds)
    return found


FileStates = tuple[tuple[int, ...] | None, ...]
"""States of files, equal if these are as they were."""


def file_states(files: Iterable[str]) -> FileStates:
    """Return device, number, size and times of each file; None for one that is not there."""
    return tuple(map(_state, files))


def once(files: Iterable[str], f: Callable[..., T], *args: Hashable) -> T:
    """Return ``f(*args)``, computed once as long as `files` stay as they are.

    A disposable process takes 15 ms, and many calls on small data are common.
    """
    found: T = _once(f, args, file_states(files))
    return found


@lru_cache(maxsize=512)
def _once(f: Callable[..., Any], args: tuple[Hashable, ...], states: FileStates) -> Any:
    del states
    return f(*args)


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
    """Return whether HDF5 itself could not read: h5py quotes it, the innermost in brackets."""
    known = isinstance(error, (OSError, RuntimeError, KeyError, ValueError))
    return known and re.search(r"\w+ \(.+\)", str(error)) is not None


def explain_damage(file: str, f: Callable[..., T], args: tuple[Any, ...]) -> T:
    """Run ``f(*args)``, and let what h5py raises of a damaged file say that it is damaged.

    That may be of any type: it takes names, types and sizes as they come. A sound file may have
    what h5py cannot express, and is not called damaged for that.
    """
    try:
        return f(*args)
    except Error:
        raise
    except Exception as error:  # noqa: BLE001
        text = " ".join(f"{type(error).__name__}: {error}".split())
        explained = InputError(
            f"expected a whole HDF5 file, {file} cannot be read ({text}); check it with h5debug or "
            "copy it again from where it came"
            if _is_hdf5_s(error)
            else f"expected a file that h5py can express, {file} has something that it cannot "
            f"({text}); look at it with h5dump"
        )
        explained.add_note(traceback.format_exc())
        raise explained from None
