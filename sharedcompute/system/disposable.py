"""Disposable processes: a function runs in one because it may crash, hang or exhaust memory.

The process is a fork, created for one call: nothing is imported in it or sent to it, and it costs a
few milliseconds. h5py holds its lock while a process forks, so HDF5 is consistent in it.
"""

from __future__ import annotations

import contextlib
import ctypes
import gc
import math
import mmap
import os
import pickle
import resource
import signal
import time
import traceback
import warnings
from collections.abc import Callable, Sequence
from contextvars import ContextVar
from pathlib import Path
from typing import NoReturn, TypeVar

from sharedcompute.errors import Error, InputError, MemoryBudgetError, ProgramError
from sharedcompute.system.descriptors import occupy_standard
from sharedcompute.system.signal_mask import blocked

T = TypeVar("T")


class LostError(InputError):
    """A disposable process crashed, or did not end in time."""


SILENCE_SECONDS = 60
"""How long a function with a limit may wait for a disk or a network, which takes no CPU time."""

_UNFIT = 125
"""The exit code of a process that could not be set up: no file is the cause."""

_PR_SET_PDEATHSIG = 1
_LENGTH_NBYTES = 8

# Set only in a disposable process.
_limit: ContextVar[int | None] = ContextVar("limit", default=None)


def run(what: str, f: Callable[..., T], *args: object, seconds: int | None = None) -> T:
    """Call ``f(*args)`` in a process of its own.

    It sees all objects of this process, and changes none of them. Its output is discarded. It has
    ended when this function returns or raises, also on KeyboardInterrupt.

    Parameters
    ----------
    what : str
        What is examined, for the errors: a file.
    f : callable
        Its result must be picklable.
    seconds : int, optional
        CPU time that `f` may take, from its beginning or from the last `progress`. Waits for a
        disk do not count. By default there is no limit.

    Returns
    -------
    object
        The result of `f`.

    Raises
    ------
    LostError
        The process crashed, or was still running after `seconds`.
    Exception
        The exception that `f` raised, with its traceback in a note unless it is an `Error`.
    """
    return _run(lambda: what, f, args, seconds)


def run_each(
    f: Callable[..., T], calls: Sequence[tuple[str, tuple[object, ...]]], seconds: int | None = None
) -> list[T]:
    """Call `f` for each of many arguments, one after the other, in one process.

    A process takes some 10 ms to create and to end; a file may have thousands of objects.

    Parameters
    ----------
    f : callable
    calls : sequence of (str, tuple)
        What is examined, for the errors, and the arguments.
    seconds : int, optional
        For each call, as in `run`.

    Returns
    -------
    list
        The results of `f`.

    Raises
    ------
    LostError
        It names the call in which the process was lost.
    Exception
        As `run`.
    """
    # Memory shared with the fork, which cannot report its position when it crashes.
    at = mmap.mmap(-1, _LENGTH_NBYTES)

    def all_of_them() -> list[T]:
        found = []
        for number, (_, args) in enumerate(calls):
            at[:] = number.to_bytes(_LENGTH_NBYTES, "little")
            progress()
            found.append(f(*args))
        return found

    return _run(lambda: calls[int.from_bytes(at, "little")][0], all_of_them, (), seconds)


def _run(
    what: Callable[[], str], f: Callable[..., T], args: tuple[object, ...], seconds: int | None
) -> T:
    occupy_standard()
    reading, writing = os.pipe()
    try:
        try:
            pid = _forked(lambda: _serve(writing, seconds, f, args))
        finally:
            os.close(writing)
        answer: bytes | None = None
        try:
            answer = _received(reading)
        finally:
            # Whatever ended the wait, also Ctrl-C. A process that has answered ends by itself.
            code = _end(pid, kill=answer is None)
    finally:
        os.close(reading)
    if answer is None:
        if code == _UNFIT:
            raise Error(
                f"expected a process that looks at {what()}, it could not be set up; look at the "
                "limits of this process (ulimit -a), and whether there is a /dev/null"
            )
        raise LostError(_lost(what(), code, seconds))
    succeeded, made = pickle.loads(answer)
    if not succeeded:
        raise made
    result: T = made
    return result


def progress() -> None:
    """Report progress: the limit of this process, if it has one, starts again."""
    seconds = _limit.get()
    if seconds is None:
        return
    until = math.ceil(time.process_time()) + seconds
    hard = resource.getrlimit(resource.RLIMIT_CPU)[1]
    resource.setrlimit(resource.RLIMIT_CPU, (until, hard))
    signal.setitimer(signal.ITIMER_REAL, SILENCE_SECONDS)


def _forked(serve: Callable[[], None]) -> int:
    """Run `serve` in a fork of this process, which ends with it; return its pid."""
    parent = os.getpid()
    # Until the fork has reset the signal handlers of this process, they would run in it.
    with blocked(signal.valid_signals()):
        with warnings.catch_warnings():
            # Python 3.12 warns that other threads may hold locks that the fork waits for. h5py
            # takes care of the lock of HDF5, and the C library of malloc's; no other is needed.
            warnings.simplefilter("ignore", DeprecationWarning)
            pid = _fork()
        if pid == 0:
            _leave_after(parent, serve)
        return pid


def _fork() -> int:
    try:
        return os.fork()
    except OSError as problem:
        raise MemoryBudgetError(
            f"expected to start a process that looks at a file, got {problem.strerror!r}; raise "
            "the limit on processes (ulimit -u, pids.max of a cgroup) or on memory"
        ) from None


def _leave_after(parent: int, serve: Callable[[], None]) -> NoReturn:
    """Run the fork, and end it by `os._exit`: nothing of the parent is closed or removed."""
    code = _UNFIT
    try:
        _isolate(parent)
        code = 1
        serve()
        code = 0
    finally:
        os._exit(code)


def _isolate(parent: int) -> None:
    """Release what belongs to the parent, and end when it ends."""
    with contextlib.suppress(AttributeError):
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:
        os._exit(1)
    # The parent's garbage may have finalizers.
    gc.freeze()
    for number in signal.valid_signals() - {signal.SIGKILL, signal.SIGSTOP}:
        with contextlib.suppress(OSError, ValueError):
            signal.signal(number, signal.SIG_DFL)
    # Ctrl-C goes to all processes of a terminal; the parent decides.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_CORE, (0, resource.getrlimit(resource.RLIMIT_CORE)[1]))
    with contextlib.suppress(OSError):
        # If memory runs out, the kernel should kill this process first.
        Path("/proc/self/oom_score_adj").write_text("1000")
    quiet = os.open(os.devnull, os.O_RDWR)
    for fd in (1, 2):
        os.dup2(quiet, fd)
    signal.pthread_sigmask(signal.SIG_SETMASK, ())


def _serve(
    writing: int, seconds: int | None, f: Callable[..., object], args: tuple[object, ...]
) -> None:
    """Compute the answer and send it."""
    _limit.set(seconds)
    progress()
    answer = _answer(f, args)
    with open(writing, "wb", closefd=False) as pipe:
        pipe.write(len(answer).to_bytes(_LENGTH_NBYTES, "little"))
        pipe.write(answer)


def _answer(f: Callable[..., object], args: tuple[object, ...]) -> bytes:
    try:
        return pickle.dumps((True, f(*args)))
    except Exception as error:  # noqa: BLE001 - whatever it is, it is raised in the parent
        if not isinstance(error, Error):
            error.add_note(f"in a disposable process:\n{traceback.format_exc()}")
        try:
            answer = pickle.dumps((False, error))
            pickle.loads(answer)
        except Exception:  # noqa: BLE001 - as it can be that with its own __init__
            text = " ".join(f"{type(error).__name__}: {error}".split())
            return pickle.dumps((False, ProgramError(text)))
        return answer


def _received(reading: int) -> bytes | None:
    """Receive the answer; None if the process was lost before it was complete."""
    # Not until the end of the file: another thread's fork may hold the writing end as well.
    with open(reading, "rb", closefd=False) as pipe:
        head = pipe.read(_LENGTH_NBYTES)
        length = int.from_bytes(head, "little")
        answer = pipe.read(length)
    return answer if len(head) == _LENGTH_NBYTES and len(answer) == length else None


def _end(pid: int, kill: bool) -> int:
    """Wait for the process, after killing it if `kill`; return its exit code or negative signal."""
    if kill:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
    try:
        return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
    except ChildProcessError:
        # This program ignores SIGCHLD, so the exit code is unknown.
        return 0


def _lost(what: str, code: int, seconds: int | None) -> str:
    """Describe why there is no answer."""
    if code in (-signal.SIGXCPU, -signal.SIGALRM):
        found = f"nothing was found in it within {seconds} s of work"
        cure = "check it with h5dump: it may be damaged, or made so"
    elif code == -signal.SIGKILL:
        found = "the process that read it was killed (SIGKILL), perhaps for want of memory"
        cure = "try again with more memory"
    elif code < 0:
        found = f"the HDF5 library crashed on it ({signal.Signals(-code).name})"
        cure = "it is damaged or made so, copy it again from where it came"
    else:
        found = f"the process that read it ended with code {code}"
        cure = "check it with h5dump"
    return f"expected a whole HDF5 file, got {what}: {found}; {cure}"
