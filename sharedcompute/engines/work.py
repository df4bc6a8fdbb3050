"""What engines run: numbered units of work, the same for every engine."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Protocol

from sharedcompute.events import BlockDone
from sharedcompute.rows import Rows

Deliver = Callable[[int, int, Sequence[Any]], None]
"""Hands encoded chunks, of unit ... and result number ..., to the one writer of the output file."""


class Runner(Protocol):
    """Units of work in one process, with its files and buffers."""

    def run(self, number: int) -> BlockDone:
        """Do unit `number`."""

    def close(self) -> None:
        """Let go of files and buffers."""


class Work(Protocol):
    """Units that can be done in any order by any worker. It pickles."""

    @property
    def ordered(self) -> bool:
        """Whether what units deliver is stored in their order."""

    def __len__(self) -> int:
        """How many units there are."""

    def rows(self, number: int) -> Rows:
        """The rows of a unit, for errors."""

    def warm_up(self) -> None:
        """Compile here what all workers will need: they then find it in numba's cache."""

    def open(self, rank: int, deliver: Deliver) -> Runner:
        """Get ready to do units in this process."""
