"""`Team`: worker processes that run programs and map functions over rows."""

from __future__ import annotations

import os
import threading
import weakref
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Self, overload

from numpy.typing import ArrayLike, NDArray

from sharedcompute.errors import InputError
from sharedcompute.rows import Mode, Schedule
from sharedcompute.system import machine, topology
from sharedcompute.team.messaging.channel import OnMessage
from sharedcompute.team.processes import launch
from sharedcompute.team.programs.repeat import VerifiedFunctions
from sharedcompute.validation.integers import whole

if TYPE_CHECKING:
    from sharedcompute.team.supervisor import Supervisor


class Team:
    """Worker processes that stay warm and run programs together.

    Parameters
    ----------
    workers : int, optional
        Number of worker processes. By default the environment variable SHAREDCOMPUTE_WORKERS, else
        the number of cores that this process may use, divided by `threads` with `pin`.
    threads : int
        Threads of each worker. They process rows of the built-in operations in parallel; your own
        functions may use them inside: numba (``parallel=True``), BLAS and OpenMP.
    start_method : {"forkserver", "spawn", "fork"}, optional
        By default forkserver, or spawn if that is missing. With fork, the parent must not have
        run parallel numba or OpenMP code.
    pin : bool
        Pin each worker to cores of its own, as many as it has threads: one thread for each
        physical core while there are enough, and all of a worker in one NUMA node. Linux only.

    Raises
    ------
    InputError
        For numbers below 1, start methods that the system lacks, and more threads than there are
        cores to pin them to.

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
        # After the fork server was started: it and this process import numba at the same time.
        from sharedcompute.team.maps import Maps  # noqa: PLC0415
        from sharedcompute.team.supervisor import Supervisor  # noqa: PLC0415

        self._supervisor = Supervisor(context, size, threads, pins)
        self._verified = VerifiedFunctions()
        self._maps = Maps(self._supervisor, self._verified)
        self._owner = os.getpid()
        self._one_at_a_time = threading.Lock()
        self._at_work: int | None = None
        """The identifier of the thread whose job runs."""
        # Also at exit. Not in a fork of this process, which would stop workers that are not its.
        self._closing = weakref.finalize(self, _close, self._supervisor, self._owner)
        try:
            self._supervisor.start()
        except BaseException:
            self.close()
            raise

    def __deepcopy__(self, memo: dict[int, Any]) -> Self:
        """Return the team itself: a copy of an object that runs on a team runs there too."""
        del memo
        return self

    def __repr__(self) -> str:
        """Return the size of the team and whether it is idle, running or closed."""
        state = "running a job" if self._at_work is not None else "idle"
        if not self._closing.alive:
            state = "closed"
        elif os.getpid() != self._owner:
            state = f"of process {self._owner}"
        threads = f", {self.threads} threads each" if self.threads > 1 else ""
        return f"<Team of {self.size}{threads}, {state}>"

    def __enter__(self) -> Self:
        """Return the team; leaving the block closes it."""
        return self

    def __exit__(self, *_: object) -> None:
        """Close the team."""
        self.close()

    @property
    def pids(self) -> list[int]:
        """The process ids of the workers, by rank."""
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
            It is called with a `Worker`. It may be defined in a script's ``__main__`` or a
            notebook, or be a lambda.
        *args
            Further arguments. Arrays in shared memory, and views of them, are passed as handles:
            the workers see the same memory. Anything else is copied to each worker.
        on_message : callable, optional
            Called as ``on_message(rank, obj)`` in this process, for each `Worker.post`, while the
            job runs.

        Returns
        -------
        list
            The results of the program, by rank.

        Raises
        ------
        WorkerDied
            A worker process ended. It is replaced before the next job.
        ProgramError
            A worker raised an exception that cannot be pickled.
        Exception
            The exception that the program raised, with the traceback and the rows of the worker in
            a note. The programs of the other workers are ended by `sharedcompute.sync.Aborted`.

        Examples
        --------
        >>> import sharedcompute as sc
        >>> with sc.Team(2) as team:
        ...     team.run(lambda worker, x: worker.rank + x, 10)
        [10, 11]
        """
        with self._turn():
            return self._supervisor.run(self._supervisor.encode(program, args), on_message)

    @overload
    def map(
        self,
        f: Callable[..., Any],
        x: ArrayLike | Sequence[ArrayLike],
        out: NDArray[Any],
        params: tuple[Any, ...] = (),
        halo: int = 0,
        mode: Mode = "reflect",
        schedule: Schedule = "static",
        block_rows: int | None = None,
        rows: bool = False,
    ) -> NDArray[Any]: ...
    @overload
    def map(
        self,
        f: Callable[..., Any],
        x: ArrayLike | Sequence[ArrayLike],
        out: Sequence[NDArray[Any]] | None = None,
        params: tuple[Any, ...] = (),
        halo: int = 0,
        mode: Mode = "reflect",
        schedule: Schedule = "static",
        block_rows: int | None = None,
        rows: bool = False,
    ) -> Any: ...
    def map(  # noqa: PLR0913, PLR0917 - as many as there are ways to cut the rows
        self,
        f: Callable[..., Any],
        x: ArrayLike | Sequence[ArrayLike],
        out: NDArray[Any] | Sequence[NDArray[Any]] | None = None,
        params: tuple[Any, ...] = (),
        halo: int = 0,
        mode: Mode = "reflect",
        schedule: Schedule = "static",
        block_rows: int | None = None,
        rows: bool = False,
    ) -> Any:
        """Call ``f(x_rows, out_rows, *params)`` on row ranges of `x` in all workers.

        Parameters
        ----------
        f : callable
            A numba function or a plain Python one. It writes `out_rows`; `x_rows` is read-only.
            With several inputs and outputs it is ``f(x_rows, y_rows, a_rows, b_rows, *params)``. A
            function that has no parameters for outputs, as ``lambda x: 2 * x``, returns its rows:
            an array, or a tuple of several.
        x : array_like, shape (n, ...), or tuple of ndarray
            Copied to shared memory unless it is there already, in native byte order. A tuple or a
            list of arrays is several inputs, of n rows each; a list of numbers is one.
        out : ndarray, shape (n, ...), or tuple of ndarray, optional
            It keeps the elements that `f` does not write, so `f` may add to it. An array in private
            memory is copied to shared memory and back. By default a new shared array like `x`, the
            first of several, of zeros, all of which `f` has to write: with the first call for a
            dtype, a few of the first rows may be passed to `f` again to check that it does. For
            results that `f` returns, new shared arrays with the dtypes and shapes that it returns
            for the first two rows, for which it is called once more, in this process.
        params : tuple
            Further arguments of `f`.
        halo : int
            Number of rows that `x_rows` has more than `out_rows` on each side.
        mode : {"reflect", "constant", "nearest", "mirror", "wrap"}
            How `x` is extended beyond its ends, as in `scipy.ndimage`; the constant is 0.
        schedule : {"static", "dynamic", "guided", "stealing"}
            How blocks of rows are assigned to workers, as in OpenMP. See `Worker.claim`.
        block_rows : int, optional
            Rows in a block. See `Worker.claim`.
        rows : bool
            `f` gets the number of the first of its rows as well, as its last argument.

        Returns
        -------
        ndarray or tuple of ndarray
            `out`; a tuple also where `f` returns one.

        Raises
        ------
        InputError
            For arguments that do not fit each other.
        Exception
            As `run`.

        Examples
        --------
        >>> import numpy as np
        >>> import sharedcompute as sc
        >>> def double(x, out):
        ...     out[...] = 2 * x
        >>> with sc.Team(2) as team:
        ...     np.asarray(team.map(double, np.arange(4)))
        array([0, 2, 4, 6])

        Several inputs and outputs, filled or returned:

        >>> def polar(u, v, speed, direction):
        ...     np.hypot(u, v, out=speed)
        ...     np.arctan2(v, u, out=direction)
        >>> u, v = np.array([3.0, 0.0]), np.array([4.0, 1.0])
        >>> speed, direction = np.empty(2), np.empty(2)
        >>> with sc.Team(2) as team:
        ...     _ = team.map(polar, (u, v), out=(speed, direction))
        ...     slow = team.map(lambda u, v: np.hypot(u, v) < 2, (u, v))
        ...     count = team.map(lambda x, start: start + np.arange(len(x)), u, rows=True)
        >>> speed, slow.tolist(), count.tolist()
        (array([5., 1.]), [False, True], [0, 1])
        """
        cut = halo, mode, schedule, block_rows
        with self._turn():
            return self._maps.run(f, x, out, params, cut, rows)

    def check_usable(self) -> None:
        """Check that the team is open and belongs to this process.

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
            self.check_usable()  # it may have been closed in the meantime
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


def _close(supervisor: Supervisor, owner: int) -> None:
    if os.getpid() == owner:
        supervisor.close()
