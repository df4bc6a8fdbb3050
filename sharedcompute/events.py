"""Events of a running job, as data: progress bars and reports listen to these."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class PassStarted:
    """A pass over all rows begins; or a fit, which makes many passes, and can be stopped."""

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
        The worker and the block.
    start, stop : int
        The rows of the block.
    nbytes : int
        Bytes of these rows in the source.
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
    """The reduced states of some blocks were received from their worker.

    Parameters
    ----------
    rank : int
    blocks : tuple of int
    states : tuple
        One for each reduction that has a state for each worker.
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
        Figures of the fit: its inertia, how far it moved.
    done : bool
        It was the last round.
    converged : bool
    model : mapping of str to ndarray or None
        Now and then the state of the fit, to be saved; listeners get none.
    """

    number: int
    values: Mapping[str, float]
    done: bool
    converged: bool
    model: Mapping[str, Any] | None = None


@dataclass(frozen=True)
class WorkerReplaced:
    """A worker died; the block that it worked on is done again.

    Parameters
    ----------
    rank, pid : int
    signal : int or None
    rows : tuple of int or None
        The rows that it worked on.
    """

    rank: int
    pid: int
    signal: int | None
    rows: tuple[int, int] | None


@dataclass(frozen=True)
class BlocksRestored:
    """Blocks were done by an earlier run.

    Parameters
    ----------
    blocks : int
        The number of blocks.
    nbytes : int
        Their bytes in the source.
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
    """Ignore an event: the listener of a job without one."""
