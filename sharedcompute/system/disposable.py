"""A function run in a process that may be lost: what it calls may crash, hang, or eat memory.

The process is a fork, made for one call and thrown away: nothing is imported or sent to it, and it
costs a few milliseconds. h5py holds its lock while a process forks, so HDF5 is whole in it.
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
from typing import Any, NoReturn, TypeVar

from sharedcompute.errors import Error, InputError, MemoryBudgetError, ProgramError
from sharedcompute.system.descriptors import occupy_standard
from sharedcompute.system.signal_mask import blocked

T = TypeVar("T")


class LostError(InputError):
    """A disposable process crashed, or came to no end."""


SILENCE_SECONDS = 60
"""A function with a limit may wait so long for a disk or a network, which burns none of it."""

_UNFIT = 125
"""What a process exits with that could not be set up: no file is to blame for that."""

_PR_SET_PDEATHSIG = 1
_LENGTH_NBYTES = 8

# Set in a disposable process alone, for as long as it lives.
_limit: ContextVar[int | None] = ContextVar("limit", default=None)


def run(what: str, f: Callable[..., T], *args: Any, seconds: int | None = None) -> T:
    """``f(*args)``, worked out in a process of its own.

    It sees all that this process has, and changes nothing of it. What it prints is dropped. It is
    gone when this function is left, also by an exception such as KeyboardInterrupt.

    Parameters
    ----------
    what : str
        What is looked at, for the errors: a file.
    f : callable
        What it returns must pickle.
    seconds : int, optional
        Seconds of computing that `f` may take, from its beginning or from the last `progress`.
        Waiting for a disk is no computing. Without it: as long as it takes.

    Raises
    ------
    LostError
        The process crashed, or was still at work after `seconds`.
    Exception
        What `f` raised; the traceback is in a note, unless it is an error of ours.
    """
    return _run(lambda: what, f, args, seconds)


def run_each(
    f: Callable[..., T], calls: Sequence[tuple[str, tuple[Any, ...]]], seconds: int | None = None
) -> list[T]:
    """What `f` gives for each of many arguments, worked out one after the other in one process.

    A process takes some 10 ms to make and to lose; a file may have thousands of objects.

    Parameters
    ----------
    f : callable
    calls : sequence of (str, tuple)
        What is looked at, for the errors, and the arguments.
    seconds : int, optional
        For each of them, as in `run`.

    Raises
    ------
    LostError
        It names the call that the process was lost in.
    Exception
        As `run`.
    """
    # Memory that is shared with the fork, which has nobody to tell where it is when it crashes.
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
    what: Callable[[], str], f: Callable[..., T], args: tuple[Any, ...], seconds: int | None
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
            # Whatever ended the wait, Ctrl-C too. One that has answered is at its end.
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
    """Say that a part is done: the limit of this process, if it has one, begins anew."""
    seconds = _limit.get()
    if seconds is None:
        return
    until = math.ceil(time.process_time()) + seconds
    hard = resource.getrlimit(resource.RLIMIT_CPU)[1]
    resource.setrlimit(resource.RLIMIT_CPU, (until, hard))
    signal.setitimer(signal.ITIMER_REAL, SILENCE_SECONDS)


def _forked(serve: Callable[[], None]) -> int:
    """Run `serve` in a fork of this process, which ends with it; the fork's pid."""
    parent = os.getpid()
    # Until the fork has let go of this process's handlers, they would run in it.
    with blocked(signal.valid_signals()):
        with warnings.catch_warnings():
            # Python 3.12 warns that other threads may hold locks which the fork waits for. HDF5's
            # is h5py's, and malloc's the C library's to take care of; nothing else is needed.
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
    """The life of the fork. It ends by `os._exit`: nothing of the parent's is closed or removed."""
    code = _UNFIT
    try:
        _isolate(parent)
        code = 1
        serve()
        code = 0
    finally:
        os._exit(code)


def _isolate(parent: int) -> None:
    """Let go of what belongs to the parent, and die with it."""
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
        # Should memory run out, this is the process to take.
        Path("/proc/self/oom_score_adj").write_text("1000")
    quiet = os.open(os.devnull, os.O_RDWR)
    for fd in (1, 2):
        os.dup2(quiet, fd)
    signal.pthread_sigmask(signal.SIG_SETMASK, ())


def _serve(writing: int, seconds: int | None, f: Callable[..., Any], args: tuple[Any, ...]) -> None:
    """Work out the answer and send it."""
    _limit.set(seconds)
    progress()
    answer = _answer(f, args)
    with open(writing, "wb", closefd=False) as pipe:
        pipe.write(len(answer).to_bytes(_LENGTH_NBYTES, "little"))
        pipe.write(answer)


def _answer(f: Callable[..., Any], args: tuple[Any, ...]) -> bytes:
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
    """The answer; None where the process was lost before it was complete."""
    # Not until the end of the file: another thread's fork may hold the writing end as well.
    with open(reading, "rb", closefd=False) as pipe:
        head = pipe.read(_LENGTH_NBYTES)
        length = int.from_bytes(head, "little")
        answer = pipe.read(length)
    return answer if len(head) == _LENGTH_NBYTES and len(answer) == length else None


def _end(pid: int, kill: bool) -> int:
    """Wait for the process, after killing it if `kill`; its exit code, or the negative signal."""
    if kill:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
    try:
        return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
    except ChildProcessError:
        # This program ignores SIGCHLD, so nobody knows.
        return 0


def _lost(what: str, code: int, seconds: int | None) -> str:
    """Why there is no answer."""
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
