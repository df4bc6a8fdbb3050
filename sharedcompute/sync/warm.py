"""Warm-up of the synchronisation functions, in the process that all workers are forked from."""

from __future__ import annotations

from contextlib import suppress

import numpy as np

from sharedcompute.errors import WaitTimeoutError
from sharedcompute.sync.control import Control
from sharedcompute.sync.handles import Counter, Event, Lock, Semaphore


def warm_up() -> None:
    """Call each function once, with one rank, so that no worker has to compile it."""
    control = Control(np.zeros(Control.size_for(1), np.int64), 1, 0)
    control.claim(1, 1, guided=False)
    control.claim_up_to(2, 1, 1)
    control.claim_or_steal(1, 1)
    control.barrier()
    with control.waiting("nothing"), Lock(control.block, 0), Semaphore(control.block, 1):
        control.leave()
    counter, event = Counter(control.block, 0), Event(control.block, 0)
    counter.store(counter.fetch_add(counter.load()))
    event.clear()
    with suppress(WaitTimeoutError):
        event.wait(0.0)
    if not event.is_set():
        event.set()
