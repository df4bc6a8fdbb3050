"""What a program gets: a worker's rank, rows, and ways to wait for the others."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AbstractContextManager
from functools import cached_property
from typing import Any

from sharedcompute.errors import InputError
from sharedcompute.rows import SCHEDULES, Blocks, Rows, Schedule, share
from sharedcompute.sync import Control, ControlBlock
from sharedcompute.team.collectives import Collectives
from sharedcompute.team.exchange import Exchange
from sharedcompute.team.fifo import check_timeout
from sharedcompute.team.mail import Mail
from sharedcompute.team.messages import POST, Channel, dumps
from sharedcompute.team.queue import Queue


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

    @property
    def control(self) -> ControlBlock:
        """The control block: what `sharedcompute.sync.barrier` takes, in nopython code too."""
        return self._control.block

    def rows(self, n: int) -> Rows:
        """Return this worker's share of `n` rows: the static schedule."""
        return share(n, self.size, self.rank)

    def claim(
        self, n: int, block_rows: int | None = None, schedule: Schedule = "dynamic"
    ) -> Iterator[Rows]:
        """Iterate over the blocks of `n` rows that fall to this worker.

        Every rank must make the same claims in the same order: together they get each block once.

        Parameters
        ----------
        n : int
            How many rows.
        block_rows : int, optional
            Rows in a block. By default a static share is one block, and other schedules cut
            eight blocks a worker.
        schedule : {"dynamic", "static", "guided"}
            As in OpenMP: who is free takes the next block; equal shares of neighbouring blocks;
            or several blocks at once, ever fewer.

        Yields
        ------
        Rows
            The worker notes each as the rows it has in hand.
        """
        if schedule not in SCHEDULES:
            raise InputError(f"expected a schedule out of {', '.join(SCHEDULES)}, got {schedule!r}")
        if block_rows is not None and block_rows < 1:
            raise InputError(f"expected block_rows from 1 up, got {block_rows}")
        # Here and not in the generator, so that the order of the calls numbers the claims.
        self._claims += 1
        if schedule != "static":
            blocks = Blocks(n, block_rows or max(1, n // (8 * self.size)))
            return self._take(blocks, self._claims, schedule == "guided")
        if block_rows is None:
            return self._hold([self.rows(n)] if self.rows(n).size else [])
        blocks = Blocks(n, block_rows)
        return self._hold([blocks[number] for number in range(*self.rows(len(blocks)))])

    def at(self, rows: tuple[int, int]) -> None:
        """Note the rows in hand: errors and `WorkerDied` name them."""
        self._control.at(*rows)

    def check(self) -> None:
        """Leave the program where the job is over because another worker failed."""
        self._control.check()

    def barrier(self) -> None:
        """Wait until all ranks are here."""
        self._control.barrier()

    @property
    def lock(self) -> AbstractContextManager[None]:
        """The team's one lock, for a ``with`` block."""
        return self._control.lock()

    def semaphore(self, n: int) -> AbstractContextManager[None]:
        """Return a semaphore that lets `n` workers in at a time, for a ``with`` block.

        Calls with the same `n` mean the same semaphore.
        """
        if n < 1:
            raise InputError(f"expected a semaphore of 1 or more, got {n}")
        return self._control.semaphore(n)

    def post(self, obj: Any) -> None:
        """Send an object to the parent's `on_message` while the program runs.

        Waits while the parent is behind. Bytes from 64 kB up arrive as a read-only memoryview.
        """
        self._channel.send(POST, self._job, *dumps(obj))

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
        self._mail.send(obj, rank, timeout)

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
        return self._mail.receive(rank, timeout)[1]

    def recv_any(self, timeout: float | None = None) -> tuple[int, Any]:
        """Receive the next object from whatever rank: ``(rank, obj)``. See `recv`."""
        check_timeout(timeout)
        return self._mail.receive(None, timeout)

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
    def _mail(self) -> Mail:
        return Mail(self._exchange)

    def _hold(self, blocks: list[Rows]) -> Iterator[Rows]:
        for block in blocks:
            self._control.check()
            self._control.at(*block)
            yield block

    def _take(self, blocks: Blocks, number: int, guided: bool) -> Iterator[Rows]:
        while True:
            first, end = self._control.claim(number, len(blocks), guided)
            if first == end:
                return
            yield from self._hold([blocks[k] for k in range(first, end)])
