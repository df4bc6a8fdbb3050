"""A plan: what will run, as plain data."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property

from sharedcompute.graph.node import Node, reads
from sharedcompute.graph.ports import Source
from sharedcompute.hdf5.reading.source import DatasetSource
from sharedcompute.hdf5.safety.input_files import InputFiles
from sharedcompute.hdf5.writing.sink import DatasetSink
from sharedcompute.options.groups import RunOptions
from sharedcompute.planning.budget.compiling import Code
from sharedcompute.planning.budget.loading import Load
from sharedcompute.planning.budget.projection import Projection
from sharedcompute.planning.fit import FitPart, Iterate
from sharedcompute.planning.grouped import plain
from sharedcompute.planning.job import Job
from sharedcompute.planning.passes import Pass
from sharedcompute.planning.phases import Copy, CountedPhase, Decode, Phase, ReadBack
from sharedcompute.planning.planned import Decoded, Held
from sharedcompute.planning.proof import Sample
from sharedcompute.planning.recode import Recoding
from sharedcompute.planning.structure import Repack
from sharedcompute.rows import Blocks
from sharedcompute.wording import option


@dataclass(frozen=True)
class Small:
    """A result without rows: a reduction, or what is made of such when the passes have run.

    Parameters
    ----------
    node : Node
    step : int
        Which step of the job has it.
    name : str
        Of a reduction among those of its step; else empty.
    sink : DatasetSink or None
        Where it is saved.
    """

    node: Node
    step: int
    name: str = ""
    sink: DatasetSink | None = None


@dataclass(frozen=True)
class Plan:
    """What will run: complete but for the values that its phases compute.

    Parameters
    ----------
    task : Job or Repack
        What is asked for.
    options : RunOptions
    phases : tuple of Phase
    engine : str
        The name of the engine.
    workers : int
    projection : Projection
        Bytes it will take.
    code : Code
        What it runs, and may have to compile.
    reads : InputFiles
        All files that are read, those too that parameters, links and virtual datasets name.
    smalls : tuple of Small
        The results that do not have rows.
    whole : mapping of str to Node
        All that is wanted as a whole, by rows or at the end, by its key; inputs first.
    row_nodes : mapping of (int, str) to Node
        The results that have rows, by step and name.
    fitted : Node or None
        The rows that a fit sees.
    """

    task: Job | Repack
    options: RunOptions
    phases: tuple[Phase, ...]
    engine: str
    workers: int
    projection: Projection
    code: Code
    reads: InputFiles
    smalls: tuple[Small, ...] = ()
    whole: Mapping[str, Node] = field(default_factory=dict)
    row_nodes: Mapping[tuple[int, str], Node] = field(default_factory=dict)
    fitted: Node | None = None

    @cached_property
    def counted(self) -> tuple[CountedPhase, ...]:
        """The phases that begin with an event: what is read back is read beside them."""
        return tuple(phase for phase in self.phases if not isinstance(phase, ReadBack))

    @cached_property
    def passes(self) -> tuple[Pass, ...]:
        """The passes over the rows; those that are run for each stripe, of the first one.

        What a fit iterates over is the last one, if no pass follows it.
        """
        decodes = [isinstance(phase, Decode) for phase in self.phases]
        # Where a stripe begins: several sources are decoded one after the other.
        begins = [n for n, here in enumerate(decodes) if here and not (n and decodes[n - 1])]
        first = self.phases[: begins[1]] if len(begins) > 1 else self.phases
        found = [phase for phase in first if isinstance(phase, Pass)]
        iterated = [phase.work for phase in first[-1:] if isinstance(phase, Iterate)]
        return (*found, *iterated)

    @property
    def blocks(self) -> Blocks:
        """The blocks of the last pass, which has the results."""
        return self.passes[-1].blocks

    @property
    def loads(self) -> tuple[Load, ...]:
        """The datasets whose chunks are decoded before the passes begin, and how."""
        found = {id(p.load): p.load for p in self.phases if isinstance(p, Decode)}
        return tuple(found.values())

    @property
    def fit(self) -> FitPart | None:
        """What is iterated."""
        return next((phase.part for phase in self.phases if isinstance(phase, Iterate)), None)

    @property
    def copies(self) -> tuple[Copy, ...]:
        """The datasets whose rows workers store in another way."""
        return tuple(phase for phase in self.phases if isinstance(phase, Copy))

    @property
    def sources(self) -> tuple[DatasetSource, ...]:
        """The datasets whose rows are read by workers."""
        if isinstance(self.task, Job):
            feeds = (plain(feed) for work in self.passes for feed in work.feeds)
            found = (f.source if isinstance(f, Decoded) else f for f in feeds)
            return tuple({id(f): f for f in found if isinstance(f, DatasetSource)}.values())
        return tuple(phase.recoding.source for phase in self.copies)

    @cached_property
    def result_nodes(self) -> tuple[Node, ...]:
        """The nodes of all results, in the order of their steps, and of the rows a fit sees."""
        rows = [(step, node) for (step, _), node in self.row_nodes.items()]
        named = [*rows, *((small.step, small.node) for small in self.smalls)]
        fitted = [] if self.fitted is None else [self.fitted]
        return (*(node for _, node in sorted(named, key=lambda pair: pair[0])), *fitted)

    @cached_property
    def inputs(self) -> tuple[Source, ...]:
        """All that the results are computed from, in the order in which expressions name it."""
        return reads(self.result_nodes)

    @property
    def row_sinks(self) -> tuple[DatasetSink, ...]:
        """The datasets of the output whose rows passes write."""
        sinks = [s.sink for work in self.passes[-1:] for s in work.stores]
        sinks = [sink.sink if isinstance(sink, Held) else sink for sink in sinks]
        return tuple(sink for sink in sinks if isinstance(sink, DatasetSink))

    @property
    def sinks(self) -> tuple[DatasetSink, ...]:
        """The datasets of the output whose storage was asked for; a fit's results are small."""
        small = [made.sink for made in self.smalls]
        return (*self.row_sinks, *(sink for sink in small if sink is not None))

    @cached_property
    def recodings(self) -> dict[int, Recoding]:
        """The datasets that are stored in another way, by their addresses in the input."""
        at_once = self.task.at_once if isinstance(self.task, Repack) else {}
        return {**at_once, **{copy.at: copy.recoding for copy in self.copies}}

    @property
    def results(self) -> tuple[str, ...]:
        """The paths of the datasets that the output gets; none where it gets a whole file."""
        if isinstance(self.task, Job):
            return tuple(dict.fromkeys([*(sink.path for sink in self.sinks), *self.task.fitted]))
        if self.task.path is None:
            return ()
        # Without a path in the output it goes to its old one.
        (copy,) = self.copies
        named = self.task.output.address.path
        return (copy.recoding.source.path if named in (None, "/") else named,)

    @property
    def in_place(self) -> bool:
        """Whether no filter changes where rows lie: a stopped job then goes on in its files."""
        copies = [copy.recoding.storage for copy in self.copies]
        filtered = (storage.filters for storage in copies if not storage.at_once)
        return not any((*filtered, *(sink.filters for sink in self.row_sinks)))

    @cached_property
    def samples(self) -> dict[int, Sample]:
        """What HDF5 reads back of datasets, by their addresses in the input."""
        found = [phase.samples for phase in self.phases if isinstance(phase, ReadBack)]
        return {at: sample for samples in found for at, _, sample in samples}

    @property
    def notes(self) -> list[str]:
        """What is to be known before it is run, a line each."""
        return [
            f"{made.source.path}: {step.name} is lossy and will be applied again to numbers that "
            f"it has changed before; {option('filter', 'gzip:4')} keeps them as they are"
            for made in self.recodings.values()
            for step in made.storage.filters
            if step.lossy
        ]
