"""Several units at a time in one process: threads that share its claims and its desk."""

from __future__ import annotations

import threading
import time
from collections.abc import Sequence
from contextlib import ExitStack, closing
from typing import Protocol

from sharedcompute.engines.claims import Claims
from sharedcompute.engines.engine import TAKE_SECONDS, Left, Work
from sharedcompute.events import StateTaken
from sharedcompute.hdf5.writing.row_writer import EncodedChunk
from sharedcompute.system.threads import side_by_side


class Desk(Protocol):
    """Takes what the units of a process leave. One thread at a time calls it."""

    def deliver(self, block: int, number: int, chunks: Sequence[EncodedChunk]) -> None:
        """Take encoded chunks, as `Deliver`."""

    def done(self, left: Left) -> None:
        """Take what a unit leaves; all its chunks are delivered."""

    def take(self, taken: StateTaken) -> None:
        """Take the state of several units, which are done."""


def do_units(work: Work, slots: range, claims: Claims, desk: Desk) -> None:
    """Do units in as many threads as there are `slots`, this one among them.

    Parameters
    ----------
    slots : range
        The numbers of this process's runners among those of all processes.
    """
    lock = threading.Lock()

    def deliver(block: int, number: int, chunks: Sequence[EncodedChunk]) -> None:
        with lock:
            desk.deliver(block, number, chunks)

    def body(thread: int) -> None:
        runner = runners[thread]
        due = time.monotonic() + TAKE_SECONDS
        for number in claims.of(thread):
            try:
                left = runner.run(number)
            except Exception:
                claims.blame(thread)
                raise
            taken = None
            if time.monotonic() >= due:
                taken = runner.take()
                due = time.monotonic() + TAKE_SECONDS
            with lock:
                desk.done(left)
                if taken is not None:
                    desk.take(taken)
        rest = runner.finish()
        if rest is not None:
            with lock:
                desk.take(rest)

    with ExitStack() as opened:
        # One after the other: what the first asks of a file, the others find.
        runners = [opened.enter_context(closing(work.open(n, deliver))) for n in slots]
        side_by_side(len(slots), body, claims.stop)
