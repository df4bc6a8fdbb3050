"""Proof of a repacked file: HDF5 reads it back, and its numbers are compared with the input's."""

from __future__ import annotations

import itertools
import math
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

import h5py
import numpy as np
from h5py import h5d, h5s, h5t

from sharedcompute.engines.engine import Deliver, Left
from sharedcompute.engines.units.boxes import BoxRunner
from sharedcompute.errors import ReadBackError
from sharedcompute.events import BlockDone
from sharedcompute.hdf5.filters.available import available
from sharedcompute.hdf5.filters.library_encoder import LibraryEncoder
from sharedcompute.hdf5.filters.pipeline import Pipeline, stored_filters
from sharedcompute.hdf5.format.chunks import Sides, box_at
from sharedcompute.hdf5.format.fill_value import Fill
from sharedcompute.hdf5.format.names import raw
from sharedcompute.hdf5.reading.source import DatasetSource
from sharedcompute.hdf5.safety.files import open_file
from sharedcompute.operations.specs import Array, Bools, State
from sharedcompute.planning.proof import Sample
from sharedcompute.rows import Rows
from sharedcompute.wording import option

UNIT_NBYTES, UNIT_BOXES = 4 << 20, 64
"""A unit is at least so large, or of so many boxes."""

CACHE_NBYTES = 16 << 20
"""Decoded chunks of the input that are kept: those of the output do not follow them."""

Box = Sides


@dataclass(frozen=True)
class Written:
    """A dataset of the output whose rows were encoded anew.

    Parameters
    ----------
    source : DatasetSource
        Where its rows came from.
    path : str
        Where it is in the output.
    chunks : tuple of int or None
    filters : tuple of Filter
    sample : Sample
        What is compared.
    """

    source: DatasetSource
    path: str
    chunks: tuple[int, ...] | None
    filters: Pipeline
    sample: Sample


@dataclass(frozen=True)
class ProofWork:
    """Boxes of datasets to be compared. Units hold boxes of several, as many are small.

    Parameters
    ----------
    file : pathlib.Path
        The output, closed.
    written : tuple of Written
    units : tuple
        Pairs of a dataset's place in `written` and a number in its sample.
    """

    file: Path
    written: tuple[Written, ...]
    units: tuple[tuple[tuple[int, int], ...], ...]

    ordered = False
    taken = False
    side_by_side = True
    reduced = ()
    sparse = False

    @classmethod
    def of(cls, file: Path, written: Sequence[Written]) -> ProofWork:
        """Cut the work into units."""
        units: list[tuple[tuple[int, int], ...]] = []
        held: list[tuple[int, int]] = []
        nbytes = 0
        for place, made in enumerate(written):
            each = math.prod(made.sample.boxes.chunks) * made.source.dtype.itemsize
            for number in made.sample.numbers:
                held.append((place, number))
                nbytes += each
                if nbytes >= UNIT_NBYTES or len(held) == UNIT_BOXES:
                    units.append(tuple(held))
                    held, nbytes = [], 0
        return cls(file, tuple(written), (*units, *([tuple(held)] if held else [])))

    def __len__(self) -> int:
        return len(self.units)

    def place(self, dataset: int, number: int) -> Box:
        """Return the box of a sample in its dataset."""
        return self.written[dataset].sample.boxes.box(number)

    def box(self, number: int) -> Box:
        """Return the first box of a unit."""
        return self.place(*self.units[number][0])

    def rows(self, number: int) -> Rows:
        """Return the rows of a unit's first box."""
        first = self.box(number)[0]
        return Rows(first.start, first.stop)

    def nbytes(self, number: int) -> int:  # noqa: ARG002
        """Return 0: progress does not count it."""
        return 0

    def warm_up(self) -> None:
        """Compile nothing."""

    def open(self, rank: int, deliver: Deliver) -> Prover:
        """Open the output."""
        del deliver
        return Prover(self, rank)

    def detached(self) -> Self:
        """Return the work as it is: it has no memory."""
        return self

    def accept(self, left: Left) -> None:
        """Put nothing in place: what differs is an error."""

    def fold(self, states: Sequence[State]) -> None:
        """Add nothing: there are no states."""

    def left(self) -> int | None:
        """Return None: nothing is left in memory."""
        return None


class Prover(BoxRunner):
    """Compares boxes in one process."""

    def __init__(self, work: ProofWork, rank: int) -> None:
        self._work = work
        self._rank = rank
        # HDF5's own locks would stand in the way of the parent's. And a worker that was forked
        # while the parent had the file open has it open too, as it was then: HDF5 gives that for
        # what is opened again, but not to another driver.
        self._output = h5py.File(work.file, "r", driver="stdio", locking=False)
        self._input: h5py.File | None = None
        self._named = ""

    def run(self, number: int) -> Left:
        """Compare the boxes of one unit."""
        began = time.monotonic()
        for place, box in self._work.units[number]:
            self._compare(self._work.written[place], self._work.place(place, box))
        seconds = time.monotonic() - began
        rows = self._work.rows(number)
        return Left(BlockDone(self._rank, number, *rows, 0, began, seconds, 0.0, 0.0))

    def _compare(self, made: Written, box: Box) -> None:
        for step in made.filters:
            available(step.code)
        want = self._read_input(made.source, box)
        try:
            found = _read(self._output, made.path, box, made.source.dtype)
        except (OSError, RuntimeError) as error:
            raise _wrong(made, box, " ".join(str(error).split())) from None
        if not self._holds(made, found, want):
            raise _wrong(made, box, "other numbers")

    def _read_input(self, source: DatasetSource, box: Box) -> Array:
        if source.parts:
            # Its files were looked at, and HDF5 might find others.
            want = np.empty([side.stop - side.start for side in box], source.dtype)
            with source.open() as reader:
                reader.read_box(tuple(side.start for side in box), want)
            return want
        for step in source.filters:
            available(step.code)
        if self._input is None or self._named != source.file:
            self._close_input()
            self._input, self._named = open_file(source.file, CACHE_NBYTES), source.file
        return _read(self._input, source.path, box, source.dtype)

    def _holds(self, made: Written, found: Array, want: Array) -> bool:
        """Return whether the filters give `found` for `want`."""
        if _same(found, want):
            return True
        tolerances = [step.tolerance for step in made.filters if step.lossy]
        if not tolerances:
            return False
        if None in tolerances:
            return all(_same(found[at], coded) for at, coded in self._coded(made, want))
        return _near(found, want, sum(t for t in tolerances if t is not None))

    def _coded(self, made: Written, want: Array) -> Iterator[tuple[Box, Array]]:
        """Yield each chunk encoded and decoded: lossy filters promise nothing of single numbers."""
        dataset: h5py.Dataset = self._output[raw(made.path)]
        dcpl = dataset.id.get_create_plist()
        assert made.chunks is not None
        stored, dtype = stored_filters(dcpl), made.source.stored_dtype
        fill = Fill.of(dcpl, dataset.dtype)
        encoder = LibraryEncoder(made.filters, made.chunks, dtype, fill, stored)
        sides = zip(want.shape, made.chunks, strict=True)
        for corner in itertools.product(*(range(0, side, step) for side, step in sides)):
            part = box_at(corner, made.chunks)
            cut = want[part]
            chunk = np.full(made.chunks, 0 if fill.value is None else fill.value, dtype)
            inside = tuple(slice(0, side) for side in cut.shape)
            chunk[inside] = cut
            yield part, encoder.decoded(chunk)[inside].astype(want.dtype)
        encoder.close()

    def _close_input(self) -> None:
        if self._input is not None:
            self._input.close()
            self._input = None

    def close(self) -> None:
        """Close both files."""
        self._close_input()
        self._output.close()


def _read(file: h5py.File, path: str, box: Box, dtype: np.dtype[Any]) -> Array:
    """Read a box by HDF5; zeros where it leaves memory as it was."""
    values = np.zeros([side.stop - side.start for side in box], dtype)
    # Low-level throughout: there may be thousands of a few numbers each.
    dataset = h5d.open(file.id, raw(path))
    memory = place = h5s.ALL
    if values.shape != dataset.shape:
        place = dataset.get_space()
        place.select_hyperslab(tuple(side.start for side in box), values.shape)
        memory = h5s.create_simple(values.shape)
    dataset.read(memory, place, values, h5t.py_create(dtype, logical=True))
    return values


def _same(found: Array, want: Array) -> bool:
    """Return whether all bits are the same, those of NaN too."""
    return found.tobytes() == want.tobytes()


def _near(found: Array, want: Array, tolerance: float) -> bool:
    """Return whether numbers are within `tolerance`, but for the rounding of their dtype."""
    with np.errstate(invalid="ignore"):
        away: Array = np.abs(found.astype("f8") - want.astype("f8"))
        rounding = 8 * np.finfo(want.dtype).eps * np.abs(want) if want.dtype.kind == "f" else 0
        equal: Bools = (found == want) | (np.isnan(found) & np.isnan(want))
        return bool(np.all((away <= tolerance + rounding) | equal))


def _wrong(made: Written, box: Box, problem: str) -> ReadBackError:
    names = ", ".join(step.name for step in made.filters) or "no filter"
    corner = tuple(side.start for side in box)
    return ReadBackError(
        f"expected HDF5 to read back what {made.source} holds, got {problem} from {made.path} at "
        f"{corner}, stored with {names}; give another filter, as in "
        f"{option('filter', 'gzip:4')}"
    )
