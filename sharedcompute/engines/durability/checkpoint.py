"""The model of a fit, saved now and then, and found again by a later run."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import deflate
import numpy as np

from sharedcompute.engines.durability.journal import Record
from sharedcompute.engines.durability.runs import Run, understood
from sharedcompute.engines.durability.sections import Section
from sharedcompute.hdf5.safety.ownership import open_own, open_to_read
from sharedcompute.hdf5.writing.row_writer import write_all
from sharedcompute.operations.fits.declaration import Specs
from sharedcompute.operations.specs import State
from sharedcompute.planning.fit import nbytes
from sharedcompute.system import faults


@dataclass(frozen=True)
class Reached:
    """The last saved state of a fit.

    Parameters
    ----------
    run : int
        The run that saved it.
    number : int
        Rounds that were done.
    model : State
    values : list of list of float
        Of each of them, in the order of the names that the fit watches.
    """

    run: int
    number: int
    model: State
    values: list[list[float]]


class Checkpoints:
    """Saves the current model, to two places by turns: one is always whole.

    Parameters
    ----------
    section : Section
        Takes the notes.
    specs : mapping of str to ArraySpec
        Of the model.
    """

    def __init__(self, section: Section, specs: Specs) -> None:
        self._section = section
        self._specs = specs
        self._turn = 0
        self._noted = 0
        self._last: Record | None = None

    def save(self, model: Mapping[str, np.ndarray], values: Sequence[Sequence[float]]) -> None:
        """Write the model after as many rounds as there are `values`."""
        path = self._section.run.states(self._section.name)
        data = b"".join(model[name].tobytes() for name in self._specs)
        place = self._turn * len(data)
        faults.point("checkpoint.write")
        fd = open_own(path, os.O_RDWR)
        try:
            write_all(fd, memoryview(data), place, str(path))
        finally:
            os.close(fd)
        new = [list(row) for row in values[self._noted :]]
        self._last = {"rounds": len(values), "place": place, "crc": int(deflate.crc32(data))}
        self._section.append(**self._last, values=new)
        self._turn = 1 - self._turn
        self._noted = len(values)

    def restore(self) -> Reached | None:
        """Find the model that the run before has saved last, and let the files of that run go."""
        with understood(self._section.run.folder):
            reached = self._find()
        if reached is not None:
            self._noted = reached.number
            # Not so where this run goes on in its files: they have it.
            if reached.run != self._section.run.number:
                self._noted = 0
                self.save(reached.model, reached.values)
        self._section.restored()
        return reached

    def latest(self) -> tuple[int, State] | None:
        """Return the rounds and the model that were saved last, or found."""
        model = self._read(self._section.run, self._last) if self._last is not None else None
        return None if self._last is None or model is None else (self._last["rounds"], model)

    def _find(self) -> Reached | None:
        records = list(self._section.found("rounds"))
        for at, (run, record) in enumerate(records):
            model = self._read(run, record)
            if model is None:
                continue
            self._turn, self._last = int(record["place"] == 0), record
            values: list[list[float]] = []
            for noted in (r for other, r in reversed(records[at:]) if other is run):
                # A record before whose model is lost may have noted rounds that were run again.
                values[noted["rounds"] - len(noted["values"]) :] = noted["values"]
            if len(values) != record["rounds"]:
                raise ValueError(f"{len(values)} rounds noted, and {record['rounds']} done")
            return Reached(run.number, record["rounds"], model, values)
        return None

    def _read(self, run: Run, record: Record) -> State | None:
        """Read the model that a record notes; None where the file has something else."""
        path = run.states(self._section.name)
        file = open_to_read(path)
        if file is None:
            return None
        with file:
            file.seek(record["place"])
            data = file.read(nbytes(self._specs))
        if deflate.crc32(data) != record["crc"]:
            return None
        model, at = {}, 0
        for name, spec in self._specs.items():
            count = int(np.prod(spec.shape, dtype=np.int64))
            model[name] = np.frombuffer(data, spec.dtype, count, at).reshape(spec.shape)
            at += count * spec.dtype.itemsize
        return model
