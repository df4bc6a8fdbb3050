"""What happens while a job runs, as data: progress bars and reports listen to these."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class PassStarted:
    """A pass over all rows begins; or a fit, which makes many, and can be stopped."""

    number: int
    passes: int
    purpose: str
    rows: int
    nbytes: int
    fit: bool = False


@dataclass(frozen=True)
class BlockDone:
    """A worker is done with a block.

    Parameters
    ----------
    rank, block : int
        Which worker, which block.
    start, stop : int
        Its rows.
    nbytes : int
        Bytes of the source that these rows are.
    began : float
        `time.monotonic` when the worker took it, in seconds.
    read, compute, write : float
        Seconds spent on each.
    checksums : tuple of int
        CRC-32 of the block's rows in each dataset that the pass writes.
    """

    rank: int
    block: int
    start: int
    stop: int
    nbytes: int
    began: float
    read: float
    compute: float
    write: float
    checksums: tuple[int, ...] = ()


@dataclass(frozen=True)
class StateTaken:
    """What some blocks were reduced to was taken over from their worker.

    Parameters
    ----------
    rank : int
    blocks : tuple of int
    states : tuple
        One for each reduction that keeps a state for each worker.
    """

    rank: int
    blocks: tuple[int, ...]
    states: tuple[Any, ...]


@dataclass(frozen=True)
class RoundDone:
    """A round of a fit is done.

    Parameters
    ----------
    number : int
        From 1.
    values : mapping of str to float
        What the fit says of itself: its inertia, how far it moved.
    done : bool
        It was the last one.
    converged : bool
    model : mapping of str to ndarray or None
        Now and then what the fit has come to, to be saved; listeners get none.
    """

    number: int
    values: Mapping[str, float]
    done: bool
    converged: bool
    model: Mapping[str, Any] | None = None


@dataclass(frozen=True)
class WorkerReplaced:
    """A worker died; what it had in hand is done again.

    Parameters
    ----------
    rank, pid : int
    signal : int or None
    rows : tuple of int or None
        What it had in hand.
    """

    rank: int
    pid: int
    signal: int | None
    rows: tuple[int, int] | None


@dataclass(frozen=True)
class BlocksRestored:
    """Blocks were done by a run before this one.

    Parameters
    ----------
    blocks : int
        How many.
    nbytes : int
        Bytes of the source that they are.
    """

    blocks: int
    nbytes: int


@dataclass(frozen=True)
class JobFinished:
    """All passes are done and the output is in its place."""

    seconds: float


Event = (
    PassStarted | BlockDone | StateTaken | RoundDone | WorkerReplaced | BlocksRestored | JobFinished
)
Listener = Callable[[Event], None]


def ignore(_: Event) -> None:
    """The listener of a job that nobody watches."""
