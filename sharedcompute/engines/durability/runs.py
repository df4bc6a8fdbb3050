"""Earlier runs of a job: what they have left in the folder beside its output."""

from __future__ import annotations

import contextlib
import itertools
import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

from sharedcompute.engines.durability.journal import Record, read
from sharedcompute.errors import Error, InputError, StaleResumeError
from sharedcompute.hdf5.safety.ownership import is_own, is_own_folder
from sharedcompute.hdf5.writing.new_file import open_written
from sharedcompute.system import faults
from sharedcompute.wording import flag

FORMAT = 2
"""Of the journal's records."""


@dataclass(frozen=True)
class Run:
    """One run, and what it has left in the folder.

    Parameters
    ----------
    folder : Path
    number : int
    header : dict
        Which job it is.
    records : list of dict
    """

    folder: Path
    number: int
    header: Record
    records: list[Record] = field(repr=False)

    @property
    def settled(self) -> bool:
        """Whether its output file can be opened and gone on with."""
        kinds = {
            kind for record in self.records for kind in record.keys() & {"settled", "finishing"}
        }
        return kinds == {"settled"} and _opens(self.output)

    @property
    def finished(self) -> bool:
        """Whether its output file is whole, and was only not put in its place."""
        noted = [record["finished"] for record in self.records if "finished" in record]
        return bool(noted) and is_own(self.output) and noted[-1] == state_of(self.output)

    @property
    def output(self) -> Path:
        """Its output file."""
        return self.folder / f"output-{self.number}.h5"

    @property
    def waiting(self) -> Path:
        """Its file of chunks that were not in turn."""
        return self.folder / f"waiting-{self.number}"

    def states(self, section: str) -> Path:
        """Return its file of the states of a section's reductions."""
        return self.folder / f"states-{self.number}-{section}"

    def of(self, section: str, kind: str) -> list[Record]:
        """Return the records of a kind of a section."""
        return [record for record in self._sections.get(section, ()) if kind in record]

    @cached_property
    def _sections(self) -> dict[str, list[Record]]:
        # A repack has a section for each dataset: to look through all records each time took
        # seconds for 3,000 of them.
        found: dict[str, list[Record]] = {}
        for record in self.records:
            if "section" in record:
                found.setdefault(record["section"], []).append(record)
        return found

    def remove(self) -> None:
        """Remove its files; the journal last, as without it nobody knows what they are."""
        names = (f"output-{self.number}.h5", f"waiting-{self.number}", f"states-{self.number}-*")
        for pattern in (*names, f"journal-{self.number}"):
            faults.point("earlier.remove")
            for file in self.folder.glob(pattern):
                removed(file)


def state_of(file: Path) -> list[int]:
    """Return size and time of a file, as a record has them."""
    found = file.lstat()
    return [found.st_size, found.st_mtime_ns]


def removed(file: Path) -> None:
    """Remove a file, or a link itself.

    Raises
    ------
    InputError
        It is a folder, which no job has made.
    """
    try:
        file.unlink(missing_ok=True)
    except (IsADirectoryError, PermissionError):
        raise InputError(
            f"expected files of a stopped job in {file.parent}, found a folder {file.name}; remove "
            f"{file.parent}"
        ) from None


def runs(folder: Path) -> list[Run]:
    """Return what stopped jobs have left in a folder, the oldest first, if it is ours."""
    found: list[Run] = []
    if not is_own_folder(folder):
        return found
    for file in folder.glob("journal-*"):
        records = read(file)
        number = file.name.partition("-")[2]
        if number.isdecimal() and records and _is_header(records[0]):
            notes = list(itertools.takewhile(_has_place, records[1:]))
            found.append(Run(folder, int(number), records[0], notes))
    return sorted(found, key=lambda run: run.number)


def _is_header(record: Record) -> bool:
    """Return whether a record is what the journal of a job begins with."""
    kinds = {"format": int, "identity": dict, "what": str, "overwrite": bool}
    whole = all(isinstance(record.get(name), kind) for name, kind in kinds.items())
    return whole and record["format"] == FORMAT


def _has_place(record: Record) -> bool:
    """Return whether a record names the section to which it belongs, if it must."""
    return isinstance(record.get("section", None if is_done(record) else ""), str)


def was_overwriting(folder: Path) -> bool:
    """Return whether the stopped job in a folder was allowed to replace its output."""
    return any(run.header["overwrite"] for run in runs(folder))


NONSENSE = (
    ArithmeticError,
    AssertionError,
    AttributeError,
    LookupError,
    MemoryError,
    TypeError,
    ValueError,
)
"""Raised by notes that no job has written."""


@contextlib.contextmanager
def understood(folder: Path) -> Iterator[None]:
    """Refuse notes that no job of ours has written, in one line.

    Their checksums are right and what they say makes no sense: a place below zero, a block that the
    job does not have, a word for a number.

    Raises
    ------
    StaleResumeError
    """
    try:
        yield
    except (Error, OSError):
        raise
    except NONSENSE as why:
        raise StaleResumeError(
            f"expected the notes of a stopped job in {folder}, found some that make no sense "
            f"({type(why).__name__}: {why}); leave out {flag('resume')} to begin anew"
        ) from why


def _opens(file: Path) -> bool:
    """Return whether HDF5 opens a file that a killed job has left.

    It refuses one that began as a copy of a file in the format of HDF5 1.10: a mark in it says that
    somebody writes it.
    """
    if not is_own(file):
        return False
    try:
        open_written(file).close()
    except (OSError, RuntimeError):
        return False
    return True


def is_done(record: Record) -> bool:
    """Return whether a record is of blocks, or rounds of a fit, that are done."""
    return not {"kept", "states", "taken", "rounds"}.isdisjoint(record)


def check_same(folder: Path, then: Record, now: Record) -> None:
    """Refuse to go on with another job.

    Raises
    ------
    StaleResumeError
        It says what has changed.
    """
    for name in [*now, *(then.keys() - now.keys())]:
        # As text: NaN is a parameter like others.
        if json.dumps(then.get(name)) != json.dumps(now.get(name)):
            raise StaleResumeError(
                f"expected to go on with the job in {folder}, and {name} has changed from "
                f"{_short(then.get(name))} to {_short(now.get(name))}; undo that, or leave out "
                f"{flag('resume')} to begin anew"
            )


def _short(value: object) -> str:
    text = "nothing" if value is None else str(value)
    return text if len(text) <= 150 else f"{text[:147]}..."
