"""Worker processes: how they are started, and how they end."""

from __future__ import annotations

import multiprocessing
import signal
import sys
import types
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace
from multiprocessing import resource_tracker
from multiprocessing.process import BaseProcess
from typing import Any

from sharedcompute import segments
from sharedcompute.errors import InputError
from sharedcompute.team.messages import Channel, Recycled

_PRELOAD = ["sharedcompute.team.preload"]


class Seat:
    """A rank's place in a team, and the process that sits there now."""

    def __init__(self, process: BaseProcess, channel: Channel, rank: int) -> None:
        self.process = process
        self.channel = channel
        self.rank = rank
        self.pid: int = process.pid or -1
        self.sentinel = process.sentinel
        self.given: set[int] = set()
        """The tokens of the dispatchers that this process has."""
        self.alive = True

    def end(self) -> int:
        """Kill the process if it still runs, free what it had, and return its exit code."""
        self.alive = False
        with suppress(OSError):
            self.channel.close()
        self.process.kill()
        self.process.join(1.0)
        segments.clean(self.pid)
        return self.process.exitcode if self.process.exitcode is not None else -signal.SIGKILL


def context(start_method: str | None) -> Any:
    """Return the start method's context; forkserver, or spawn where there is none, by default."""
    known = multiprocessing.get_all_start_methods()
    if start_method not in (None, *known):
        raise InputError(f"expected a start method out of {', '.join(known)}, got {start_method!r}")
    if start_method is None:
        start_method = "forkserver" if "forkserver" in known else "spawn"
    chosen: Any = multiprocessing.get_context(start_method)
    if start_method == "forkserver":
        _ensure_forkserver()
    return chosen


def start(chosen: Any, origin: Any, rank: int, recycled: Recycled) -> Seat:
    """Start the worker of `rank`."""
    from sharedcompute.team import serve  # noqa: PLC0415 - imports numba

    ours, theirs = multiprocessing.Pipe()
    process = chosen.Process(
        target=serve.main,
        args=(replace(origin, rank=rank), theirs),
        name=f"sharedcompute-{rank}",
        daemon=True,
    )
    with _undisturbed():
        process.start()
    theirs.close()
    return Seat(process, Channel(ours, recycled), rank)


def _ensure_forkserver() -> None:
    """Start the fork server; it imports while we go on.

    There is one in a process: where the user has set it up, or runs it, it stays as it is.
    """
    from multiprocessing import forkserver  # noqa: PLC0415 - not on every system

    server: Any = forkserver._forkserver
    if server._preload_modules == ["__main__"]:
        server.set_forkserver_preload(_PRELOAD)
    with _undisturbed():
        server.ensure_running()


@contextmanager
def _undisturbed() -> Iterator[None]:
    """Start a process so that it neither sees Ctrl-C nor the user's script.

    SIGINT is blocked, and the block inherited, until the child has said that it ignores it. And
    multiprocessing would run the script again in the child, to find what its ``__main__`` defines,
    so that a script without a guard would start teams for ever. We send such things by value, so
    ``__main__`` is hidden meanwhile.
    """
    # Before: it unblocks SIGINT when it has started its process, whatever it was (Python 3.11).
    resource_tracker.ensure_running()
    main, hidden = sys.modules["__main__"], types.ModuleType("__main__")
    blocked = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    sys.modules["__main__"] = hidden
    try:
        yield
    finally:
        sys.modules["__main__"] = main
        signal.pthread_sigmask(signal.SIG_SETMASK, blocked)
