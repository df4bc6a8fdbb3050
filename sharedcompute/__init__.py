"""Array jobs over HDF5 files with every core of the machine.

Large arrays live in shared memory, numba kernels do the hot loops, a partitioner gives row ranges
to supervised worker processes, and results are written to HDF5. See ``README.md``.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from sharedcompute import learn
    from sharedcompute.api.fitted import Fitted
    from sharedcompute.api.functions import fit, map, reduce, run, scan, stats
    from sharedcompute.api.inputs import Dataset
    from sharedcompute.api.inputs import open_dataset as open
    from sharedcompute.api.repack import repack
    from sharedcompute.api.team import Team
    from sharedcompute.errors import (
        ConvergenceWarning,
        DeadlockError,
        Error,
        InputChanged,
        InputError,
        MemoryBudgetError,
        OutputExists,
        ProgramError,
        ProgramLeftError,
        QueueClosedError,
        ReadBackError,
        StaleResumeError,
        WaitTimeoutError,
        WorkerDied,
    )
    from sharedcompute.events import RoundDone
    from sharedcompute.operations.declarations import (
        ArraySpec,
        Field,
        FromModel,
        Map,
        Partial,
        Reduce,
        Scan,
        Stage,
        Stencil,
    )
    from sharedcompute.operations.fits.declaration import Fit, Step
    from sharedcompute.operations.parameters import Parameter
    from sharedcompute.shm.arrays import (
        SharedArray,
        arange,
        asarray,
        empty,
        empty_like,
        full,
        full_like,
        ones,
        ones_like,
        zeros,
        zeros_like,
    )
    from sharedcompute.team import Worker

__version__ = "0.1.0"

# NumPy, numba and h5py take 0.7 s to import: each name brings what it needs when first used.
_HOMES = {
    "sharedcompute.api.functions": ("fit", "map", "reduce", "run", "scan", "stats"),
    "sharedcompute.api.fitted": ("Fitted",),
    "sharedcompute.api.inputs": ("Dataset",),
    "sharedcompute.api.repack": ("repack",),
    "sharedcompute.api.team": ("Team",),
    "sharedcompute.shm.arrays": (
        "SharedArray",
        "arange",
        "asarray",
        "empty",
        "empty_like",
        "full",
        "full_like",
        "ones",
        "ones_like",
        "zeros",
        "zeros_like",
    ),
    "sharedcompute.errors": (
        "ConvergenceWarning",
        "DeadlockError",
        "Error",
        "InputChanged",
        "InputError",
        "MemoryBudgetError",
        "OutputExists",
        "ProgramError",
        "ProgramLeftError",
        "QueueClosedError",
        "ReadBackError",
        "StaleResumeError",
        "WaitTimeoutError",
        "WorkerDied",
    ),
    "sharedcompute.events": ("RoundDone",),
    "sharedcompute.operations.declarations": (
        "ArraySpec",
        "Field",
        "FromModel",
        "Map",
        "Partial",
        "Reduce",
        "Scan",
        "Stage",
        "Stencil",
    ),
    "sharedcompute.operations.fits.declaration": ("Fit", "Step"),
    "sharedcompute.operations.parameters": ("Parameter",),
    "sharedcompute.team": ("Worker",),
}
_HOME = {name: (home, name) for home, names in _HOMES.items() for name in names}
_HOME["open"] = ("sharedcompute.api.inputs", "open_dataset")

__all__ = [
    "ArraySpec",
    "ConvergenceWarning",
    "Dataset",
    "DeadlockError",
    "Error",
    "Field",
    "Fit",
    "Fitted",
    "FromModel",
    "InputChanged",
    "InputError",
    "Map",
    "MemoryBudgetError",
    "OutputExists",
    "Parameter",
    "Partial",
    "ProgramError",
    "ProgramLeftError",
    "QueueClosedError",
    "ReadBackError",
    "Reduce",
    "RoundDone",
    "Scan",
    "SharedArray",
    "Stage",
    "StaleResumeError",
    "Stencil",
    "Step",
    "Team",
    "WaitTimeoutError",
    "Worker",
    "WorkerDied",
    "arange",
    "asarray",
    "empty",
    "empty_like",
    "fit",
    "full",
    "full_like",
    "learn",
    "map",
    "ones",
    "ones_like",
    "open",
    "reduce",
    "repack",
    "run",
    "scan",
    "stats",
    "zeros",
    "zeros_like",
]


def __getattr__(name: str) -> Any:
    if name == "learn":
        return import_module("sharedcompute.learn")
    home = _HOME.get(name)
    if home is None:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = globals()[name] = getattr(import_module(home[0]), home[1])
    return value


def __dir__() -> list[str]:
    return list(__all__)
