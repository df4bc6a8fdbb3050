"""Notes of what was compiled before, beside the compiled code itself.

A process that compiles keeps some 70 MB that one which loads the same code does not take: what a
job will take depends on it. The notes go where the code goes, and are gone with it.
"""

from __future__ import annotations

import hashlib
from contextlib import suppress
from functools import cache, lru_cache
from pathlib import Path

import numba
from llvmlite.binding import get_host_cpu_name
from numba.core.caching import FunctionCache

DIGEST = 16
"""Bytes of the BLAKE2 hash that a note is named by."""


def is_known(code: str) -> bool:
    """Return whether code was compiled before by this version of numba for this processor."""
    path = _path(code)
    return path is not None and path.exists()


def note(code: str) -> None:
    """Note that code is compiled and kept."""
    path = _path(code)
    if path is not None and not path.exists():
        with suppress(OSError):
            path.parent.mkdir(parents=True, exist_ok=True)
            path.touch()


def _path(code: str) -> Path | None:
    folder = _folder()
    return None if folder is None else folder / _name(code)


@lru_cache(maxsize=1024)
def _name(code: str) -> str:
    made_by = (numba.__version__, get_host_cpu_name(), code)
    name = hashlib.blake2b(repr(made_by).encode(), digest_size=DIGEST).hexdigest()
    return f"known.{name}"


@cache
def _folder() -> Path | None:
    """Return the folder of the code of kernels; None where there is none that can be written."""
    try:
        return Path(FunctionCache(is_known).cache_path)
    except RuntimeError:
        return None
