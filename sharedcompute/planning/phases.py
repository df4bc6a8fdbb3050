"""What a plan does, one phase after the other.

The phases of a plan are one list: it is counted, printed, journaled and resumed from.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from sharedcompute.hdf5.format.chunks import ChunkGrid
from sharedcompute.hdf5.reading.boxes import units
from sharedcompute.operations.specs import ArraySpec
from sharedcompute.planning.budget.loading import Load, stripe_of
from sharedcompute.planning.fit import Iterate
from sharedcompute.planning.passes import Pass, Reading
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
    def reads(self) -> Reading:
        """Rows and bytes of the stripe."""
        return Reading.of(ArraySpec(self.rows.shape, self.rows.dtype))


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
    def reads(self) -> Reading:
        """Rows and bytes of the result."""
        return Reading.of(self.held.spec)


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
        """The boxes that workers do, one at a time."""
        return self.recoding.boxes

    @property
    def reads(self) -> Reading:
        """Rows and bytes of the dataset."""
        return Reading.of(ArraySpec(self.recoding.source.shape, self.recoding.source.dtype))


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
    passes: Sequence[Pass], fit: Iterate | None, loads: Sequence[Load]
) -> tuple[Phase, ...]:
    """Return the phases of a job.

    Parameters
    ----------
    passes : sequence of Pass
        In order; the last one gives the results that have rows.
    fit : Iterate or None
        Comes before the passes that take its model.
    loads : sequence of Load
        The sources whose chunks are decoded before the passes, in stripes for each stripe anew.
    """
    over_rows = _over_rows(passes, fit)
    found: list[Phase] = []
    count = max((len(load.stripes) for load in loads), default=1)
    for number in range(count):
        decodes = [Decode(Decoded(load.source, load.stripes[number]), load) for load in loads]
        found += decodes
        found += [_of_decoded(phase, [d.rows for d in decodes]) for phase in over_rows]
    return (*found, *(encode for work in passes[-1:] for encode in _encodes(work)))


def _over_rows(passes: Sequence[Pass], fit: Iterate | None) -> list[Pass | Iterate]:
    if fit is None:
        return list(passes)
    after = [work for work in passes if not fit.models.keys().isdisjoint(work.wanted)]
    return [*(work for work in passes if work not in after), fit, *after]


def _of_decoded(phase: Pass | Iterate, decoded: Sequence[Decoded]) -> Pass | Iterate:
    """Return the same phase over the decoded rows of a stripe."""
    if isinstance(phase, Iterate):
        return replace(phase, work=_fed(phase.work, decoded))
    # All rows are the same units of work, decoded first or not: so their notes hold for both.
    if all(rows.stripe == everything(rows.source) for rows in decoded):
        return _fed(phase, decoded)
    (rows,) = decoded
    section = _section(phase, rows.stripe)
    return replace(_fed(stripe_of(phase, *rows.stripe), decoded), section=section)


def _fed(work: Pass, decoded: Sequence[Decoded]) -> Pass:
    rows = {id(made.source): made for made in decoded}
    return replace(work, feeds=tuple(rows.get(id(feed), feed) for feed in work.feeds))


def _section(work: Pass, stripe: Stripe) -> str:
    return f"{work.section}-{stripe[0]}-{stripe[1]}"


def _encodes(last: Pass) -> Iterable[Encode]:
    for number, store in enumerate(last.stores):
        if isinstance(store.sink, Held):
            spec, sink = store.sink.spec, store.sink.sink
            boxes = units(spec.shape, sink.chunks or spec.shape, spec.dtype.itemsize)
            yield Encode(number, store.sink, boxes)
