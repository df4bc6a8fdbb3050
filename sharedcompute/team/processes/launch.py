"""Start and end of worker processes."""

from __future__ import annotations

import multiprocessing
import os
import resource
import select
import signal
import sys
import types
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace
from multiprocessing import resource_tracker
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from sharedcompute.errors import Error, InputError, MemoryBudgetError
from sharedcompute.shm import segments
from sharedcompute.system.descriptors import occupy_standard
from sharedcompute.system.signal_mask import blocked
from sharedcompute.team.messaging.callables import send_main_by_value
from sharedcompute.team.messaging.channel import BufferPool, Channel
from sharedcompute.team.processes import forked
from sharedcompute.traits import IN_PROCESS
from sharedcompute.wording import option

if TYPE_CHECKING:
    from multiprocessing.context import ForkContext, ForkServerContext, SpawnContext

    from sharedcompute.team.processes.serve import WorkerConfig

    Context = ForkContext | ForkServerContext | SpawnContext

_PRELOAD = ["sharedcompute.team.processes.preload"]


_TRIES = 3
"""Attempts to start a worker: the fork server may be killed like any process."""

_EACH, _SPARE = 4, 16
"""Descriptors that the parent keeps for each worker, and that it needs to start one."""


class WorkerHandle:
    """The parent's handle of the worker process of a rank.

    `sentinel` becomes readable when the process ends. It is a descriptor of the process itself:
    multiprocessing's own is a pipe from the fork server, and becomes readable as well when that is
    killed, which does not harm the workers.
    """

    def __init__(self, process: BaseProcess, channel: Channel, rank: int) -> None:
        self.process = process
        self.channel = channel
        self.rank = rank
        self.pid: int = process.pid or -1
        self._server = _server_pid()
        self._handle = _open_process(self.pid)
        self.sentinel = process.sentinel if self._handle is None else self._handle
        self.given: set[int] = set()
        """The tokens of the dispatchers that the worker has received."""
        self.alive = True
        forked.close_in_forks(self)

    def close(self) -> None:
        """Release the worker without ending it: in a fork it is the parent's."""
        self.alive = False
        forked.forget_child(self.process)
        handle, self._handle = self._handle, None
        if handle is not None:
            os.close(handle)

    def wait(self, seconds: float) -> bool:
        """Wait for the end of the process; return whether it ended."""
        poll = select.poll()
        poll.register(self.sentinel, select.POLLIN)
        return bool(poll.poll(seconds * 1000))

    def end(self) -> int | None:
        """Kill the process if it still runs, free its blocks, and return its exit code.

        None if it is unknown: the fork server, whose child it was, was killed too.
        """
        self.alive = False
        with suppress(OSError):
            self.channel.close()
        self._kill()
        self.wait(1.0)
        self.process.join(1.0)
        code = self.process.exitcode
        if self._handle is not None:
            os.close(self._handle)
            self._handle = None
        segments.clean(self.pid)
        if code == _UNKNOWN and self._server is not None:
            return code if segments.start_time(self._server) is not None else None
        return code

    def _kill(self) -> None:
        if self._handle is None:
            self.process.kill()
            return
        # Not by the pid, which may be reused by now; and multiprocessing takes a worker whose
        # fork server is gone for dead.
        with suppress(ProcessLookupError):
            signal.pidfd_send_signal(self._handle, signal.SIGKILL)


_UNKNOWN = 255
"""The exit code that multiprocessing returns if the fork server was killed."""


def _open_process(pid: int) -> int | None:
    """Open a pidfd of a process; None if it has ended, or the system has no pidfds."""
    try:
        return os.pidfd_open(pid)
    except (AttributeError, OSError):
        return None


def check_descriptors(size: int) -> None:
    """Check that this process may open enough files for a team.

    The fork server would fail half-way, with a traceback of its own.

    Raises
    ------
    MemoryBudgetError
    """
    limit = resource.getrlimit(resource.RLIMIT_NOFILE)[0]
    opened = Path("/proc/self/fd")
    used = len(list(opened.iterdir())) if opened.is_dir() else 0
    need = _EACH * size + _SPARE
    if limit != resource.RLIM_INFINITY and need > limit - used:
        raise MemoryBudgetError(
            f"expected {need} file descriptors for a team of {size}, got {max(0, limit - used)} of "
            f"the limit of {limit}; use fewer workers, or raise it with ulimit -n {need + used}"
        )


def context(start_method: str | None) -> Context:
    """Return the context of a start method; by default of forkserver, or spawn if there is none."""
    occupy_standard()
    known = multiprocessing.get_all_start_methods()
    if start_method not in (None, *known):
        raise InputError(f"expected a start method out of {', '.join(known)}, got {start_method!r}")
    if start_method is None:
        start_method = "forkserver" if "forkserver" in known else "spawn"
    chosen = cast("Context", multiprocessing.get_context(start_method))
    send_main_by_value()
    if start_method == "forkserver":
        with _starting("the process that starts workers"):
            _ensure_forkserver()
    return chosen


def start_worker(
    chosen: Context, config: WorkerConfig, rank: int, pool: BufferPool
) -> WorkerHandle:
    """Start the worker of `rank`.

    Raises
    ------
    InputError
        This process is a worker itself.
    MemoryBudgetError
        The system has no memory, processes or files left for it.
    Error
        The fork server is killed again and again.
    """
    from sharedcompute.team.processes import serve  # noqa: PLC0415 - imports numba

    if multiprocessing.current_process().daemon:
        raise InputError(
            "expected a process that may start others, got a worker of a team or a pool; make the "
            "Team in the main program, or run the job in this process: "
            f"{option('engine', IN_PROCESS)}"
        )

    for _ in range(_TRIES):
        try:
            with _starting(f"worker {rank}"):
                ours, theirs = multiprocessing.Pipe()
                # A fork of this process, such as a worker, would keep another from seeing it
                # closed.
                forked.close_in_forks(ours)
                with theirs:
                    process: BaseProcess = chosen.Process(
                        target=serve.main,
                        args=(replace(config, rank=rank), theirs),
                        name=f"sharedcompute-{rank}",
                        daemon=True,
                    )
                    _start(process, chosen.get_start_method())
        except (EOFError, ConnectionError):
            _bury_server()  # the next start begins a new one
        else:
            return WorkerHandle(process, Channel(ours, pool), rank)
    raise Error(
        f"expected to start worker {rank}, the process that starts workers died {_TRIES} times; "
        "look at what it printed, and at the limits on memory and processes (ulimit -u)"
    )


@contextmanager
def _in_some_folder() -> Iterator[None]:
    """Start a process although the working directory is deleted, which multiprocessing reads."""
    try:
        Path.cwd()
    except FileNotFoundError:
        here = os.open(".", os.O_RDONLY)
        os.chdir("/")
        try:
            yield
        finally:
            os.fchdir(here)
            os.close(here)
    else:
        yield


@contextmanager
def _starting(what: str) -> Iterator[None]:
    """Start a process; raise an error that names the likely limit if the system has no room."""
    try:
        with _in_some_folder():
            yield
    except ConnectionError:
        raise
    except OSError as problem:
        raise MemoryBudgetError(
            f"expected to start {what}, got {problem.strerror!r}; use fewer workers, or raise the "
            "limit: ulimit -u for processes (pids.max of a cgroup), ulimit -n for open files"
        ) from None


def _start(process: BaseProcess, start_method: str) -> None:
    if start_method != "forkserver":
        with _hidden_main(), _blocked_interrupt():
            process.start()
        return
    # The first worker waits until the fork server has imported everything: Ctrl-C has to end that.
    # Its own signal mask, which the workers inherit, was set when it was started.
    _ensure_forkserver()
    with _hidden_main():
        process.start()


def _server_pid() -> int | None:
    from multiprocessing import forkserver  # noqa: PLC0415 - not on every system

    server: Any = forkserver._forkserver
    return server._forkserver_pid  # type: ignore[no-any-return]


def _bury_server() -> None:
    """Wait for the end of the fork server, which has closed its connections."""
    pid = _server_pid()
    if pid is not None:
        with suppress(ChildProcessError):
            os.waitid(os.P_PID, pid, os.WEXITED | os.WNOWAIT)


def _ensure_forkserver() -> None:
    """Start the fork server; it imports while this process continues.

    There is one in a process: if the user has set it up, or runs it, it stays as it is.
    """
    from multiprocessing import forkserver  # noqa: PLC0415 - not on every system

    server: Any = forkserver._forkserver
    if server._preload_modules == ["__main__"]:
        server.set_forkserver_preload(_PRELOAD)
    with _hidden_main(), _blocked_interrupt():
        server.ensure_running()


@contextmanager
def _blocked_interrupt() -> Iterator[None]:
    """Start a process so that it does not see Ctrl-C.

    SIGINT is blocked, and the mask inherited, until the child ignores it.
    """
    # Before: it unblocks SIGINT after it has started its process, whatever it was (Python 3.11).
    resource_tracker.ensure_running()
    with blocked({signal.SIGINT}):
        yield


@contextmanager
def _hidden_main() -> Iterator[None]:
    """Start a process so that it does not see the user's script.

    multiprocessing would run the script again in the child, to find what its ``__main__`` defines,
    so that a script without a guard would start teams for ever. Such objects are sent by value.
    """
    main = sys.modules["__main__"]
    sys.modules["__main__"] = types.ModuleType("__main__")
    try:
        yield
    finally:
        sys.modules["__main__"] = main
