"""What a user sees of a team: run a program, map a function."""

from __future__ import annotations

import os
import threading
import weakref
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, Self, cast

import numpy as np
from numpy.typing import ArrayLike, NDArray

from sharedcompute.errors import InputError
from sharedcompute.rows import MODES, SCHEDULES, Mode, Schedule
from sharedcompute.shm import arrays
from sharedcompute.system import machine, topology
from sharedcompute.team.messaging.callables import is_dispatcher
from sharedcompute.team.messaging.channel import JOB, REPEATABLE
from sharedcompute.team.processes import launch
from sharedcompute.team.programs.repeat import LastMap, MapCall, VerifiedFunctions
from sharedcompute.validation.arrays import plain_array, refuse_meaning
from sharedcompute.validation.integers import whole

OnMessage = Callable[[int, Any], None]


class Team:
    """Worker processes that stay warm and run programs together.

    Parameters
    ----------
    workers : int, optional
        How many; by default what SHAREDCOMPUTE_WORKERS says, else the cores that this process may
        use, shared out to their threads where these are pinned.
    threads : int
        Threads of each. They do rows of our own operations side by side; what a function of yours
        calls has them inside: numba's (``parallel=True``), those of BLAS and OpenMP.
    start_method : {"forkserver", "spawn", "fork"}, optional
        By default forkserver, or spawn where that is missing. With fork, the parent must not have
        run parallel numba or OpenMP code.
    pin : bool
        Keep each worker on cores of its own, as many as it has threads: one thread for each
        physical core while there are enough, and all of a worker's in one NUMA node. On Linux.

    Raises
    ------
    InputError
        For numbers below 1, start methods that the system lacks, and more threads in all than there
        are cores to pin them to.

    Notes
    -----
    A team runs one job at a time: calls from several threads wait for their turn. It belongs to the
    process that made it, and no fork can use it. It is closed by `close`, by ``with``, or at exit.
    """

    def __init__(
        self,
        workers: int | None = None,
        threads: int = 1,
        start_method: str | None = None,
        pin: bool = False,
    ) -> None:
        threads = whole("threads", threads, 1)
        if workers is not None:
            workers = whole("workers", workers, 1)
        size = workers or machine.default_workers(threads if pin else 1)
        pins = topology.pins(size, threads) if pin else ()
        self.size = size
        self.threads = threads
        self.pin = pin
        context = launch.context(start_method)
        # After the fork server was told to start: it and this process import numba side by side.
        from sharedcompute.team.programs.mapping import map_rows  # noqa: PLC0415
        from sharedcompute.team.supervisor import Supervisor  # noqa: PLC0415

        self._map_rows = map_rows
        self._supervisor = Supervisor(context, size, threads, pins)
        self._last_map = LastMap()
        self._verified = VerifiedFunctions()
        self._compiled: weakref.WeakSet[Any] = weakref.WeakSet()
        self._owner = os.getpid()
        self._one_at_a_time = threading.Lock()
        self._at_work: int | None = None
        """The thread whose job runs."""
        # Also at exit. Not in a fork of this process, which would stop workers that are not its.
        self._closing = weakref.finalize(self, _close, self._supervisor, self._owner)
        try:
            self._supervisor.start()
        except BaseException:
            self.close()
            raise

    def __deepcopy__(self, memo: dict[int, Any]) -> Self:
        """Itself: who copies what runs on a team wants it to run there too."""
        del memo
        return self

    def __repr__(self) -> str:
        """How large it is, and whether it can be used."""
        state = "running a job" if self._at_work is not None else "idle"
        if not self._closing.alive:
            state = "closed"
        elif os.getpid() != self._owner:
            state = f"of process {self._owner}"
        threads = f", {self.threads} threads each" if self.threads > 1 else ""
        return f"<Team of {self.size}{threads}, {state}>"

    def __enter__(self) -> Team:
        """Give the team; leaving the block closes it."""
        return self

    def __exit__(self, *_: object) -> None:
        """Close the team."""
        self.close()

    @property
    def pids(self) -> list[int]:
        """The workers' process ids, by rank."""
        return [worker.pid for worker in self._supervisor.workers]

    def close(self) -> None:
        """Stop the workers. Closing twice is harmless."""
        self._closing()

    def run(
        self, program: Callable[..., Any], *args: Any, on_message: OnMessage | None = None
    ) -> list[Any]:
        """Run ``program(worker, *args)`` in every worker and return the results by rank.

        Parameters
        ----------
        program : callable
            Also one from a script's ``__main__``, a notebook, or a lambda.
        *args
            Arrays in shared memory, and views of them, go as handles: the workers see the same
            memory. Anything else is copied to each worker.
        on_message : callable, optional
            Called as ``on_message(rank, obj)`` here, for each `Worker.post`, while the job runs.

        Raises
        ------
        WorkerDied
            A worker process ended. It is replaced before the next job.
        ProgramError
            A worker raised what cannot be pickled.
        Exception
            What the program raised, with a note that holds the worker's traceback and rows. The
            other workers' programs are ended by `sharedcompute.sync.Aborted`.
        """
        with self._turn():
            return self._supervisor.run(self._supervisor.encode(program, args), on_message)

    def map(
        self,
        f: Callable[..., Any],
        x: ArrayLike,
        out: NDArray[Any] | None = None,
        params: tuple[Any, ...] = (),
        halo: int = 0,
        mode: Mode = "reflect",
        schedule: Schedule = "static",
        block_rows: int | None = None,
    ) -> NDArray[Any]:
        """MapCall ``f(x_rows, out_rows, *params)`` on row ranges of `x` in all workers.

        Parameters
        ----------
        f : callable
            A numba function or a plain Python one. It writes `out_rows`; `x_rows` is read-only.
        x : array_like, shape (n, ...)
            Copied to shared memory where it is not there, or is not in the machine's byte order.
        out : ndarray, shape (n, ...), optional
            Keeps what `f` does not write, and may be added up in. One in private memory is copied
            there and back. By default a new shared array like `x`, of zeros, all of which `f` has
            to write: the first time with a dtype, a few of the first rows may be given to it again
            to see that it does.
        params : tuple
            More arguments of `f`.
        halo : int
            `x_rows` has this many rows more than `out_rows` on each side.
        mode : {"reflect", "constant", "nearest", "mirror", "wrap"}
            How `x` goes on beyond its ends, as in `scipy.ndimage`; the constant is 0.
        schedule : {"static", "dynamic", "guided"}
        block_rows : int, optional
            Rows in a block. See `Worker.claim`.

        Returns
        -------
        ndarray
            `out`.

        Raises
        ------
        InputError
            For arguments that do not fit each other. What `run` raises besides.
        """
        with self._turn():
            return self._map(f, x, out, params, (halo, mode, schedule, block_rows))

    def _map(
        self,
        f: Callable[..., Any],
        x: ArrayLike,
        out: NDArray[Any] | None,
        params: tuple[Any, ...],
        cut: tuple[int, Mode, Schedule, int | None],
    ) -> NDArray[Any]:
        known = self._last_map.find(MapCall(f, x, out, params, (*cut, False)))
        if known is not None:
            self._supervisor.run(known)
            return cast(NDArray[Any], out)
        source = _rows_of(x)
        _check_map(f, source, out, cut)
        verify = out is None and not self._verified.knows(f, source.dtype)
        target = out if out is not None else arrays.empty(source.shape, _native(source))
        result = _reached(target)
        call = MapCall(f, _reached(source), result, _given(params), (*cut, verify))
        if is_dispatcher(f) and f not in self._compiled:
            _compile(f, call.x, result, params)
            self._compiled.add(f)
        kind = REPEATABLE if call.is_repeatable() else JOB
        message = self._supervisor.encode(self._map_rows, tuple(call), kind)
        self._supervisor.run(message)
        if kind == REPEATABLE:
            self._last_map.note(call, message)
        if verify:
            self._verified.note(f, source.dtype)
        if result is not target:
            np.copyto(target, result)
        return target

    def check_usable(self) -> None:
        """Refuse a team that is closed, or whose workers are another process's.

        Raises
        ------
        InputError
        """
        if os.getpid() != self._owner:
            raise InputError(
                f"expected a team of this process, got that of process {self._owner}, of which "
                "this is a fork; make a new Team here"
            )
        if not self._closing.alive:
            raise InputError("expected an open team, got a closed one; make a new one")

    @contextmanager
    def _turn(self) -> Iterator[None]:
        """Wait until no other thread has a job running."""
        self.check_usable()
        if self._at_work == threading.get_ident():
            raise InputError(
                "expected an idle team, it is running the job that calls this; use another team, "
                "or call it when the job is done"
            )
        with self._one_at_a_time:
            self.check_usable()  # it may have been closed meanwhile
            try:
                self._at_work = threading.get_ident()
                yield
            except Exception as why:
                if self._closing.alive:
                    raise
                raise InputError(
                    "expected the team to stay open, it was closed while its job ran; make a new "
                    "one, and close it when the job is done"
                ) from why
            finally:
                self._at_work = None


def _close(supervisor: Any, owner: int) -> None:
    if os.getpid() == owner:
        supervisor.close()


def _rows_of(x: Any) -> NDArray[Any]:
    if isinstance(x, str | os.PathLike):
        raise InputError(
            f"expected an array, got the address {os.fspath(x)!r}; rows of a file are for "
            "sharedcompute.map(f, address, team=team)"
        )
    return plain_array(x)


def _native(array: NDArray[Any]) -> np.dtype[Any]:
    """Its dtype in the machine's byte order: numba knows no other."""
    return array.dtype.newbyteorder("=")


def _reached(array: NDArray[Any]) -> NDArray[Any]:
    """The array, or a copy with all it holds, in the form that workers and numba reach."""
    if array.dtype.isnative and arrays.segment_of(array) is not None:
        return array
    return arrays.asarray(array, _native(array), "C")


def _given(params: tuple[Any, ...]) -> tuple[Any, ...]:
    """The parameters; of arrays that are sent as copies, such that numba takes."""
    return tuple(
        p.astype(_native(p))
        if isinstance(p, np.ndarray) and not p.dtype.isnative and arrays.segment_of(p) is None
        else p
        for p in params
    )


def _compile(f: Any, x: NDArray[Any], out: NDArray[Any], params: tuple[Any, ...]) -> None:
    """Compile here what numba caches, so that the workers load it and do not all compile."""
    if type(f._cache).__name__ == "NullCache" or not f._can_compile:
        return
    import numba  # noqa: PLC0415 - slow

    from sharedcompute.kernels.cache import protect  # noqa: PLC0415 - slow

    protect(f)
    typeof: Any = numba.typeof

    rows, out_rows = x.view(np.ndarray), out.view(np.ndarray)
    rows.flags.writeable = False
    f.compile(tuple(typeof(value) for value in (rows, out_rows, *params)))


def _check_map(
    f: Callable[..., Any], x: NDArray[Any], out: NDArray[Any] | None, cut: tuple[Any, ...]
) -> None:
    halo, mode, schedule, block_rows = cut
    if not callable(f):
        raise InputError(
            f"expected a function of rows, got {f!r}; named operations are for "
            "sharedcompute.map(..., team=team)"
        )
    if x.ndim == 0:
        raise InputError("expected an array with rows, got a single value; give at least 1-D")
    if schedule not in SCHEDULES:
        raise InputError(f"expected a schedule out of {', '.join(SCHEDULES)}, got {schedule!r}")
    if mode not in MODES:
        raise InputError(f"expected a mode out of {', '.join(MODES)}, got {mode!r}")
    whole("halo", halo)
    if block_rows is not None:
        whole("block_rows", block_rows, 1)
    if out is None:
        return
    refuse_meaning(out)
    if not isinstance(out, np.ndarray) or out.shape[:1] != x.shape[:1]:
        raise InputError(
            f"expected out to be an array of {len(x)} rows, got {getattr(out, 'shape', out)}"
        )
    if halo and np.may_share_memory(x, out):
        raise InputError(
            "expected out apart from x where there is a halo, they share memory; "
            "workers would read rows that others have written: give another out"
        )
