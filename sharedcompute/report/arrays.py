"""Arrays in a few words: their shapes, where they lie, how they are stored."""

from __future__ import annotations

from sharedcompute.graph.ports import Source
from sharedcompute.hdf5.filters.pipeline import Pipeline
from sharedcompute.hdf5.reading.source import DatasetSource
from sharedcompute.hdf5.writing.sink import DatasetSink
from sharedcompute.operations.specs import ArraySpec
from sharedcompute.planning.passes import Store
from sharedcompute.planning.planned import Held, Into
from sharedcompute.planning.proof import Sample


def shape(sizes: tuple[int, ...]) -> str:
    """Return a shape for a person: ``240 x 37 x 49``."""
    return " x ".join(map(str, sizes)) or "a number"


def place(source: Source) -> str:
    """Return where a source lies."""
    if isinstance(source, DatasetSource):
        several = f" ({len(source.whole.parts)} files)" if source.glob else ""
        return f"{source}{several}"
    return "an array in memory"


def stored(chunks: tuple[int, ...] | None, filters: Pipeline) -> str:
    """Return how a dataset is stored."""
    layout = f"chunks {shape(chunks)}" if chunks else "contiguous"
    return ", ".join([layout, *(step.name for step in filters)])


def sampled(sample: Sample | None) -> str:
    """Return how much is read back of a dataset."""
    if sample is None:
        return "nothing"
    return "all of it" if sample.whole else f"{len(sample.numbers)} of {len(sample.boxes)} chunks"


def into_of(into: Into) -> str:
    """Return where rows are held."""
    return "memory" if into == "memory" else "a file"


def kept(store: Store, spec: ArraySpec) -> str:
    """Return where the rows of a result go."""
    sink = store.sink
    held = ""
    if isinstance(sink, Held):
        held = f", held in {into_of(sink.into)} until all rows are there"
        sink = sink.sink
    what = f"{shape(spec.shape)} {spec.dtype}"
    if not isinstance(sink, DatasetSink):
        return f"in memory  {what}"
    return f"as {sink.path}  {what}, {stored(sink.chunks, sink.filters)}{held}"
