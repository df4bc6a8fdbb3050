"""The exceptions of sharedcompute, named by what the caller should do about them."""

from __future__ import annotations

from sharedcompute.wording import flag, in_python

KEPT = "what is done is kept in"
"""The beginning of the note on an exception that stopped a job that can be resumed."""
GOES_ON = f": {flag('resume')} goes on with it"
"""The end of the note. Notes name options as Python does, since Python prints them."""


class Worded(Exception):
    """An exception whose message names options; as a string it has Python keyword arguments.

    Parameters
    ----------
    text : str
        The message with unspelled options: see `sharedcompute.wording`.
    """

    def __init__(self, text: str = "") -> None:
        self.text = text
        super().__init__(in_python(text))


class Error(Worded):
    """The base class of the errors that sharedcompute raises.

    ``exit_code`` is the exit code of the command line for the error.
    """

    exit_code = 1


class InputError(Error, ValueError):
    """An argument or an input file cannot be used: correct it and call again."""

    exit_code = 2


class DecodeError(InputError):
    """A stored chunk cannot be the output of its filters: the file is damaged."""


class InputChanged(Error, RuntimeError):
    """A file was changed or replaced while a job read it: no result of it is kept."""


class OutputExists(Error, FileExistsError):
    """The output exists already, or another job is writing it."""

    exit_code = 3


class ReadBackError(Error, RuntimeError):
    """HDF5 reads other numbers from an output than were written; the output is not kept."""


class StaleResumeError(Error):
    """The files of a stopped job belong to another job: something has changed since."""

    exit_code = 2


class MemoryBudgetError(Error, MemoryError):
    """The job does not fit the memory, the disk or the limits on files."""

    exit_code = 4


class NoWorkersWarning(Worded, UserWarning):
    """A job runs in this process alone, as it may not start worker processes."""


class ProgramError(Error, RuntimeError):
    """A worker raised an exception that could not be pickled."""


class WaitTimeoutError(Error, TimeoutError):
    """A wait for another rank timed out."""


class ProgramLeftError(Error, RuntimeError):
    """A wait cannot end: another rank has returned from the program."""


class DeadlockError(Error, RuntimeError):
    """All ranks that still run wait for each other, or one waits for itself."""


class QueueClosedError(Error, RuntimeError):
    """A queue is closed: no more objects can be put in, or taken out once it is empty."""


class WorkerDied(Error, RuntimeError):
    """A worker process ended while it was running a job.

    Parameters
    ----------
    rank, pid : int
        The worker.
    signal : int or None
        The signal that killed it; None if it exited by itself.
    rows : tuple of int or None
        The half-open row range ``(start, stop)`` that it worked on; with several threads, from the
        first rows of any to the last.
    exitcode : int or None
        Its exit code, if no signal killed it. If this is None as well the cause is unknown.
    starting : bool
        Whether it had not been ready for jobs yet.
    times : int
        How many workers have died on these rows.
    """

    def __init__(
        self,
        rank: int,
        pid: int,
        signal: int | None,
        rows: tuple[int, int] | None = None,
        exitcode: int | None = None,
        starting: bool = False,
        times: int = 1,
    ) -> None:
        self.rank = rank
        self.pid = pid
        self.signal = signal
        self.rows = rows
        self.exitcode = exitcode
        self.starting = starting
        self.times = times
        how = f"was killed by signal {signal}" if signal else f"exited with code {exitcode}"
        if signal is None and exitcode is None:
            how = "ended unseen, as the fork server is gone too"
        where = f" while on rows {rows[0]}:{rows[1]}" if rows else " while starting" * starting
        again = f", the last of {times} that died there" if times > 1 else ""
        cure = "look at what is done with these rows" if again else "run the job again"
        super().__init__(f"worker {rank} (pid {pid}) {how}{where}{again}; {cure}")

    def again(self, times: int, rows: tuple[int, int] | None = None) -> WorkerDied:
        """Return the error for the last of several workers, which all worked on `rows`."""
        how = self.signal, rows or self.rows, self.exitcode, self.starting
        return WorkerDied(self.rank, self.pid, *how, times)

    def __reduce__(self) -> tuple[object, ...]:
        """Pickle by the arguments, not by the message."""
        how = self.signal, self.rows, self.exitcode, self.starting, self.times
        return type(self), (self.rank, self.pid, *how)


class ConvergenceWarning(UserWarning):
    """A fit has ended without convergence. It is the class of scikit-learn if that is installed."""
