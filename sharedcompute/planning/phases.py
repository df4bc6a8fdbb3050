"""What a plan does, one phase after the other.

The phases of a plan are one list: it is counted, printed, journaled and resumed from.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace

from sharedcompute.hdf5.format.chunks import ChunkGrid
from sharedcompute.hdf5.reading.source import DatasetSource
from sharedcompute.operations.specs import ArraySpec
from sharedcompute.operations.stages import FromModel
from sharedcompute.planning.budget.loading import Load, stripe_of, units
from sharedcompute.planning.fit import FitPart
from sharedcompute.planning.passes import Pass, fitted
from sharedcompute.planning.planned import Decoded, Held, Stripe, everything
from sharedcompute.planning.proof import Sample
from sharedcompute.planning.recode import Recoding


@dataclass(frozen=True)
class Decode:
    """All chunks of a stripe are decoded by all workers, each once.

    Phases after it that read `rows` read what is decoded.

    Parameters
    ----------
    rows : Decoded
    load : Load
        Why, and where to.
    """

    rows: Decoded
    load: Load

    purpose = "decode all chunks"

    @property
    def reads(self) -> ArraySpec:
        """Shape and dtype of the stripe."""
        return ArraySpec(self.rows.shape, self.rows.dtype)


@dataclass(frozen=True)
class Iterate:
    """The rounds of a fit.

    Parameters
    ----------
    part : FitPart
    work : Pass
        Reads the rows that the fit sees; nothing is stored or reduced by it.
    arguments : tuple of (int, FromModel)
        What stages of passes after it take of the model, each with the index of its stage.
    """

    part: FitPart
    work: Pass
    arguments: tuple[tuple[int, FromModel], ...]

    section = "0"  # passes count from 1

    @property
    def purpose(self) -> str:
        """The name of the fit."""
        return self.part.name

    @property
    def reads(self) -> ArraySpec:
        """Shape and dtype of the source."""
        return self.work.reads


@dataclass(frozen=True)
class Encode:
    """A result that was held until all its rows were there is encoded.

    Parameters
    ----------
    number : int
        Of the store of the last pass.
    held : Held
    boxes : ChunkGrid
        What a worker does at a time.
    """

    number: int
    held: Held
    boxes: ChunkGrid

    @property
    def section(self) -> str:
        """Of the journal."""
        return f"held-{self.number}"

    @property
    def purpose(self) -> str:
        """For people."""
        return f"encode {self.held.sink.path}"

    @property
    def reads(self) -> ArraySpec:
        """Shape and dtype of the result."""
        return self.held.spec


@dataclass(frozen=True)
class Copy:
    """The rows of a dataset are stored in another way.

    Parameters
    ----------
    at : int
        The address of the dataset in the input.
    recoding : Recoding
    section : str
        Of the journal.
    """

    at: int
    recoding: Recoding
    section: str

    @property
    def purpose(self) -> str:
        """The path of the dataset in the input."""
        return self.recoding.source.path

    @property
    def boxes(self) -> ChunkGrid:
        """What a worker does at a time."""
        return self.recoding.boxes

    @property
    def reads(self) -> ArraySpec:
        """Shape and dtype of the dataset."""
        return ArraySpec(self.recoding.source.shape, self.recoding.source.dtype)


@dataclass(frozen=True)
class ReadBack:
    """HDF5 reads back samples of what was stored in another way; they are compared with the input.

    Parameters
    ----------
    samples : tuple of (int, Recoding, Sample)
        Each with the address of its dataset in the input.
    """

    samples: tuple[tuple[int, Recoding, Sample], ...]


CountedPhase = Decode | Pass | Iterate | Encode | Copy
"""A phase that begins with an event."""

Phase = CountedPhase | ReadBack


def phases_of(
    passes: tuple[Pass, ...], fit: FitPart | None, load: Load | None
) -> tuple[Phase, ...]:
    """Return the phases of a job.

    Parameters
    ----------
    passes : tuple of Pass
        In order; the last one gives the results.
    fit : FitPart or None
        What is iterated before the last pass.
    load : Load or None
        How chunks are decoded before the passes, for each stripe anew.
    """
    over_rows = _over_rows(passes, fit)
    found: list[Phase] = []
    source = passes[-1].source
    if load is None or not isinstance(source, DatasetSource):
        found += over_rows
    else:
        for stripe in load.stripes:
            rows = Decoded(source, stripe)
            found += [Decode(rows, load), *(_of_decoded(phase, rows) for phase in over_rows)]
    return (*found, *_encodes(passes[-1]))


def _over_rows(passes: tuple[Pass, ...], fit: FitPart | None) -> list[Pass | Iterate]:
    *before, last = passes
    if fit is None:
        return [*before, last]
    seen = replace(last, stages=last.stages[: fit.depth], stores=(), reductions=())
    iterated = Iterate(fit, seen, fitted(last.stages))
    # Without a result for each row, the rows need not be read once more.
    return [*before, iterated, *([last] if last.stores or last.reductions else [])]


def _of_decoded(phase: Pass | Iterate, rows: Decoded) -> Pass | Iterate:
    """Return the same phase over the decoded rows of a stripe."""
    if isinstance(phase, Iterate):
        return replace(phase, work=replace(phase.work, source=rows))
    # All rows are the same units of work, decoded first or not: so their notes hold for both.
    whole = rows.stripe == everything(rows.source)
    section = phase.section if whole else _section(phase, rows.stripe)
    return replace(stripe_of(phase, *rows.stripe), source=rows, section=section)


def _section(work: Pass, stripe: Stripe) -> str:
    return f"{work.section}-{stripe[0]}-{stripe[1]}"


def _encodes(last: Pass) -> Iterable[Encode]:
    for number, store in enumerate(last.stores):
        if isinstance(store.sink, Held):
            spec, sink = store.sink.spec, store.sink.sink
            boxes = units(spec.shape, sink.chunks or spec.shape, spec.dtype.itemsize)
            yield Encode(number, store.sink, boxes)
