"""A bounded queue of Python objects between the ranks of a program."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from sharedcompute.errors import Error, QueueClosedError
from sharedcompute.shm import arrays
from sharedcompute.shm.arrays import SharedArray
from sharedcompute.sync import ProgramLeftError
from sharedcompute.sync.control import check_timeout
from sharedcompute.team.messaging.exchange import Exchange
from sharedcompute.team.messaging.fifo import Fifo
from sharedcompute.team.messaging.serialization import Serialized, deserialize
from sharedcompute.validation.integers import whole


class Queue:
    """A bounded queue of Python objects, for any number of producers and consumers.

    Made by `Worker.queue`, on all ranks together. Objects come out in the order in which they were
    put in, each to one consumer. Nobody waits for ever: waits end when a worker dies, when a job is
    over, and when nobody is left in the program who could end them.

    Attributes
    ----------
    maxsize : int
        How many objects it holds.
    producers : int
        How many ranks have to `close` it.
    """

    def __init__(self, exchange: Exchange, maxsize: int, producers: int) -> None:
        self.maxsize = maxsize
        self.producers = producers
        self._exchange = exchange
        self._closed = False
        self._fifo = Fifo(
            _meet(exchange, maxsize, producers),
            maxsize,
            exchange.rank,
            exchange.control,
            exchange.blocks,
            exchange.attached,
        )

    def put(self, obj: Any, timeout: float | None = None) -> None:
        """Put an object in; waits while the queue is full.

        Parameters
        ----------
        obj : object
            Anything that can be pickled. Shared arrays remain the same memory, all else is copied.
        timeout : float, optional
            The longest wait, in seconds.

        Raises
        ------
        QueueClosedError
        WaitTimeoutError
        ProgramLeftError
            It is full, and all other ranks have returned from the program.
        """
        check_timeout(timeout)
        if self._closed or self._is_closed():
            raise QueueClosedError("expected an open queue to put into, got a closed one")
        payload = self._fifo.pack(obj)
        self._fifo.wait(
            lambda: self._fifo.try_put(payload),
            lambda: self._alone("room in the queue"),
            timeout,
            "room in the queue",
        )

    def get(self, timeout: float | None = None) -> Any:
        """Take the next object out; waits while the queue is empty.

        Raises
        ------
        QueueClosedError
            It is closed and empty.
        WaitTimeoutError
        ProgramLeftError
            It is empty, and all other ranks have returned from the program.
        """
        check_timeout(timeout)
        what = "an object in the queue"
        return self._fifo.wait(self._fifo.try_get, self._drained, timeout, what)[1]

    def close(self) -> None:
        """Say that this rank puts nothing in any more. Closing twice is harmless.

        When `producers` ranks have said so the queue is closed: what is in it comes out, then
        `get` raises and iteration ends.
        """
        if not self._closed:
            self._closed = True
            self._fifo.close()

    def __iter__(self) -> Iterator[Any]:
        """Take objects out until the queue is closed and empty."""
        while True:
            try:
                obj = self.get()
            except QueueClosedError:
                return
            yield obj

    def _is_closed(self) -> bool:
        return self._fifo.times_closed() >= self.producers

    def _drained(self) -> Error | None:
        """Say why nothing will come any more, where that is so."""
        if self._is_closed():
            # What is being written is to come.
            if self._fifo.is_empty():
                return QueueClosedError("expected an object in the queue, it is closed and empty")
            return None
        return self._alone("an object in the queue")

    def _alone(self, what: str) -> Error | None:
        exchange = self._exchange
        others = (rank for rank in range(exchange.size) if rank != exchange.rank)
        if not all(exchange.has_left(rank) for rank in others):
            return None
        return ProgramLeftError(
            f"expected {what}, all other ranks have returned from the program; "
            f"close the queue on {self.producers} of them, and take out all that is put in"
        )


def _meet(exchange: Exchange, maxsize: int, producers: int) -> SharedArray:
    """Make the words of the queue on rank 0, and map them on all others."""
    maxsize = whole("maxsize", maxsize, 1)
    producers = whole("producers", producers, 1, exchange.size)
    text = f"queue({maxsize}, producers={producers})"
    words = None
    if exchange.rank == 0:
        words = arrays.zeros(Fifo.size_for(maxsize), "i8")
        serialized = Serialized(tuple(arrays.handle(words) or ()))
        half = exchange.call(text, serialized.nbytes, serialized.write)
    else:
        half = exchange.call(text)
        handle = deserialize(exchange.shown(0, half), exchange.attached)
        words = arrays.attach(arrays.Handle(*handle))
    exchange.call(f"the end of {text}")
    # All have it mapped: it needs no name any more, and goes with the last of them.
    words.close()
    return words
