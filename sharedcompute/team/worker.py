"""The worker's side: what a program gets, and the loop that runs programs."""

from __future__ import annotations

import ctypes
import os
import pickle
import select
import signal
import sys
import threading
import traceback
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, suppress
from dataclasses import dataclass
from functools import partial
from multiprocessing import parent_process
from multiprocessing.connection import Connection, wait
from multiprocessing.process import BaseProcess
from typing import Any, NamedTuple, cast

import cloudpickle

from sharedcompute import arrays, segments
from sharedcompute.arrays import Handle
from sharedcompute.atomics import exit_after
from sharedcompute.errors import InputError, ProgramError
from sharedcompute.rows import SCHEDULES, Blocks, Rows, Schedule, share
from sharedcompute.sync import Aborted, Control
from sharedcompute.team.messages import (
    ALL_LEFT,
    GIVE,
    POST,
    RAISED,
    RESULT,
    Attached,
    Channel,
    Recycled,
    dumps,
    loads,
)

_SWEEP_MS = 500
"""How soon an idle worker lets go of the memory of freed arrays."""

_GRACE_US = 300_000
"""How long a worker without a parent may take to remove its blocks."""

_M_TRIM_THRESHOLD, _M_MMAP_THRESHOLD = -1, -3

_THREAD_VARIABLES = (
    "OMP_NUM_THREADS",
    "OPENBLAS_NUM_THREADS",
    "MKL_NUM_THREADS",
    "BLIS_NUM_THREADS",
    "VECLIB_MAXIMUM_THREADS",
    "NUMEXPR_NUM_THREADS",
    "NUMBA_NUM_THREADS",
)


class Failure(NamedTuple):
    """What a program raised: the pickled exception, and where it was."""

    exception: bytes
    note: str


@dataclass(frozen=True)
class Origin:
    """Where a worker belongs: what it is told when it starts."""

    rank: int
    size: int
    cores: int
    threads: int
    control: Handle
    parent: int
    parent_start: int | None


class Worker:
    """What a program gets: its rank, its share of the rows, and how to wait for the others.

    Attributes
    ----------
    rank, size : int
        This worker's number, from 0, and how many there are.
    """

    def __init__(self, rank: int, size: int, control: Control, channel: Channel, job: int) -> None:
        self.rank = rank
        self.size = size
        self._control = control
        self._channel = channel
        self._job = job
        self._claims = 0

    def rows(self, n: int) -> Rows:
        """Return this worker's share of `n` rows: the static schedule."""
        return share(n, self.size, self.rank)

    def claim(
        self, n: int, block_rows: int | None = None, schedule: Schedule = "dynamic"
    ) -> Iterator[Rows]:
        """Iterate over the blocks of `n` rows that fall to this worker.

        Every rank must make the same claims in the same order: together they get each block once.

        Parameters
        ----------
        n : int
            How many rows.
        block_rows : int, optional
            Rows in a block. By default a static share is one block, and other schedules cut
            eight blocks a worker.
        schedule : {"dynamic", "static", "guided"}
            As in OpenMP: who is free takes the next block; equal shares of neighbouring blocks;
            or several blocks at once, ever fewer.

        Yields
        ------
        Rows
            The worker notes each as the rows it has in hand.
        """
        if schedule not in SCHEDULES:
            raise InputError(f"expected a schedule out of {', '.join(SCHEDULES)}, got {schedule!r}")
        if block_rows is not None and block_rows < 1:
            raise InputError(f"expected block_rows from 1 up, got {block_rows}")
        # Here and not in the generator, so that the order of the calls numbers the claims.
        self._claims += 1
        if schedule != "static":
            blocks = Blocks(n, block_rows or max(1, n // (8 * self.size)))
            return self._take(blocks, self._claims, schedule == "guided")
        if block_rows is None:
            return self._hold([self.rows(n)] if self.rows(n).size else [])
        blocks = Blocks(n, block_rows)
        return self._hold([blocks[number] for number in range(*self.rows(len(blocks)))])

    def at(self, rows: tuple[int, int]) -> None:
        """Note the rows in hand: errors and `WorkerDied` name them."""
        self._control.at(*rows)

    def check(self) -> None:
        """Leave the program where the job is over because another worker failed."""
        self._control.check()

    def barrier(self) -> None:
        """Wait until all ranks are here."""
        self._control.barrier()

    @property
    def lock(self) -> AbstractContextManager[None]:
        """The team's one lock, for a ``with`` block."""
        return self._control.lock()

    def semaphore(self, n: int) -> AbstractContextManager[None]:
        """Return a semaphore that lets `n` workers in at a time, for a ``with`` block.

        Calls with the same `n` mean the same semaphore.
        """
        if n < 1:
            raise InputError(f"expected a semaphore of 1 or more, got {n}")
        return self._control.semaphore(n)

    def post(self, obj: Any) -> None:
        """Send an object to the parent's `on_message` while the program runs.

        Waits while the parent is behind. Bytes from 64 kB up arrive as a read-only memoryview.
        """
        self._channel.send(POST, self._job, *dumps(obj))

    def _hold(self, blocks: list[Rows]) -> Iterator[Rows]:
        for block in blocks:
            self._control.check()
            self._control.at(*block)
            yield block

    def _take(self, blocks: Blocks, number: int, guided: bool) -> Iterator[Rows]:
        while True:
            first, end = self._control.claim(number, len(blocks), guided)
            if first == end:
                return
            yield from self._hold([blocks[k] for k in range(first, end)])


def main(origin: Origin, connection: Connection) -> None:
    """Serve jobs until the parent closes the connection or is gone."""
    # Ctrl-C reaches the whole process group; the parent decides what it means. The mask was set by
    # the parent so that nothing comes before this line.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGINT})
    _watch_parent(origin)
    _limit_threads(origin.threads)
    _keep_freed_memory()
    words = arrays.attach(origin.control)
    control = Control(words, origin.size, origin.rank, origin.cores)
    with suppress(EOFError, OSError):
        _serve(origin, control, Channel(connection, Recycled()))
    segments.remove_own()


def _serve(origin: Origin, control: Control, channel: Channel) -> None:
    attached = Attached()
    given: dict[int, Any] = {}
    poll = select.poll()
    poll.register(channel.descriptor, select.POLLIN)
    while True:
        while len(attached) and not poll.poll(_SWEEP_MS):
            attached.sweep()
        message = channel.receive()
        load = partial(loads, message.data, message.buffers, attached, given)
        if message.kind == GIVE:
            given[message.number] = load()
            continue
        _run(Worker(origin.rank, origin.size, control, channel, message.number), load)
        if attached.grown:
            attached.sweep()


def _run(worker: Worker, load: Callable[[], Any]) -> None:
    """Run one program and report. Nothing is said of a result that is None.

    The order matters. Results are sent before the rank counts as out, so that when the last one
    says so all are under way; and done comes last, after which the parent may start a new job.
    """
    control, channel, job = worker._control, worker._channel, worker._job
    try:
        program, args = load()
        result = program(worker, *args)
        if result is not None:
            channel.send(RESULT, job, *dumps(result))
    except Aborted:
        pass
    except BaseException as error:  # noqa: BLE001 - it goes to the parent, whatever it is
        control.abort()
        channel.send(RAISED, job, *dumps(_failure(worker, error)))
    sys.stdout.flush()
    if control.leave():
        channel.send(ALL_LEFT, job)
    control.done(job)


def _failure(worker: Worker, error: BaseException) -> Failure:
    rows = worker._control.rows_of(worker.rank)
    where = f", on rows {rows.start}:{rows.stop}" if rows else ""
    # Without the first frame: that is `_run`.
    inner = error.__traceback__ and error.__traceback__.tb_next
    trace = "".join(traceback.format_exception(type(error), error, inner))
    note = f"raised in worker {worker.rank}{where}:\n{trace.rstrip()}"
    try:
        if not isinstance(error, Exception):
            raise TypeError
        data = cloudpickle.dumps(error)
        if type(pickle.loads(data)) is not type(error):
            raise TypeError
    except Exception:  # noqa: BLE001 - a user's class may fail to pickle in any way
        data = pickle.dumps(ProgramError(f"{type(error).__name__}: {error}"))
    return Failure(data, note)


def _keep_freed_memory() -> None:
    """Let glibc keep what is freed for the next block's temporaries.

    It returns large memory at once otherwise, and to touch fresh memory is slower than most
    kernels: 2 us for each 4 kB in a virtual machine.
    """
    with suppress(OSError, AttributeError):
        set_option = ctypes.CDLL(None).mallopt
        set_option(_M_MMAP_THRESHOLD, 32 << 20)  # the largest that it takes
        set_option(_M_TRIM_THRESHOLD, 64 << 20)


def _limit_threads(threads: int) -> None:
    """Limit numba, and every BLAS and OpenMP, loaded already or yet to be."""
    import threadpoolctl  # type: ignore[import-untyped]  # noqa: PLC0415
    from numba.core import config  # noqa: PLC0415
    from numba.np.ufunc import parallel  # noqa: PLC0415

    for name in _THREAD_VARIABLES:
        os.environ[name] = str(threads)
    threadpoolctl.threadpool_limits(threads)
    settings: Any = config
    pool: Any = parallel
    try:
        settings.reload_config()
    except RuntimeError:
        # Forked from a process whose numba threads run: the size of their pool is settled.
        pool.set_num_threads(min(threads, settings.NUMBA_NUM_THREADS))
    else:
        # Copied from the setting when numba was imported. To call set_num_threads here would start
        # the threads, and leak the semaphore that numba makes for that.
        pool.NUM_THREADS = threads


def _watch_parent(origin: Origin) -> None:
    """Make this process end with its parent, in whatever it may be then."""
    try:
        # The sentinel is a pipe that a fork of the parent would hold open; this is not.
        watched = os.pidfd_open(origin.parent)
    except (AttributeError, OSError):
        watched = cast(BaseProcess, parent_process()).sentinel
    for target, args in (
        (_leave_after, (watched, origin.parent)),
        # For where the interpreter is not free: it does no more than to end the process.
        (exit_after, (watched, _GRACE_US)),
    ):
        threading.Thread(target=target, args=args, daemon=True).start()
    if segments.start_time(origin.parent) != origin.parent_start:
        os._exit(1)  # it was gone before the watch began


def _leave_after(watched: int, parent: int) -> None:
    wait([watched])
    segments.remove_own()
    segments.clean(parent)
    os._exit(1)
