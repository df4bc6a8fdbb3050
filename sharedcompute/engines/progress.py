"""What of a job is done and lasts: noted in a journal as it goes, and found again by a later run.

All of it lies in the folder beside the output. Each run has files of its own, told apart by a
number: ``journal-1``, ``output-1.h5`` and so on. Where the output has no filters a later run opens
the same files and goes on in them. Chunks with filters are found through HDF5's index alone, which
is in order only once the file is closed, and a killed job closes nothing: then a later run begins
a new file, takes over what the older ones hold, and removes these.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

from sharedcompute import faults
from sharedcompute.errors import OutputExists, StaleResumeError
from sharedcompute.hdf5.output import open_written
from sharedcompute.hdf5.partial import OWN, StateFolder
from sharedcompute.journal import Journal, Record, read
from sharedcompute.shortage import full_disk_named

FORMAT = 1
"""Of the journal's records."""


@dataclass(frozen=True)
class Run:
    """What one run has left in the folder.

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
    def output(self) -> Path:
        """Its output file."""
        return self.folder / f"output-{self.number}.h5"

    @property
    def waiting(self) -> Path:
        """Its file of chunks that were not in turn."""
        return self.folder / f"waiting-{self.number}"

    def states(self, section: str) -> Path:
        """Its file of the states of a section's reductions."""
        return self.folder / f"states-{self.number}-{section}"

    def of(self, section: str, kind: str) -> list[Record]:
        """The records of a kind of a section."""
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
                file.unlink(missing_ok=True)


def runs(folder: Path) -> list[Run]:
    """What stopped jobs have left in a folder, the oldest first."""
    found = []
    for file in folder.glob("journal-*"):
        records = read(file)
        number = file.name.partition("-")[2]
        if number.isdecimal() and records and records[0].get("format") == FORMAT:
            found.append(Run(folder, int(number), records[0], records[1:]))
    return sorted(found, key=lambda run: run.number)


def was_overwriting(folder: Path) -> bool:
    """Whether the stopped job in a folder was allowed to replace its output."""
    return any(run.header["overwrite"] for run in runs(folder))


@dataclass(frozen=True)
class Stopped:
    """A job that has not come to its end.

    Parameters
    ----------
    folder : Path
        Where what it has done lies.
    what : str
        The job, for a person.
    done, units : int
        Blocks, as far as they are known: of passes that have begun.
    running : bool
        Another process is at work on it.
    """

    folder: Path
    what: str
    done: int
    units: int
    running: bool

    def __str__(self) -> str:
        share = f"{self.done} of {self.units} blocks"
        if self.running:
            return f"{self.folder.name}: a job is at work ({self.what}), {share} are done"
        return (
            f"{self.folder.name}: a job was stopped ({self.what}), {share} are kept; run it again "
            "with --resume to go on, or without to begin anew"
        )


def stopped(output: Path) -> Stopped | None:
    """The job whose output this path is to be, if it has begun and not ended."""
    state = StateFolder(Path(os.path.realpath(output)))
    found = runs(state.path)
    if not found:
        return None
    try:
        state.check()
    except OutputExists:
        running = True
    else:
        running = False
    units: dict[str, int] = {}
    done: dict[str, set[int]] = {}
    for record in (record for run in found for record in run.records):
        if "units" in record:
            units[record["section"]] = record["units"]
        elif _is_done(record):
            done.setdefault(record["section"], set()).update(_blocks(record))
    return Stopped(
        state.path,
        found[-1].header["what"],
        sum(map(len, done.values())),
        sum(units.values()),
        running,
    )


class Progress:
    """The journal of one run, and what the runs before it have left.

    Parameters
    ----------
    folder : Path
    header : dict
        Which job it is; see `identity.header_of`.
    resume : bool
        Go on where the last run has stopped; else what it left is removed.
    in_place : bool
        The output has no filters.

    Attributes
    ----------
    number : int
        Of this run's files.
    goes_on : bool
        In the files of the run before.
    any_done : bool
        There is something to go on with.

    Raises
    ------
    StaleResumeError
        What is there belongs to another job.
    """

    def __init__(self, folder: Path, header: Record, resume: bool, in_place: bool) -> None:
        self._folder = folder
        self.earlier = runs(folder)
        if not resume:
            self._drop_earlier()
            _remove_strays(folder)
        for run in self.earlier:
            check_same(folder, run.header["identity"], header["identity"])
        last = self.earlier[-1] if self.earlier else None
        self.goes_on = in_place and last is not None and last.settled
        number = 1 if last is None else last.number + (not self.goes_on)
        self.run = Run(folder, number, header, [])
        self._to_restore = {
            r["section"] for run in self.earlier for r in run.records if _is_done(r)
        }
        self.any_done = bool(self._to_restore)
        self._journal = Journal(folder / f"journal-{number}")
        if not self.goes_on:
            self.append({"format": FORMAT, **header})

    @property
    def number(self) -> int:
        """Of this run's files."""
        return self.run.number

    def append(self, record: Record) -> None:
        """Write a record.

        Raises
        ------
        MemoryBudgetError
            The disk is full.
        """
        with full_disk_named(str(self._folder)):
            self._journal.append(record)
        self.any_done = self.any_done or _is_done(record)

    def settled(self) -> None:
        """Note that the output file can be opened as it is now."""
        if not self.goes_on:
            self.append({"settled": True})

    def finishing(self) -> None:
        """Note that the output file gets what it has only at its end."""
        self.append({"finishing": True})

    def section(self, name: str, units: int, *, noted: bool = True) -> Section:
        """The notes on one run of units.

        Parameters
        ----------
        noted : bool
            Whether units last: some results are held in memory until all are there.
        """
        if noted:
            self.append({"section": name, "units": units})
        return Section(self, name, noted)

    def restored_section(self, name: str) -> None:
        """Note that what the runs before have left of a section is taken over.

        Once that is so of all sections, what they left is of no use any more.
        """
        self._to_restore.discard(name)
        if not self._to_restore and not self.goes_on:
            self._drop_earlier()

    def close(self) -> None:
        """Close the journal."""
        self._journal.close()

    def _drop_earlier(self) -> None:
        for run in self.earlier:
            run.remove()
        self.earlier = []


def _remove_strays(folder: Path) -> None:
    """Remove the files of runs whose journal is gone or damaged: they are of no use to anybody."""
    for file in folder.iterdir():
        if OWN.fullmatch(file.name):
            file.unlink(missing_ok=True)


class Section:
    """The notes on one run of units: a pass, or the boxes of a dataset."""

    def __init__(self, progress: Progress, name: str, noted: bool) -> None:
        self._progress = progress
        self._noted = noted
        self.name = name

    @property
    def goes_on(self) -> bool:
        """Whether this run goes on in the files of the one before."""
        return self._progress.goes_on

    @property
    def run(self) -> Run:
        """The files of this run."""
        return self._progress.run

    def append(self, **record: Any) -> None:
        """Write a record of this section."""
        if self._noted:
            self._progress.append({"section": self.name, **record})

    def found(self, kind: str) -> Iterator[tuple[Run, Record]]:
        """The records of a kind that runs before have left, the newest first."""
        for run in reversed(self._progress.earlier) if self._noted else ():
            for record in reversed(run.of(self.name, kind)):
                yield run, record

    def restored(self) -> None:
        """Note that what was found is taken over."""
        self._progress.restored_section(self.name)


def _opens(file: Path) -> bool:
    """Whether HDF5 opens a file that a killed job has left.

    It refuses one that began as a copy of a file in the format of HDF5 1.10: a mark in it says that
    somebody writes it.
    """
    try:
        open_written(file).close()
    except OSError:
        return False
    return True


def _is_done(record: Record) -> bool:
    return not {"kept", "states", "taken"}.isdisjoint(record)


def _blocks(record: Record) -> list[int]:
    """The blocks that a record says are done."""
    if "kept" in record:
        return [record["kept"]]
    if "states" in record:
        return [block for block, _ in record["states"]]
    return [block for first, end in record["taken"] for block in range(first, end)]


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
                "--resume to begin anew"
            )


def _short(value: Any) -> str:
    text = "nothing" if value is None else str(value)
    return text if len(text) <= 150 else f"{text[:147]}..."
