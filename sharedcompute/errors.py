"""What can go wrong, named by what the caller should do about it."""

from __future__ import annotations

from sharedcompute.wording import flag, in_python

KEPT = "what is done is kept in"
"""How the note begins on an exception that stopped a job which can be gone on with."""
GOES_ON = f": {flag('resume')} goes on with it"
"""How it ends. Notes are in Python's words, as Python shows them."""


class Worded(Exception):
    """What is told with options by their names: as text they are keyword arguments of Python.

    Parameters
    ----------
    text : str
        What is told, its options not spelled yet: see `sharedcompute.wording`.
    """

    def __init__(self, text: str = "") -> None:
        self.text = text
        super().__init__(in_python(text))


class Error(Worded):
    """The base of every error that sharedcompute raises on purpose.

    ``exit_code`` is what the command line ends with when the error reaches it.
    """

    exit_code = 1


class InputError(Error, ValueError):
    """An argument or an input file cannot be used: mend it and call again."""

    exit_code = 2


class DecodeError(InputError):
    """A stored chunk is not what its filters can have written: the file is damaged."""


class InputChanged(Error, RuntimeError):
    """A file was changed or replaced while a job read it: nothing made of it is kept."""


class OutputExists(Error, FileExistsError):
    """The output is there already, or another job is writing it."""

    exit_code = 3


class ReadBackError(Error, RuntimeError):
    """HDF5 reads other numbers from an output than were put into it; the output is not kept."""


class StaleResumeError(Error):
    """What a stopped job left belongs to another job: something of it has changed since."""

    exit_code = 2


class MemoryBudgetError(Error, MemoryError):
    """The job would not fit the memory, the disk or the files that it was given."""

    exit_code = 4


class NoWorkersWarning(Worded, UserWarning):
    """A job runs in this process alone, as it may start no others that would be its workers."""


class ProgramError(Error, RuntimeError):
    """A worker raised something that could not be sent back as it was."""


class WaitTimeoutError(Error, TimeoutError):
    """A wait for another rank took longer than the caller allowed."""


class ProgramLeftError(Error, RuntimeError):
    """What is waited for can never come: another rank has returned from the program."""


class DeadlockError(Error, RuntimeError):
    """All ranks that still run wait for each other, or one waits for itself."""


class QueueClosedError(Error, RuntimeError):
    """A queue is closed: nothing more will come out of it, or may be put in."""


class WorkerDied(Error, RuntimeError):
    """A worker process ended while it was at work.

    Parameters
    ----------
    rank, pid : int
        Which worker.
    signal : int or None
        The signal that killed it; None when it exited by itself.
    rows : tuple of int or None
        The half-open row range ``(start, stop)`` that it had in hand; with several threads, from
        the first rows of any to the last.
    exitcode : int or None
        What it exited with, when no signal killed it. Where this is None as well nobody knows.
    starting : bool
        Whether it had not come so far as to take a job.
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
        """The same of a worker that was the last of several, which all had `rows` in hand."""
        how = self.signal, rows or self.rows, self.exitcode, self.starting
        return WorkerDied(self.rank, self.pid, *how, times)

    def __reduce__(self) -> tuple[object, ...]:
        """Pickle by the arguments, not by the message."""
        how = self.signal, self.rows, self.exitcode, self.starting, self.times
        return type(self), (self.rank, self.pid, *how)


class ConvergenceWarning(UserWarning):
    """A fit has ended and is not what was asked for. scikit-learn's, where that is installed."""
