"""The output of `repack`: HDF5 copies the structure of a file, workers fill datasets in it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import h5py

from sharedcompute.engines.output import Found, PlanOutput
from sharedcompute.hdf5.copying.metadata import copy_metadata
from sharedcompute.hdf5.copying.storage import Storage
from sharedcompute.hdf5.copying.tree import copy_tree
from sharedcompute.hdf5.format.names import raw
from sharedcompute.hdf5.safety.files import open_file
from sharedcompute.hdf5.writing.new_file import open_written
from sharedcompute.hdf5.writing.sink import Created, create, created
from sharedcompute.planning.found import place
from sharedcompute.planning.passes import Pass
from sharedcompute.planning.phases import Copy, Encode, Phase
from sharedcompute.planning.plan import Plan
from sharedcompute.planning.recode import Recoding
from sharedcompute.planning.structure import Repack
from sharedcompute.system import disposable

Made = list[tuple[str, int]]
"""The datasets whose rows are still to be written: paths in the output, addresses in the input."""


class CopiedFile(PlanOutput):
    """A file, or one dataset of it, that is stored in another way."""

    def __init__(self, plan: Plan, repack: Repack) -> None:
        super().__init__(plan)
        self._repack = repack
        self._warnings: list[str] = []
        self._paths: dict[int, str] = {}

    def finished(self) -> Found:
        """Return nothing: all results are in the file."""
        return Found()

    def make(self) -> None:
        """Copy all but the rows that workers store, unless a stopped job has."""
        made, warnings = self._make_one() if self._repack.path is not None else self._make_all()
        self._paths = {at: path for path, at in made}
        self._warnings += warnings

    def _make_one(self) -> tuple[Made, list[str]]:
        (copy,), (path,) = self._plan.copies, self._plan.results
        if not self._durable.goes_on:
            sink = copy.recoding.sink(path)
            create(sink, self._file, unwritten=copy.recoding.storage.at_once)
            self._durable.settle()
        return [(path, copy.at)], []

    def _make_all(self) -> tuple[Made, list[str]]:
        if self._durable.goes_on:
            records = self._durable.progress.earlier[-1].records
            (record,) = (record for record in records if "recoded" in record)
            return record["recoded"], record["warnings"]
        ways = {at: made.storage for at, made in self._plan.recodings.items()}
        file, home = self._repack.file, self._file.file.parent
        with self._file.lent() as temporary:
            # HDF5 reads all of a file here that nobody vouches for.
            made, warnings = disposable.run(file, _copy, file, ways, temporary, home)
        self._durable.progress.append({"recoded": made, "warnings": warnings})
        self._durable.settle()
        return made, warnings

    def in_order(self) -> Sequence[Phase]:
        """Return the copies as their datasets were made, which only now is known: chunks lie so."""
        copies = {copy.at: copy for copy in self._plan.copies}
        others = [phase for phase in self._plan.phases if not isinstance(phase, Copy)]
        return [*(copies[at] for at in self._paths), *others]

    def datasets(self, phase: Pass | Encode | Copy) -> Sequence[Created]:
        """Return the dataset that a phase fills."""
        assert isinstance(phase, Copy)
        path = self._paths[phase.at]
        return [created(phase.recoding.sink(path), self._file.h5[raw(path)], self._file)]

    def path(self, at: int, made: Recoding) -> str:
        """Return where a dataset stored in another way lies in the output."""
        return self._paths.get(at, made.source.path)

    def filled(self, phase: Encode | Copy) -> None:
        """Give the one dataset its attributes and scales; those of a whole file are there."""
        if self._repack.path is None or not isinstance(phase, Copy):
            return
        self._durable.progress.finishing()
        dataset: h5py.Dataset = self._file.h5[raw(self._paths[phase.at])]
        source, fresh = phase.recoding.source, self._file.fresh
        self._warnings += copy_metadata(source, dataset, file_attributes=fresh)

    def finish(self, found: Found, published: Callable[[], None]) -> None:
        """Move the file to its place, and report that."""
        del found
        self._durable.commit(published)

    @property
    def warnings(self) -> tuple[str, ...]:
        """What could not be kept, or not bit by bit."""
        return (*self._plan.notes, *self._warnings)


def _copy(
    file: str, ways: dict[int, Storage], temporary: Path, home: Path
) -> tuple[Made, list[str]]:
    """Copy the structure; return where recoded datasets are in the output and in the input."""
    with open_file(file) as source, open_written(temporary) as target:
        recoded, warnings = copy_tree(source, target, home, ways.get)
        paths = [made.source_path for made in recoded]
        return [(path, place(source[raw(path)])) for path in paths], warnings
