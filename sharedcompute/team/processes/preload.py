"""Imports and warm-up of the fork server, done once so that no worker has to.

The first call of numba in a process costs 0.4 s, even if it only loads a cached function.
"""

from __future__ import annotations

import importlib
import pkgutil
from contextlib import suppress
from typing import Any

# Before all other imports.
from sharedcompute.team.processes.orphan import WATCH  # isort: skip

import numba

from sharedcompute import kernels
from sharedcompute.sync.atomics import exit_after
from sharedcompute.sync.warm import warm_up
from sharedcompute.team.messaging import fifo
from sharedcompute.team.processes import serve as _serve  # noqa: F401
from sharedcompute.team.programs import mapping as _mapping  # noqa: F401


def prepare() -> None:
    """Import the kernels and what programs use most, and warm numba up."""
    for module in pkgutil.iter_modules(kernels.__path__, kernels.__name__ + "."):
        importlib.import_module(module.name)
    for name in ("cloudpickle", "h5py", "hdf5plugin", "threadpoolctl"):
        with suppress(ImportError):
            importlib.import_module(name)
    _warm_numba_up()


def _warm_numba_up() -> None:
    """Load the functions that programs synchronise with; compile them if they are not cached."""
    warm_up()
    fifo.warm_up_fifo()
    compiled: Any = exit_after
    compiled.compile((numba.int64, numba.int64))


prepare()
WATCH.stop()
