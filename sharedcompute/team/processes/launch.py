"""Worker processes: how they are started, and how they end."""

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
from typing import Any

from sharedcompute.errors import Error, InputError, MemoryBudgetError
from sharedcompute.shm import segments
from sharedcompute.system.descriptors import occupy_standard
from sharedcompute.system.signal_mask import blocked
from sharedcompute.team.messaging.callables import send_main_by_value
from sharedcompute.team.messaging.channel import BufferPool, Channel
from sharedcompute.team.processes import forked
from sharedcompute.wording import option

_PRELOAD = ["sharedcompute.team.processes.preload"]


_TRIES = 3
"""How often a worker is started: the fork server may be killed like any process."""

_EACH, _SPARE = 4, 16
"""Descriptors that the parent keeps for a worker, and that it needs to start one."""


class WorkerHandle:
    """A rank's place in a team, and the process that sits there now.

    `sentinel` becomes readable when the process ends. It is a descriptor of the process itself:
    multiprocessing's own is a pipe from the fork server, and becomes readable as well when that is
    killed, which does the workers no harm.
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
        """The tokens of the dispatchers that this process has."""
        self.alive = True
        forked.close_in_forks(self)

    def close(self) -> None:
        """Let go of the worker, which goes on: in a fork it is the parent's."""
        self.alive = False
        forked.forget_child(self.process)
        handle, self._handle = self._handle, None
        if handle is not None:
            os.close(handle)

    def wait(self, seconds: float) -> bool:
        """Wait for the end of the process; whether it came."""
        poll = select.poll()
        poll.register(self.sentinel, select.POLLIN)
        return bool(poll.poll(seconds * 1000))

    def end(self) -> int | None:
        """Kill the process if it still runs, free what it had, and return its exit code.

        None where nobody knows it: the fork server, whose child it was, was killed too.
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
        # Not by the pid, which may be another's by now; and multiprocessing takes a worker whose
        # fork server is gone for dead.
        with suppress(ProcessLookupError):
            signal.pidfd_send_signal(self._handle, signal.SIGKILL)


_UNKNOWN = 255
"""What multiprocessing says where the fork server was killed, and could not tell."""


def _open_process(pid: int) -> int | None:
    """A descriptor of a process; None where it is gone already, or the system has no such thing."""
    try:
        return os.pidfd_open(pid)
    except (AttributeError, OSError):
        return None


def check_descriptors(size: int) -> None:
    """Refuse a team for which this process may not open enough files.

    The fork server would fail on that half-way, with a traceback of its own.

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


def context(start_method: str | None) -> Any:
    """Return the start method's context; forkserver, or spawn where there is none, by default."""
    occupy_standard()
    known = multiprocessing.get_all_start_methods()
    if start_method not in (None, *known):
        raise InputError(f"expected a start method out of {', '.join(known)}, got {start_method!r}")
    if start_method is None:
        start_method = "forkserver" if "forkserver" in known else "spawn"
    chosen: Any = multiprocessing.get_context(start_method)
    send_main_by_value()
    if start_method == "forkserver":
        with _starting("the process that starts workers"):
            _ensure_forkserver()
    return chosen


def start(chosen: Any, config: Any, rank: int, pool: BufferPool) -> WorkerHandle:
    """Start the worker of `rank`.

    Raises
    ------
    InputError
        This process is a worker itself.
    MemoryBudgetError
        The system has no room for it.
    Error
        The fork server is killed again and again.
    """
    from sharedcompute.team.processes import serve  # noqa: PLC0415 - imports numba

    if multiprocessing.current_process().daemon:
        raise InputError(
            "expected a process that may start others, got a worker of a team or a pool; make the "
            "Team in the main program, or run the job in this process: "
            f"{option('engine', 'serial')}"
        )

    for _ in range(_TRIES):
        try:
            with _starting(f"worker {rank}"):
                ours, theirs = multiprocessing.Pipe()
                # A fork of this process, be it a worker, would keep a worker from seeing it closed.
                forked.close_in_forks(ours)
                with theirs:
                    process = chosen.Process(
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
    """Start a process although the working folder is deleted, which multiprocessing asks for."""
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
    """Start a process; say which limit it may be where the system does not."""
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
    # The first worker waits until the fork server has imported all: Ctrl-C has to end that. Its
    # own mask, which the workers inherit, was set when it was started.
    _ensure_forkserver()
    with _hidden_main():
        process.start()


def _server_pid() -> int | None:
    from multiprocessing import forkserver  # noqa: PLC0415 - not on every system

    server: Any = forkserver._forkserver
    return server._forkserver_pid  # type: ignore[no-any-return]


def _bury_server() -> None:
    """Wait until the fork server, which has closed its connections, is seen to be dead."""
    pid = _server_pid()
    if pid is not None:
        with suppress(ChildProcessError):
            os.waitid(os.P_PID, pid, os.WEXITED | os.WNOWAIT)


def _ensure_forkserver() -> None:
    """Start the fork server; it imports while we go on.

    There is one in a process: where the user has set it up, or runs it, it stays as it is.
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

    SIGINT is blocked, and the block inherited, until the child has said that it ignores it.
    """
    # Before: it unblocks SIGINT when it has started its process, whatever it was (Python 3.11).
    resource_tracker.ensure_running()
    with blocked({signal.SIGINT}):
        yield


@contextmanager
def _hidden_main() -> Iterator[None]:
    """Start a process so that it does not see the user's script.

    multiprocessing would run the script again in the child, to find what its ``__main__`` defines,
    so that a script without a guard would start teams for ever. We send such things by value.
    """
    main = sys.modules["__main__"]
    sys.modules["__main__"] = types.ModuleType("__main__")
    try:
        yield
    finally:
        sys.modules["__main__"] = main
