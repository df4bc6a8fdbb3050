"""`Worker`, the first argument of every program: its rank, its rows, and synchronisation."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager
from functools import cached_property
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from sharedcompute.errors import InputError
from sharedcompute.rows import SCHEDULES, Rows, Schedule, share, split_weighted
from sharedcompute.sync import Control, ControlBlock
from sharedcompute.sync.control import check_timeout
from sharedcompute.sync.handles import Counter, Event, Lock, Semaphore
from sharedcompute.team.messaging.channel import POST, Channel
from sharedcompute.team.messaging.exchange import Exchange
from sharedcompute.team.messaging.pickling import dumps
from sharedcompute.team.messaging.point_to_point import PointToPoint
from sharedcompute.team.messaging.queue import Queue
from sharedcompute.team.programs.claims import RowClaims
from sharedcompute.team.programs.collectives import Collectives
from sharedcompute.validation.arrays import plain_array
from sharedcompute.validation.integers import whole

Weights = Sequence[float] | NDArray[np.generic]

_MOST = (1 << 62) - 1


class Worker(Collectives):
    """One worker of a team, as a program sees it: rank, rows, synchronisation and messages.

    Attributes
    ----------
    rank, size : int
        The rank of this worker, from 0, and the number of workers.
    """

    def __init__(self, exchange: Exchange, channel: Channel, job: int) -> None:
        self.rank = exchange.rank
        self.size = exchange.size
        self._exchange = exchange
        self._control: Control = exchange.control
        self._channel = channel
        self._job = job
        exchange.begin(job)
        self._claims = RowClaims(self._control)

    @property
    def control(self) -> ControlBlock:
        """The control block: the first argument of the functions of `sharedcompute.sync`."""
        return self._control.block

    def rows(self, n: int, weights: Weights | None = None) -> Rows:
        """Return this worker's share of `n` rows: the static schedule.

        Parameters
        ----------
        n : int
            Number of rows.
        weights : array_like, shape (n,), optional
            The cost of each row, in any unit, from 0 up. By default all cost the same.

        Returns
        -------
        Rows
            The half-open range ``(start, stop)``.
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
        """Iterate over the blocks of `n` rows that this worker processes.

        Every rank must make the same claims in the same order: together they get each row once.

        Parameters
        ----------
        n : int
            Number of rows.
        block_rows : int or "auto", optional
            Rows in a block. By default a static share is one block, and other schedules have
            eight blocks for each worker. With ``"auto"`` (dynamic only) each worker times its
            blocks, the first of them small, and takes as many rows as take 2 ms, fewer towards the
            end. Then the blocks, though not the rows, differ from run to run: results that combine
            blocks and have to be the same bits need a number here.
        schedule : {"dynamic", "static", "guided", "stealing"}
            As in OpenMP. ``"dynamic"``: a free worker takes the next block. ``"static"``: equal
            shares of consecutive blocks. ``"guided"``: several blocks at a time, ever fewer.
            ``"stealing"``: each worker has its static share, from front to back; one that is done
            takes from the back of the largest remaining share.

        Yields
        ------
        Rows
            The next block; the worker records it as in progress, see `at`.
        """
        n = whole("n", n, most=_MOST)
        if schedule not in SCHEDULES:
            raise InputError(f"expected a schedule out of {', '.join(SCHEDULES)}, got {schedule!r}")
        if block_rows == "auto":
            if schedule != "dynamic":
                raise InputError(f"expected block_rows as a number for {schedule}, got 'auto'")
        elif block_rows is not None:
            block_rows = whole("block_rows (or 'auto')", block_rows, 1)
        return self._claims.claim(n, block_rows, schedule)

    def claim_agreed(
        self, n: int, block_rows: int | Literal["auto"] | None, schedule: Schedule
    ) -> Iterator[Rows]:
        """Iterate as `claim`, where all ranks are known to claim alike."""
        return self._claims.claim_agreed(n, block_rows, schedule)

    def at(self, rows: tuple[int, int]) -> None:
        """Record the rows in progress: errors and `WorkerDied` name them.

        Parameters
        ----------
        rows : tuple of int
            The half-open range ``(start, stop)``.
        """
        start, stop = rows
        self._control.at(whole("the first row", start), whole("the row behind the last", stop))

    def check(self) -> None:
        """Raise `sharedcompute.sync.Aborted` if the job is over because another worker failed."""
        self._control.check()

    def barrier(self, timeout: float | None = None) -> None:
        """Wait until all ranks have reached the barrier.

        Parameters
        ----------
        timeout : float, optional
            The longest wait, in seconds. After a timeout of any rank the barrier stays broken for
            the rest of the job.

        Raises
        ------
        ProgramLeftError
            Another rank has returned from the program.
        WaitTimeoutError
            The wait of at least one rank has timed out.
        """
        self._control.barrier(timeout)

    @property
    def lock(self) -> Lock:
        """The first lock of the team, for a ``with`` block: number 0 of `locks`."""
        return Lock(self.control, 0)

    def locks(self, number: int) -> Lock:
        """Return one of the 16 locks of the team, for a ``with`` block.

        Parameters
        ----------
        number : int
            From 0 to 15.

        Returns
        -------
        Lock
        """
        return Lock(self.control, number)

    def semaphore(self, n: int) -> Semaphore:
        """Return a semaphore of `n` permits, for a ``with`` block.

        Parameters
        ----------
        n : int
            How many workers may hold it at a time. Calls with the same `n` return the same
            semaphore.

        Returns
        -------
        Semaphore
        """
        return Semaphore(self.control, n)

    def counter(self, number: int) -> Counter:
        """Return one of the 64 counters that all ranks share.

        Parameters
        ----------
        number : int
            From 0 to 63.

        Returns
        -------
        Counter
        """
        return Counter(self.control, number)

    def event(self, number: int) -> Event:
        """Return one of the 16 events that all ranks share.

        Parameters
        ----------
        number : int
            From 0 to 15.

        Returns
        -------
        Event
        """
        return Event(self.control, number)

    def waiting(self, what: str) -> AbstractContextManager[Callable[[], None]]:
        """Record a wait of your own, so that a deadlock is detected.

        Parameters
        ----------
        what : str
            What is waited for, as in "rank 1 waits for ...", for the error.

        Returns
        -------
        context manager
            It yields a function to call after each unsuccessful attempt, some ten times a second,
            which raises `Aborted` when the job is over. If all ranks that still run wait like that,
            the job ends with a `DeadlockError`: so only another rank may be able to end the wait.
        """
        return self._control.waiting(what)

    def post(self, obj: object) -> None:
        """Send an object to the parent's `on_message` while the program runs.

        It waits while the socket is full.

        Parameters
        ----------
        obj : object
            Any object that can be pickled. Bytes from 64 kB up arrive as a read-only memoryview.
        """
        self._channel.send(POST, self._job, *dumps(obj, "copy"))

    def send(self, obj: object, rank: int, timeout: float | None = None) -> None:
        """Send an object to another rank, or to this one.

        A buffered send, as in MPI: up to 32 messages wait for a rank that does not receive. Then
        the sender waits for room, and receives in the meantime what others send it, so that ranks
        that send to each other never block each other.

        Parameters
        ----------
        obj : object
            Any object that can be pickled. Shared arrays remain the same memory, others are copied.
        rank : int
            The rank that receives.
        timeout : float, optional
            The longest wait, in seconds.

        Raises
        ------
        WaitTimeoutError
        ProgramLeftError
            The mailbox is full, and `rank` has returned from the program.
        """
        self._check_rank(rank)
        check_timeout(timeout)
        self._point_to_point.send(obj, rank, timeout)

    def recv(self, rank: int, timeout: float | None = None) -> Any:
        """Receive the next object from a rank, in the order in which it sent them.

        Parameters
        ----------
        rank : int
            The rank that sends.
        timeout : float, optional
            The longest wait, in seconds.

        Returns
        -------
        object

        Raises
        ------
        WaitTimeoutError
        ProgramLeftError
            `rank` has returned from the program and has sent nothing more.
        """
        self._check_rank(rank)
        check_timeout(timeout)
        return self._point_to_point.receive(rank, timeout)[1]

    def recv_any(self, timeout: float | None = None) -> tuple[int, Any]:
        """Receive the next object from any rank.

        Parameters
        ----------
        timeout : float, optional
            The longest wait, in seconds.

        Returns
        -------
        rank : int
            The sender.
        obj : object
        """
        check_timeout(timeout)
        return self._point_to_point.receive(None, timeout)

    def queue(self, maxsize: int, producers: int = 1) -> Queue:
        """Create a queue between the ranks: a collective call.

        Parameters
        ----------
        maxsize : int
            Capacity in objects: `Queue.put` waits while the queue is full.
        producers : int
            Number of ranks that put objects in and then `Queue.close` it.

        Returns
        -------
        Queue
        """
        return Queue(self._exchange, maxsize, producers)

    @cached_property
    def _point_to_point(self) -> PointToPoint:
        return PointToPoint(self._exchange)


def _checked_weights(weights: Weights, n: int) -> NDArray[np.float64]:
    """Return the costs of `n` rows as float64."""
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
