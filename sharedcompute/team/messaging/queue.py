"""A bounded queue of Python objects between the ranks of a program."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from sharedcompute.errors import Error, QueueClosedError
from sharedcompute.shm import arrays
from sharedcompute.shm.shared_array import SharedArray
from sharedcompute.sync import ProgramLeftError
from sharedcompute.sync.control import check_timeout
from sharedcompute.team.messaging.exchange import Exchange
from sharedcompute.team.messaging.fifo import Fifo
from sharedcompute.team.messaging.serialization import Serialized, deserialize
from sharedcompute.validation.integers import whole


class Queue:
    """A bounded queue of Python objects, for any number of producers and consumers.

    Created by `Worker.queue`, a collective call. Objects are taken out in the order in which they
    were put in, each by one consumer. Waits end when a worker dies, when the job is over, and when
    no rank is left in the program that could end them.

    Attributes
    ----------
    maxsize : int
        Capacity in objects.
    producers : int
        Number of ranks that have to `close` it.
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

    def put(self, obj: object, timeout: float | None = None) -> None:
        """Put an object in, waiting while the queue is full.

        Parameters
        ----------
        obj : object
            Any object that can be pickled. Shared arrays remain the same memory, others are copied.
        timeout : float, optional
            The longest wait, in seconds.

        Raises
        ------
        QueueClosedError
        WaitTimeoutError
        ProgramLeftError
            The queue is full, and all other ranks have returned from the program.
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
        """Take the next object out, waiting while the queue is empty.

        Parameters
        ----------
        timeout : float, optional
            The longest wait, in seconds.

        Returns
        -------
        object

        Raises
        ------
        QueueClosedError
            The queue is closed and empty.
        WaitTimeoutError
        ProgramLeftError
            The queue is empty, and all other ranks have returned from the program.
        """
        check_timeout(timeout)
        what = "an object in the queue"
        return self._fifo.wait(self._fifo.try_get, self._drained, timeout, what)[1]

    def close(self) -> None:
        """Close the queue for this rank, which puts nothing in any more. Closing twice is harmless.

        After `producers` ranks have called this the queue is closed: the objects in it can be taken
        out, then `get` raises and iteration ends.
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
        """Return the error for a queue from which nothing will come any more, else None."""
        if self._is_closed():
            # An object that is being written counts.
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
    """Allocate the words of the queue on rank 0, and map them on all others."""
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
    # All have it mapped: it needs no name any more, and is freed by the last of them.
    words.close()
    return words
