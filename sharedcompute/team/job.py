"""A job while it runs: the results, messages and errors that have arrived from the workers."""

from __future__ import annotations

import pickle
from dataclasses import dataclass, field
from typing import Any

from sharedcompute.errors import ProgramError
from sharedcompute.team.messaging.channel import ALL_LEFT, POST, RAISED, RESULT, Message, OnMessage
from sharedcompute.team.messaging.pickling import Attached, loads
from sharedcompute.team.processes.serve import Failure


@dataclass
class RunningJob:
    """A running job, and what has been received from its workers so far.

    Parameters
    ----------
    results : list
        By rank; None for ranks that have not returned yet.
    on_message : callable or None
        Called with the rank and the object of each `Worker.post`.
    failures : dict
        The errors that programs raised, by rank.
    all_left : bool
        Whether all ranks have returned from the program.
    """

    results: list[Any]
    on_message: OnMessage | None
    failures: dict[int, Failure] = field(default_factory=dict)
    all_left: bool = False

    def receive(self, rank: int, message: Message, attached: Attached) -> None:
        """Record a message of a rank; pass on what it posted."""
        if message.kind == ALL_LEFT:
            self.all_left = True
            return
        if message.kind == POST and self.on_message is None:
            return
        value = loads(message.data, message.buffers, attached, {})
        attached.forget()
        if message.kind == RAISED:
            self.failures[rank] = value
        elif message.kind == RESULT:
            self.results[rank] = value
        elif self.on_message is not None:
            self.on_message(rank, value)

    def error(self) -> Exception:
        """Return the error of the lowest rank that raised one, with its traceback as a note."""
        failure = self.failures[min(self.failures)]
        error: Exception
        try:
            error = pickle.loads(failure.exception)
        except Exception as problem:  # noqa: BLE001 - any class, any way to fail
            error = ProgramError(f"a worker raised what cannot be read here ({problem!r})")
        error.add_note(failure.note)
        return error
