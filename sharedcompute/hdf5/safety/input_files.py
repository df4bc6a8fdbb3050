"""The files that a job reads, as they were when they were first opened.

Descriptions, offsets and rows that were read are those of that moment. So each file is checked
again when it is opened, between the passes, and before any result of it is published.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace

from sharedcompute.errors import InputChanged


@dataclass(frozen=True)
class Seen:
    """A file as it was seen.

    Parameters
    ----------
    file : str
        Its absolute path, links resolved.
    device, inode : int
        Which file it was.
    size, time_ns : int
        In bytes; of its last change.
    grows : bool
        A program appends to it (SWMR), and its rows are those of the opening.
    """

    file: str
    device: int
    inode: int
    size: int
    time_ns: int
    grows: bool = False

    @classmethod
    def of(cls, file: str) -> Seen:
        """See a file now.

        Raises
        ------
        OSError
            It is not there.
        """
        found = os.stat(file)  # noqa: PTH116 - `file` may hold anything
        path = os.path.realpath(file)
        return cls(path, found.st_dev, found.st_ino, found.st_size, found.st_mtime_ns)

    @property
    def is_unchanged(self) -> bool:
        """True if the file is what it was."""
        try:
            now = Seen.of(self.file)
        except (OSError, ValueError):
            return False
        if self.grows:
            now = replace(now, size=self.size, time_ns=self.time_ns, grows=True)
        return now == self


@dataclass(frozen=True)
class InputFiles:
    """All that a job reads: what may not be its output, may not change, and identifies it.

    Parameters
    ----------
    seen : tuple of Seen
        The files that rows, links to them, and arrays given as parameters come from.
    scripts : tuple of str
        The files that were read before the job began, and are not read again: a job file.
    """

    seen: tuple[Seen, ...] = ()
    scripts: tuple[str, ...] = ()

    @classmethod
    def of(cls, seen: Iterable[Seen], scripts: Iterable[str] = ()) -> InputFiles:
        """Return all of them, each file once."""
        return cls(tuple(dict.fromkeys(seen)), tuple(scripts))

    @property
    def names(self) -> tuple[str, ...]:
        """Their paths."""
        return (*(seen.file for seen in self.seen), *self.scripts)

    @property
    def are_there(self) -> bool:
        """True if all of them are what they were."""
        return all(seen.is_unchanged for seen in self.seen)

    def check(self) -> None:
        """See whether all of them are what they were.

        Raises
        ------
        InputChanged
            One is not.
        """
        for seen in self.seen:
            if not seen.is_unchanged:
                raise InputChanged(
                    f"expected {seen.file} as it was when it was opened, and the input changed "
                    "while it was read; nothing made of it is kept, run the job again"
                )

    @contextlib.contextmanager
    def unchanged(self) -> Iterator[None]:
        """Let whatever fails in here because a file has changed say so.

        A file that is cut short ends a worker; one that is overwritten has damaged chunks.

        Raises
        ------
        InputChanged
        """
        try:
            yield
        except Exception:
            self.check()
            raise
