"""A stopped job, as it is reported: how much of it is done, and where that lies."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

from sharedcompute.engines.durability.journal import Record
from sharedcompute.engines.durability.runs import is_done, runs, understood
from sharedcompute.errors import OutputExists
from sharedcompute.hdf5.writing.state_folder import StateFolder
from sharedcompute.wording import flag, in_python


@dataclass(frozen=True)
class Stopped:
    """A job that has begun and not ended.

    Parameters
    ----------
    folder : Path
        Where what it has done lies.
    what : str
        The job, for a person.
    done, units : int
        Blocks, as far as they are known: of phases that have begun.
    rounds : int
        Of a fit.
    running : bool
        Another process is at work on it.
    """

    folder: Path
    what: str
    done: int
    units: int
    rounds: int
    running: bool

    def __str__(self) -> str:
        return in_python(self.text)

    @property
    def text(self) -> str:
        """The report, its options not spelled yet."""
        share = f"{self.done} of {self.units} blocks"
        if self.rounds:
            share = f"{self.rounds} rounds" + (f" and {share}" if self.units else "")
        if self.running:
            return f"{self.folder.name}: a job is at work ({self.what}), {share} are done"
        return (
            f"{self.folder.name}: a job was stopped ({self.what}), {share} are kept; run it again "
            f"with {flag('resume')} to go on, or without to begin anew"
        )


def stopped(output: Path) -> Stopped | None:
    """Return the job whose output this path is to be, if it has begun and not ended."""
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
    with understood(state.path):
        done, units, rounds = _counted([record for run in found for record in run.records])
    return Stopped(state.path, found[-1].header["what"], done, units, rounds, running)


def _counted(records: list[Record]) -> tuple[int, int, int]:
    """Return the blocks that are done, blocks in all, and rounds."""
    units: dict[str, int] = {}
    done: dict[str, set[int]] = {}
    for record in records:
        if "units" in record:
            units[record["section"]] = int(record["units"])
        elif is_done(record):
            done.setdefault(record["section"], set()).update(_blocks(record))
    rounds = max((int(record.get("rounds", 0)) for record in records), default=0)
    return sum(map(len, done.values())), sum(units.values()), rounds


def _blocks(record: Record) -> list[int]:
    """Return the blocks that a record notes as done."""
    if "kept" in record:
        return [record["kept"]]
    if "states" in record:
        return [block for block, _ in record["states"]]
    return [block for first, end in record.get("taken", ()) for block in range(first, end)]
