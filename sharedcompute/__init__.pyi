"""The public names: each is imported from its module when it is first used."""

from . import learn as learn, ops as ops
from .api.fits import fit as fit
from .api.fitted import Fitted as Fitted
from .api.lazy import xp as xp
from .api.lazy.array import LazyArray as LazyArray
from .api.lazy.compute import (
    compute as compute,
    store as store,
)
from .api.lazy.memory import ComputedAtOnce as ComputedAtOnce
from .api.lazy.opening import (
    lazy as lazy,
    open as open,
)
from .api.lazy.written import expr as expr
from .api.maps import map as map
from .api.pipelines import run as run
from .api.plans import JobPlan as JobPlan
from .api.preview import plan as plan
from .api.reductions import reduce as reduce
from .api.repack import repack as repack
from .api.scans import scan as scan
from .api.solve import solve as solve
from .api.statistics import stats as stats
from .api.team import Team as Team
from .errors import (
    ConvergenceWarning as ConvergenceWarning,
    DeadlockError as DeadlockError,
    Error as Error,
    InputChanged as InputChanged,
    InputError as InputError,
    MemoryBudgetError as MemoryBudgetError,
    OutputExists as OutputExists,
    ProgramError as ProgramError,
    ProgramLeftError as ProgramLeftError,
    QueueClosedError as QueueClosedError,
    ReadBackError as ReadBackError,
    StaleResumeError as StaleResumeError,
    WaitTimeoutError as WaitTimeoutError,
    WorkerDied as WorkerDied,
)
from .events import RoundDone as RoundDone
from .operations.declarations import (
    Field as Field,
    Map as Map,
    Partial as Partial,
    Reduce as Reduce,
    Scan as Scan,
    Stencil as Stencil,
)
from .operations.fits.declaration import (
    Fit as Fit,
    Solve as Solve,
    Step as Step,
)
from .operations.parameters import Parameter as Parameter
from .operations.specs import ArraySpec as ArraySpec
from .operations.stages import (
    FromModel as FromModel,
    Stage as Stage,
)
from .shm.arrays import (
    SharedArray as SharedArray,
    arange as arange,
    asarray as asarray,
    empty as empty,
    empty_like as empty_like,
    full as full,
    full_like as full_like,
    ones as ones,
    ones_like as ones_like,
    zeros as zeros,
    zeros_like as zeros_like,
)
from .team import Worker as Worker

__version__: str

__all__: list[str]
