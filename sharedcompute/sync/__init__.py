"""Synchronisation of the workers of a team: barriers, locks, semaphores, counters and events.

Their state is a block of words in shared memory. Functions that numba compiles work on it with
atomic instructions, so that a barrier costs less than a microsecond and can be called in a kernel:
the functions exported here take the `ControlBlock` of a worker as first argument, in Python and in
nopython code.

Every wait spins a little, then sleeps in slices (a futex on Linux, else a short sleep), and checks
the abort word between slices: a waiter learns within a slice that the job is over. So nobody hangs
on a dead worker, as with `multiprocessing.Lock` or `Barrier`.

An exception that passes through compiled code leaks references (numba 0.68): a worker that left a
wait in such code by one keeps the arrays of that call mapped until its team is closed.
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
