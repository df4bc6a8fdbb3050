"""The progress of a job: noted in its journal as it goes, and found again by a later run.

All of it lies in the folder beside the output. Each run has files of its own, with its
number: ``journal-1``, ``output-1.h5`` and so on. Where the output has no filters a later run opens
the same files and goes on in them. Chunks with filters are found through HDF5's index alone, which
is in order only once the file is closed, and a killed job closes nothing: then a later run begins
a new file, takes over what the older ones hold, and removes these.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from sharedcompute.engines.durability.journal import Journal, Record
from sharedcompute.engines.durability.runs import (
    FORMAT,
    Run,
    check_same,
    is_done,
    removed,
    runs,
    state_of,
)
from sharedcompute.hdf5.writing.state_folder import OWN
from sharedcompute.system.shortage import full_disk_named


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
        Something is done that a later run can go on with.

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
        self._to_restore = {r["section"] for run in self.earlier for r in run.records if is_done(r)}
        self.any_done = bool(self._to_restore)
        self._journal = Journal(folder / f"journal-{number}", goes_on=self.goes_on)
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
        self.any_done = self.any_done or is_done(record)

    def settled(self) -> None:
        """Note that the output file can be opened as it is now."""
        if not self.goes_on:
            self.append({"settled": True})

    def finishing(self) -> None:
        """Note that the output file gets what it has only at its end."""
        self.append({"finishing": True})

    def finished(self, file: Path) -> None:
        """Note that the output file is whole, and has only to be put in its place."""
        self.append({"finished": state_of(file)})
        self.any_done = True

    def section(self, name: str, units: int, *, noted: bool = True) -> Section:
        """Return what takes the notes on one run of units.

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
            removed(file)


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

    def append(self, **record: object) -> None:
        """Write a record of this section."""
        if self._noted:
            self._progress.append({"section": self.name, **record})

    def found(self, kind: str) -> Iterator[tuple[Run, Record]]:
        """Yield the records of a kind that runs before have left, the newest first."""
        for run in reversed(self._progress.earlier) if self._noted else ():
            for record in reversed(run.of(self.name, kind)):
                yield run, record

    def restored(self) -> None:
        """Note that what was found is taken over."""
        self._progress.restored_section(self.name)
