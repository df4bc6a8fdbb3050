"""What the workers of a team synchronise through: a block of words in shared memory.

The words are worked on with atomic instructions by functions that compile with numba, so that a
barrier costs less than a microsecond and can stand inside a kernel: all that is exported here takes
the `ControlBlock` of a worker first, in Python and in nopython code alike.

Every wait spins a little, then sleeps in slices (a futex on Linux, else a short sleep), and looks
at the abort word between slices: whoever waits learns within a slice that the job is over. So
nobody hangs on a dead worker, as they would on `multiprocessing.Lock` or `Barrier`.

An exception that goes through compiled code leaves references behind (numba 0.68): a worker that
came out of a wait in such code keeps the arrays of that call mapped until its team is closed.
"""

from sharedcompute.errors import DeadlockError, ProgramLeftError, WaitTimeoutError
from sharedcompute.sync.barriers import barrier
from sharedcompute.sync.control import Control
from sharedcompute.sync.failures import Aborted
from sharedcompute.sync.flags import (
    clear_event,
    fetch_add,
    is_set,
    load,
    set_event,
    store,
    wait_event,
)
from sharedcompute.sync.layout import ControlBlock, alone
from sharedcompute.sync.locks import acquire, lock, release, unlock

__all__ = [
    "Aborted",
    "Control",
    "ControlBlock",
    "DeadlockError",
    "ProgramLeftError",
    "WaitTimeoutError",
    "acquire",
    "alone",
    "barrier",
    "clear_event",
    "fetch_add",
    "is_set",
    "load",
    "lock",
    "release",
    "set_event",
    "store",
    "unlock",
    "wait_event",
]
