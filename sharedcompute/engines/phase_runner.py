"""Running the phases of a plan, one after the other, on an engine."""

from __future__ import annotations

import contextlib
import math
from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from sharedcompute.engines.engine import Engine, LastingWork, undeliverable
from sharedcompute.engines.fits.run import run_fit
from sharedcompute.engines.output import Found, PlanOutput, Reduced
from sharedcompute.engines.units.load import loaded, room
from sharedcompute.engines.units.pass_work import PassWork, combine
from sharedcompute.engines.units.proof import ProofWork, Written
from sharedcompute.engines.units.recode import RecodeWork
from sharedcompute.engines.values import Values
from sharedcompute.events import Event, Listener, PassStarted, StateTaken, ignore
from sharedcompute.graph.ports import Sink, Source
from sharedcompute.hdf5.reading.source import DatasetSource
from sharedcompute.hdf5.writing.sink import Created, DatasetSink
from sharedcompute.operations.reductions.reduction import cast_result
from sharedcompute.operations.reductions.tally import Tally, served_by
from sharedcompute.operations.specs import Array, State
from sharedcompute.planning.fit import Iterate
from sharedcompute.planning.grouped import Grouped
from sharedcompute.planning.in_memory import ArraySink, ArraySource, Buffer
from sharedcompute.planning.passes import Pass, ReductionOutput, Store
from sharedcompute.planning.phases import Copy, CountedPhase, Decode, Encode, ReadBack
from sharedcompute.planning.plan import Plan
from sharedcompute.planning.planned import Computed, Decoded, Held, Into, ToMemory, everything
from sharedcompute.planning.scratch import scratch_folder


class PhaseRunner:
    """Runs the phases of a plan once.

    Parameters
    ----------
    plan : Plan
    engine : Engine
    output : PlanOutput or None
        None where all results stay in memory.
    listen : callable
        Gets the events.
    """

    def __init__(
        self, plan: Plan, engine: Engine, output: PlanOutput | None, listen: Listener
    ) -> None:
        self._plan = plan
        self._engine = engine
        self._output = output
        self._listen = listen
        self._folder = scratch_folder(plan.task.output)
        self._rooms = contextlib.ExitStack()
        # One for all stripes, those after the first too: workers let go of a freed array only when
        # they are idle, so with one for each there were two at a time.
        self._buffers: dict[int, Buffer] = {}
        self._decoded: dict[int, ArraySource] = {}
        self._held: dict[int, Buffer] = {}
        self._values = Values(plan.whole, engine.share)
        self._found = Found()

    def run_all(self) -> Found:
        """Run all phases and return their results."""
        number = 0
        with self._rooms:
            for phase in self._plan.phases if self._output is None else self._output.in_order():
                if isinstance(phase, ReadBack):
                    self._read_back(phase)
                    continue
                number += 1
                self._begin(number, phase)
                self._run(phase)
            self._buffers, self._decoded, self._held = {}, {}, {}
        reduced = [Reduced(small, self._values[small.node.key]) for small in self._plan.smalls]
        return replace(self._found, reduced=reduced)

    def _begin(self, number: int, phase: CountedPhase) -> None:
        self._plan.reads.check()
        reads, count = phase.reads, len(self._plan.counted)
        fit = isinstance(phase, Iterate)
        self._listen(PassStarted(number, count, phase.purpose, reads.rows, reads.nbytes, fit))

    def _run(self, phase: CountedPhase) -> None:
        match phase:
            case Decode():
                self._decode(phase)
            case Pass():
                self._pass(phase)
            case Iterate():
                self._iterate(phase)
            case Encode():
                source = ArraySource(self._held[phase.number])
                self._fill(phase, source)
            case Copy():
                self._copy(phase)

    def _decode(self, phase: Decode) -> None:
        """Decode all chunks of a stripe."""
        load = phase.load
        if id(load) not in self._buffers:
            size, dtype = load.nbytes // load.source.dtype.itemsize, load.source.dtype
            self._buffers[id(load)] = self._room(self._rooms, load.into, (size,), dtype)
        self._decoded[id(load.source)] = loaded(
            load.source, phase.rows.stripe, self._buffers[id(load)], self._engine, self._listen
        )

    def _pass(self, phase: Pass) -> None:
        """Run a pass, and take its results and what it computes for others."""
        stores = tuple(replace(s, sink=self._sink(n, s)) for n, s in enumerate(phase.stores))
        bound = replace(self._bound(phase), stores=stores)
        states = [_block_states(t, phase, self._engine) for _, t in phase.tallies]
        work = PassWork(bound, states)
        self._do(phase, work, self._output.datasets(phase) if self._output is not None else ())
        combine(work, self._engine, self._listen)
        for planned, store in zip(phase.stores, stores, strict=True):
            # What was held goes to the file.
            if isinstance(store.sink, ArraySink) and not isinstance(planned.sink, Held):
                array = store.sink.array
                assert isinstance(array, np.ndarray)
                if planned.step is None:
                    self._values.put(planned.key, array)
                else:
                    self._found.arrays[planned.step, planned.name] = array
        for number, gather in enumerate(phase.gathers):
            for result, key in enumerate(gather.keys):
                if key:
                    self._values.put(key, work.rows_gathered(number, result))
        for output, values in _reduced(phase, states):
            self._values.add(output.key, values)

    def _bound(self, phase: Pass) -> Pass:
        """Return a pass with what earlier phases have computed, over sources workers can open."""
        bound = phase.bind({key: self._values.shared(key) for key in phase.wanted})
        return replace(bound, feeds=tuple(map(self._source, phase.feeds)))

    def _iterate(self, phase: Iterate) -> None:
        """Run a fit; what stages take of its model is an argument of theirs then."""
        work = self._bound(phase.work)
        section = self._output.section(phase, 0) if self._output is not None else None
        fitted = run_fit(phase.part, work, self._engine, self._listen, section)
        self._found.fitted = fitted
        for key, name in phase.models.items():
            self._values.put(key, fitted.model[name])

    def _copy(self, phase: Copy) -> None:
        """Write the rows of a dataset that is stored in another way."""
        made = phase.recoding
        if not made.storage.at_once:
            with contextlib.ExitStack() as rooms:
                source: DatasetSource | ArraySource = made.source
                if made.load is not None:
                    size = (math.prod(made.source.shape),)
                    held = self._room(rooms, made.load, size, made.source.dtype)
                    # Progress counts what is written.
                    stripe = everything(made.source)
                    source = loaded(made.source, stripe, held, self._engine, ignore)
                self._fill(phase, source)
        self._file.filled(phase)

    def _fill(self, phase: Encode | Copy, source: DatasetSource | ArraySource) -> None:
        """Write all of `source` to the dataset of a phase, box by box."""
        datasets = self._file.datasets(phase)
        self._do(phase, RecodeWork(phase.boxes, source, datasets[0].target), datasets)

    def _read_back(self, phase: ReadBack) -> None:
        """Let HDF5 read back what was encoded, by us or with the structure of the file.

        Raises
        ------
        ReadBackError
            It is not what went in.
        """
        written = [
            Written(
                made.source,
                self._file.path(at, made),
                made.storage.chunks,
                made.storage.filters,
                sample,
            )
            for at, made, sample in phase.samples
        ]
        with self._file.lent() as temporary:
            self._engine.run(ProofWork.of(temporary, written), undeliverable, ignore)

    def _do(
        self, phase: Pass | Encode | Copy, work: LastingWork, datasets: Sequence[Created]
    ) -> None:
        """Do the units of a phase that are not done yet; their rows go to `datasets`."""
        if not len(work):
            return
        if self._output is None:
            self._engine.run(work, undeliverable, _folding(work, self._listen))
            return
        with self._output.notes(phase, work, datasets) as notes:
            left = notes.left(self._listen)
            self._engine.run(work, notes.deliver, notes.watch(self._listen), left)

    @property
    def _file(self) -> PlanOutput:
        assert self._output is not None
        return self._output

    def _source(self, planned: Source) -> Source:
        """Return the source in a form that workers can open."""
        source = planned
        if isinstance(planned, Grouped):
            return replace(planned, source=self._source(planned.source))
        if isinstance(planned, Decoded):
            source = self._decoded[id(planned.source)]
        elif isinstance(planned, Computed):
            source = ArraySource(np.ascontiguousarray(self._values.shared(planned.key)))
        return self._engine.reach(source)

    def _sink(self, number: int, store: Store) -> Sink:
        """Return what workers open to store rows: an array, or a dataset of the output."""
        sink = store.sink
        if isinstance(sink, ToMemory):
            return ArraySink(self._engine.allocate(sink.spec.shape, sink.spec.dtype))
        if isinstance(sink, Held):
            held = self._room(self._rooms, sink.into, sink.spec.shape, sink.spec.dtype)
            self._held[number] = held
            return ArraySink(held, sink.sink.stored_dtype)
        if isinstance(sink, DatasetSink):
            return self._file.target(number)
        return sink

    def _room(
        self, rooms: contextlib.ExitStack, into: Into, shape: tuple[int, ...], dtype: np.dtype
    ) -> Buffer:
        """Return room for rows until `rooms` is closed."""
        return rooms.enter_context(room(into, shape, dtype, self._folder, self._engine))


def _folding(work: LastingWork, listen: Listener) -> Listener:
    """Return a listener that adds up what is taken over from workers, before anybody notes it."""

    def fold(event: Event) -> None:
        if isinstance(event, StateTaken):
            work.fold(event.states)
        listen(event)

    return fold


def _block_states(tally: Tally, work: Pass, engine: Engine) -> State:
    """Return room for the states, which the blocks fill in; without rows, the identity."""
    blocks = len(work.blocks)
    runners = engine.runners * work.threads(engine.threads)
    states = tally.states(tally.slots(blocks, runners), engine.allocate)
    if blocks == 0:
        tally.reset(states)
    elif tally.exact:
        # Workers begin with their own; what is taken over from them is added up here.
        tally.reset({name: s[-2] for name, s in states.items()})
    return states


def _reduced(work: Pass, states: list[State]) -> list[tuple[ReductionOutput, Array]]:
    """Return the result of each reduction of a pass: in full precision, or as NumPy has it."""
    combined = [
        (value, t, t.prefixes(s) if t.running else t.total(s))
        for (value, t), s in zip(work.tallies, states, strict=True)
    ]
    found = []
    for output in work.reductions:
        here = [(t, s) for value, t, s in combined if value == output.value]
        state = here[served_by(output.reduction, [t for t, _ in here])][1]
        values = output.reduction.result(state)
        found.append((output, values if output.exact else cast_result(output.reduction, values)))
    return found
