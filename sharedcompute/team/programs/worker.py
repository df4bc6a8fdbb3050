"""What a program gets: a worker's rank, rows, and ways to wait for the others."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager
from functools import cached_property, partial
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from sharedcompute.errors import InputError
from sharedcompute.rows import SCHEDULES, Blocks, Rows, Schedule, share, split_weighted
from sharedcompute.sync import Control, ControlBlock
from sharedcompute.sync.claims import check_blocks, check_steal
from sharedcompute.sync.control import check_timeout
from sharedcompute.sync.handles import Counter, Event, Lock, Semaphore
from sharedcompute.team.messaging.channel import POST, Channel
from sharedcompute.team.messaging.exchange import Exchange
from sharedcompute.team.messaging.pickling import dumps
from sharedcompute.team.messaging.point_to_point import PointToPoint
from sharedcompute.team.messaging.queue import Queue
from sharedcompute.team.programs.collectives import Collectives
from sharedcompute.validation.arrays import plain_array
from sharedcompute.validation.integers import whole

Weights = Sequence[float] | NDArray[np.generic]

_MOST = (1 << 62) - 1
_FIRST = 64
"""The first block that is measured is this part of a static share."""
_BLOCK_SECONDS = 2e-3
"""What a block should take: 500 times what a claim costs in Python, and so little that the last
blocks end close to each other."""


class Worker(Collectives):
    """What a program gets: its rank, its share of the rows, and how to wait for the others.

    Attributes
    ----------
    rank, size : int
        This worker's number, from 0, and how many there are.
    """

    def __init__(self, exchange: Exchange, channel: Channel, job: int) -> None:
        self.rank = exchange.rank
        self.size = exchange.size
        self._exchange = exchange
        self._control: Control = exchange.control
        self._channel = channel
        self._job = job
        exchange.begin(job)
        self._claims = 0
        self._steals = 0

    @property
    def control(self) -> ControlBlock:
        """The control block: what `sharedcompute.sync.barrier` takes, in nopython code too."""
        return self._control.block

    def rows(self, n: int, weights: Weights | None = None) -> Rows:
        """Return this worker's share of `n` rows: the static schedule.

        Parameters
        ----------
        n : int
            How many rows.
        weights : array_like, shape (n,), optional
            What each row costs, in any unit, from 0 up. By default all cost the same.
        """
        n = whole("n", n)
        if weights is None:
            return share(n, self.size, self.rank)
        return split_weighted(_checked_weights(weights, n), self.size)[self.rank]

    def claim(
        self,
        n: int,
        block_rows: int | Literal["auto"] | None = None,
        schedule: Schedule = "dynamic",
    ) -> Iterator[Rows]:
        """Iterate over the blocks of `n` rows that fall to this worker.

        Every rank must make the same claims in the same order: together they get each row once.

        Parameters
        ----------
        n : int
            How many rows.
        block_rows : int or "auto", optional
            Rows in a block. By default a static share is one block, and other schedules cut
            eight blocks a worker. With ``"auto"`` (dynamic only) each worker measures its blocks,
            the first of them small, and takes as many rows as are done in 2 ms, towards the end
            ever fewer. Then the blocks, though not the rows, differ from run to run: what is
            combined from blocks to the bit needs a number here.
        schedule : {"dynamic", "static", "guided", "stealing"}
            As in OpenMP: who is free takes the next block; equal shares of neighbouring blocks;
            or several blocks at once, ever fewer. With stealing each worker has its static share,
            front to back, and who is done takes from the back of what most is left of.

        Yields
        ------
        Rows
            The worker notes each as the rows it has in hand.
        """
        n = whole("n", n, most=_MOST)
        if schedule not in SCHEDULES:
            raise InputError(f"expected a schedule out of {', '.join(SCHEDULES)}, got {schedule!r}")
        if block_rows == "auto":
            if schedule != "dynamic":
                raise InputError(f"expected block_rows as a number for {schedule}, got 'auto'")
        elif block_rows is not None:
            block_rows = whole("block_rows (or 'auto')", block_rows, 1)
        self._control.agree(self._claims + 1, n, block_rows, schedule)
        return self.agreed(n, block_rows, schedule)

    def agreed(
        self, n: int, block_rows: int | Literal["auto"] | None, schedule: Schedule
    ) -> Iterator[Rows]:
        """As `claim`, where all ranks are known to claim alike."""
        # Here and not in a generator, so that the order of the calls numbers the claims.
        self._claims += 1
        number = self._claims
        if block_rows == "auto":
            check_blocks(n)
            return self._measure(n, number)
        if schedule == "static":
            if block_rows is None:
                return self._hold([self.rows(n)] if self.rows(n).size else [])
            blocks = Blocks(n, block_rows)
            return self._hold([blocks[number] for number in range(*self.rows(len(blocks)))])
        blocks = Blocks(n, block_rows or max(1, n // (8 * self.size)))
        if schedule == "stealing":
            self._steals += 1
            check_steal(self._steals, len(blocks))
            return self._take(blocks, partial(self._control.claim_or_steal, self._steals))
        check_blocks(len(blocks))
        guided = schedule == "guided"
        return self._take(blocks, partial(self._control.claim, number, guided=guided))

    def at(self, rows: tuple[int, int]) -> None:
        """Note the rows in hand: errors and `WorkerDied` name them."""
        start, stop = rows
        self._control.at(whole("the first row", start), whole("the row behind the last", stop))

    def check(self) -> None:
        """Leave the program where the job is over because another worker failed."""
        self._control.check()

    def barrier(self, timeout: float | None = None) -> None:
        """Wait until all ranks are here.

        Parameters
        ----------
        timeout : float, optional
            Seconds. A barrier at which a rank's limit is over opens no more in this job.

        Raises
        ------
        ProgramLeftError
            Another rank has returned from the program.
        WaitTimeoutError
            At least one rank's limit is over.
        """
        self._control.barrier(timeout)

    @property
    def lock(self) -> Lock:
        """The team's one lock, for a ``with`` block: number 0 of `locks`."""
        return Lock(self.control, 0)

    def locks(self, number: int) -> Lock:
        """Return one of the 16 locks, for a ``with`` block."""
        return Lock(self.control, number)

    def semaphore(self, n: int) -> Semaphore:
        """Return a semaphore that lets `n` workers in at a time, for a ``with`` block.

        Calls with the same `n` mean the same semaphore.
        """
        return Semaphore(self.control, n)

    def counter(self, number: int) -> Counter:
        """Return one of the 64 counters that all ranks share."""
        return Counter(self.control, number)

    def event(self, number: int) -> Event:
        """Return one of the 16 events that all ranks share."""
        return Event(self.control, number)

    def waiting(self, what: str) -> AbstractContextManager[Callable[[], None]]:
        """Note a wait of one's own, see `Control.waiting`: so that a deadlock is found."""
        return self._control.waiting(what)

    def post(self, obj: Any) -> None:
        """Send an object to the parent's `on_message` while the program runs.

        Waits while the parent is behind. Bytes from 64 kB up arrive as a read-only memoryview.
        """
        self._channel.send(POST, self._job, *dumps(obj, "copy"))

    def send(self, obj: Any, rank: int, timeout: float | None = None) -> None:
        """Send an object to another rank, or to this one.

        Returns when the message is on its way: up to 32 wait for a rank that does not receive. Then
        the sender waits for room, and takes in meanwhile what others send it, so that ranks which
        send to each other never hang.

        Parameters
        ----------
        obj : object
            Anything that can be pickled. Shared arrays remain the same memory, all else is copied.
        rank : int
        timeout : float, optional
            The longest wait, in seconds.

        Raises
        ------
        WaitTimeoutError
        ProgramLeftError
            There is no room, and `rank` has returned from the program.
        """
        self._check_rank(rank)
        check_timeout(timeout)
        self._point_to_point.send(obj, rank, timeout)

    def recv(self, rank: int, timeout: float | None = None) -> Any:
        """Receive the next object that a rank has sent to this one, in the order it sent them.

        Raises
        ------
        WaitTimeoutError
        ProgramLeftError
            `rank` has returned from the program and sent nothing more.
        """
        self._check_rank(rank)
        check_timeout(timeout)
        return self._point_to_point.receive(rank, timeout)[1]

    def recv_any(self, timeout: float | None = None) -> tuple[int, Any]:
        """Receive the next object from whatever rank: ``(rank, obj)``. See `recv`."""
        check_timeout(timeout)
        return self._point_to_point.receive(None, timeout)

    def queue(self, maxsize: int, producers: int = 1) -> Queue:
        """Make a queue between the ranks. All of them call this together, like a collective.

        Parameters
        ----------
        maxsize : int
            How many objects it holds before `Queue.put` waits.
        producers : int
            How many ranks put objects in and then `Queue.close` it.
        """
        return Queue(self._exchange, maxsize, producers)

    @cached_property
    def _point_to_point(self) -> PointToPoint:
        return PointToPoint(self._exchange)

    def _hold(self, blocks: list[Rows]) -> Iterator[Rows]:
        for block in blocks:
            self._control.check()
            self._control.at(*block)
            yield block

    def _take(self, blocks: Blocks, claim: Callable[[int], tuple[int, int]]) -> Iterator[Rows]:
        while True:
            first, end = claim(len(blocks))
            if first == end:
                return
            yield from self._hold([blocks[k] for k in range(first, end)])

    def _measure(self, n: int, number: int) -> Iterator[Rows]:
        most = max(1, n // (_FIRST * self.size))
        while True:
            start, stop = self._control.claim_up_to(number, n, most)
            if start == stop:
                return
            began = time.perf_counter()
            yield from self._hold([Rows(start, stop)])
            seconds = time.perf_counter() - began
            # At most eight times more at a time: a clock's grain, or one cheap row, may mislead.
            most = max(1, min(8 * (stop - start), int(_BLOCK_SECONDS / seconds * (stop - start))))


def _checked_weights(weights: Weights, n: int) -> NDArray[np.float64]:
    """The costs of `n` rows."""
    given = plain_array(weights)
    if given.shape != (n,) or given.dtype.kind not in "biuf":
        raise InputError(
            f"expected a weight for each of {n} rows, got {given.dtype} of shape {given.shape}"
        )
    cost = given.astype(np.float64)
    bad = ~((cost >= 0) & (cost < np.inf))
    if bad.any():
        at = int(bad.argmax())
        raise InputError(f"expected weights from 0 up, got {cost[at]} for row {at}")
    return cost
