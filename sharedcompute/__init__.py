"""Array jobs over HDF5 files with every core of the machine.

Large arrays live in shared memory, numba kernels do the hot loops, a partitioner gives row ranges
to supervised worker processes, and results are written to HDF5. See ``README.md``.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from sharedcompute import learn
    from sharedcompute.api.dataset import Dataset
    from sharedcompute.api.dataset import open_dataset as open
    from sharedcompute.api.fits import fit
    from sharedcompute.api.fitted import Fitted
    from sharedcompute.api.pipelines import run
    from sharedcompute.api.plans import JobPlan
    from sharedcompute.api.preview import plan
    from sharedcompute.api.reductions import reduce, stats
    from sharedcompute.api.repack import repack
    from sharedcompute.api.rowwise import map, scan
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
    "sharedcompute.api.dataset": ("Dataset",),
    "sharedcompute.api.fits": ("fit",),
    "sharedcompute.api.fitted": ("Fitted",),
    "sharedcompute.api.pipelines": ("run",),
    "sharedcompute.api.preview": ("plan",),
    "sharedcompute.api.plans": ("JobPlan",),
    "sharedcompute.api.reductions": ("reduce", "stats"),
    "sharedcompute.api.rowwise": ("map", "scan"),
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
_HOME["open"] = ("sharedcompute.api.dataset", "open_dataset")

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
    "JobPlan",
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
    "plan",
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
