"""Running one block of a pass. All engines do it with this, so all give the same bits."""

from __future__ import annotations

import time
from collections.abc import Hashable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from sharedcompute.engines.engine import Deliver, Left
from sharedcompute.engines.units.call import Call
from sharedcompute.engines.units.gather import Gatherer
from sharedcompute.engines.units.ports import Ported
from sharedcompute.events import BlockDone, StateTaken
from sharedcompute.graph.ports import Reader
from sharedcompute.hdf5.format.marks import block_crc
from sharedcompute.hdf5.writing.row_writer import EncodedChunk
from sharedcompute.kernels.cache import protect
from sharedcompute.operations.specs import Array, ArraySpec, DType
from sharedcompute.planning.in_memory import ArrayWriter
from sharedcompute.planning.passes import Pass, Step, Store
from sharedcompute.rows import CONSTANT, Rows, extension, row_runs


class Scratch:
    """Private buffers that are used again: fresh memory costs a page fault each 4 KiB."""

    def __init__(self) -> None:
        self._buffers: dict[Hashable, Array] = {}

    def take(self, key: Hashable, rows: int, spec: ArraySpec) -> Array:
        """Return an uninitialised array of rows; the last one under `key` is gone."""
        size = rows * spec.row_size
        buffer = self._buffers.get(key)
        if buffer is None or buffer.size < size:
            buffer = self._buffers[key] = np.empty(size, spec.dtype)
        return buffer[:size].reshape(rows, *spec.shape[1:])


@dataclass
class _Clock:
    read: float = 0.0
    write: float = 0.0


class _Kept:
    """One place where rows go, and the CRC of the block's rows on their way to a file."""

    def __init__(self, number: int, keep: Store) -> None:
        self.number = number
        self.value = keep.value
        self._group = keep.group
        self.writer = keep.target.open()
        self.array = self.writer if isinstance(self.writer, ArrayWriter) else None
        self.stored_dtype: DType | None = getattr(keep.sink, "stored_dtype", None)
        self.crc = 0

    def begin(self, rows: Rows) -> None:
        """Begin a block."""
        self.crc = 0
        if self.array is not None:
            start, stop = rows
            self.array.begin((slice(start * self._group, stop * self._group),))

    def write(self, start: int, rows: Array) -> Sequence[EncodedChunk]:
        """Write rows, and add them to the checksum."""
        self.check(rows)
        if self._group > 1:
            rows = rows.reshape(-1, *rows.shape[2:])
        return self.writer.write(start * self._group, rows)

    def place(self, rows: Rows) -> Array:
        """Return the place of some rows in the array that keeps them."""
        assert self.array is not None
        group = self._group
        place = self.array.place(rows.start * group, rows.stop * group)
        return place if group == 1 else place.reshape(rows.size, group, *place.shape[1:])

    def left(self) -> Array | None:
        """Return the rows of the block, if they have to travel."""
        return None if self.array is None else self.array.left()

    def check(self, rows: Array) -> None:
        """Add rows to the checksum if they go to a file."""
        if self.stored_dtype is not None:
            self.crc = block_crc(rows, self.stored_dtype, self.crc)


class BlockRunner:
    """Runs blocks of a pass, one after the other, in one thread.

    Parameters
    ----------
    work : Pass
        With all arguments bound.
    ports : sequence of (int, StatePort)
        Take the rows of their values.
    deliver : callable
        Takes chunks, which a sink's writer cannot write itself.
    rank : int
        Of this thread, among those of all processes.
    """

    def __init__(
        self,
        work: Pass,
        ports: Sequence[Ported],
        deliver: Deliver,
        rank: int = 0,
    ) -> None:
        self._work = work
        self._deliver = deliver
        self._rank = rank
        self._rows_in_all = work.rows
        self._feeds = len(work.feeds)
        self._halos = work.halos
        self._scratch = Scratch()
        self._clock = _Clock()
        self._latest: dict[int, tuple[Rows, Array]] = {}
        self._ports = ports
        self._kept = [_Kept(i, keep) for i, keep in enumerate(work.stores)]
        self._places = self._in_place()
        for kernel in (
            *(step.stage.kernel for step in work.calls),
            *(t.partial.kernel for _, t in work.tallies),
        ):
            protect(kernel)
        self._readers = [feed.open() for feed in work.feeds]
        # For rows outside of a strip: what a reader gives is valid until its next read.
        self._others: dict[int, Reader] = {}
        self._calls = {step.result: self._call_of(step) for step in work.steps}
        self._gatherers = [Gatherer(g, self._row_sizes(g.step)) for g in work.gathers]
        self._strip = Rows(0, 0)
        self._block = 0
        self._since: list[int] = []

    def _in_place(self) -> dict[int, _Kept]:
        """Return the results in memory that steps write where they are kept, by value."""
        found: dict[int, _Kept] = {}
        for kept in self._kept:
            made = kept.value >= self._feeds and not self._halos[kept.value]
            if made and kept.array is not None:
                found.setdefault(kept.value, kept)
        return found

    def take(self) -> StateTaken | None:
        """Return and reset the state of the blocks since the last call, where blocks share one."""
        exact = [port for _, port in self._ports if port.exact]
        if not exact or not self._since:
            return None
        taken = StateTaken(self._rank, tuple(self._since), tuple(port.take() for port in exact))
        self._since = []
        return taken

    def finish(self) -> StateTaken | None:
        """Leave the state of the blocks since the last call of `take` in place, or return it."""
        if not all(port.in_place for _, port in self._ports):
            return self.take()
        for _, port in self._ports:
            port.finish()
        return None

    def close(self) -> None:
        """Close what was opened."""
        self._latest.clear()
        for kept in self._kept:
            kept.writer.close()
        for reader in (*self._readers, *self._others.values()):
            reader.close()

    def run(self, block: int) -> Left:
        """Read, compute, reduce and write one block."""
        began = time.monotonic()
        self._clock = _Clock()
        rows = self._work.blocks[block]
        self._begin(block)
        for start in range(rows.start, rows.stop, self._work.strip):
            self._run_strip(Rows(start, min(start + self._work.strip, rows.stop)))
        for _, port in self._ports:
            port.end()
        self._since.append(block)
        return Left(
            self._event(block, rows, began),
            tuple(kept.left() for kept in self._kept),
            tuple(port.left() for _, port in self._ports),
            tuple(gatherer.left() for gatherer in self._gatherers),
        )

    def _event(self, block: int, rows: Rows, began: float) -> BlockDone:
        clock = self._clock
        return BlockDone(
            self._rank,
            block,
            rows.start * self._work.unit,
            rows.stop * self._work.unit,
            rows.size * self._work.row_bytes,
            began,
            clock.read,
            time.monotonic() - began - clock.read - clock.write,
            clock.write,
            tuple(kept.crc for kept in self._kept),
        )

    def rows_at(self, value: int, rows: Rows) -> Array:
        """Return rows of a value, whatever blocks they are of."""
        self._latest.clear()
        self._strip = rows
        return self._rows(value, rows)

    def _begin(self, block: int) -> None:
        self._block = block
        for _, port in self._ports:
            port.begin(block)
        for kept in self._kept:
            kept.begin(self._work.blocks[block])
        for gatherer in self._gatherers:
            gatherer.begin()
        for step in self._work.steps:
            for number, operand in enumerate(step.operands):
                if operand.per_block:
                    self._calls[step.result].args[number] = operand.value[block].copy()

    def _run_strip(self, strip: Rows) -> None:
        self._latest.clear()
        self._strip = strip
        for kept in self._kept:
            rows = self._rows(kept.value, strip)
            if self._places.get(kept.value) is kept:
                kept.check(rows)
                continue
            began = time.monotonic()
            chunks = kept.write(strip.start, rows)
            if chunks:
                self._deliver(self._block, kept.number, chunks)
            self._clock.write += time.monotonic() - began
        for value, port in self._ports:
            port.add(self._rows(value, strip), strip.start)
        for gatherer in self._gatherers:
            step = gatherer.step
            gatherer.add([self._input(i, strip, step) for i in step.inputs], strip.start)

    def _rows(self, value: int, rows: Rows) -> Array:
        """Return rows of a value; those that a strip needs are computed once, for all its users."""
        have = self._latest.get(value)
        if have is None or not _has(have[0], rows):
            halo = self._halos[value]
            around = Rows(
                max(0, self._strip.start - halo), min(self._rows_in_all, self._strip.stop + halo)
            )
            if not _has(around, rows):
                return self._beyond(value, rows)
            have = around, self._make(value, around)
            self._latest[value] = have
        first = rows.start - have[0].start
        return have[1][first : first + rows.size]

    def _make(self, value: int, rows: Rows) -> Array:
        """Return the rows of a value that a strip needs."""
        if value < self._feeds:
            began = time.monotonic()
            out = self._readers[value].read(*rows)
            self._clock.read += time.monotonic() - began
            return out
        step = self._work.made_by[value]
        call = self._calls[step.result]
        given = [self._input(i, rows, step) for i in step.inputs]
        outs = [self._target(step.result + i, rows) for i in range(len(step.specs))]
        call(given, outs, rows.start)
        for i, out in enumerate(outs):
            shown = out.view()
            shown.flags.writeable = False
            self._latest[step.result + i] = rows, shown
        return self._latest[value][1]

    def _input(self, value: int, rows: Rows, step: Step) -> Array:
        """Return the rows that a step takes of a value for some of its results."""
        if step.stage.halo:
            return self._extended(value, rows, step)
        given = self._rows(value, rows)
        return given if step.stage.ratio[1] == 1 else _flat(given)

    def _extended(self, value: int, rows: Rows, step: Step) -> Array:
        """Return rows with the halo of a step, made up where it reaches over an edge."""
        stage, size = step.stage, step.stage.ratio[1]
        lo, hi = rows.start * size - stage.halo, rows.stop * size + stage.halo
        if lo >= 0 and hi <= self._rows_in_all * size:
            return self._rows_in_groups(value, Rows(lo, hi), size)
        at = extension(lo, hi, self._rows_in_all * size, stage.mode)
        spec = self._work.spec(value)
        if size > 1:
            spec = ArraySpec((0, *spec.shape[2:]), spec.dtype)
        out = self._scratch.take(("extended", id(step), value), hi - lo, spec)
        self._fill(out, value, at, step)
        out.flags.writeable = False
        return out

    def _fill(self, out: Array, value: int, at: NDArray[np.int64], step: Step) -> None:
        """Fill `out` with the rows of a value at some positions, as `extension` gives them."""
        for where, run in row_runs(at):
            # "clip": with "raise" NumPy goes through a second buffer, and all rows are inside.
            rows = self._rows_in_groups(value, run, step.stage.ratio[1])
            np.take(rows, at[where] - run.start, 0, out[where], mode="clip")
        out[at == CONSTANT] = step.stage.cval

    def _rows_in_groups(self, value: int, rows: Rows, size: int) -> Array:
        """Return rows of a value that has them in groups of `size`."""
        if size == 1:
            return self._rows(value, rows)
        first, last = rows.start // size, -(-rows.stop // size)
        flat = _flat(self._rows(value, Rows(first, last)))
        return flat[rows.start - first * size : rows.stop - first * size]

    def _beyond(self, value: int, rows: Rows) -> Array:
        """Return rows that lie outside of what a strip needs: of the other edge, where it wraps.

        In memory of their own, as several users may hold different ones.
        """
        if value < self._feeds:
            if value not in self._others:
                self._others[value] = self._work.feeds[value].open()
            return self._others[value].read(*rows).copy()
        step = self._work.made_by[value]
        halo, size = step.stage.halo, step.stage.ratio[1]
        n = self._rows_in_all * size
        at = extension(rows.start * size - halo, rows.stop * size + halo, n, step.stage.mode)
        given = []
        for i in step.inputs:
            spec = self._work.spec(i)
            row = spec.shape[1:] if size == 1 else spec.shape[2:]
            given.append(np.empty((len(at), *row), spec.dtype))
            self._fill(given[-1], i, at, step)
        outs = [np.empty((rows.size, *spec.shape[1:]), spec.dtype) for spec in step.specs]
        self._calls[step.result](given, outs, rows.start, checked=False)
        return outs[value - step.result]

    def _target(self, value: int, rows: Rows) -> Array:
        """Return the place that a step writes to: in the array that keeps it, where it can."""
        kept = self._places.get(value)
        if kept is not None and rows == self._strip:
            return kept.place(rows)
        return self._scratch.take(value, rows.size, self._work.spec(value))

    def _call_of(self, step: Step) -> Call:
        return Call(step, self._row_sizes(step))

    def _row_sizes(self, step: Step) -> tuple[int, ...]:
        """Return the elements of a row of each input of a step."""
        return tuple(self._work.spec(value).row_size for value in step.inputs)


def _flat(groups: Array) -> Array:
    """Return groups of rows as rows."""
    return groups.reshape(-1, *groups.shape[2:])


def _has(have: Rows, rows: Rows) -> bool:
    return have.start <= rows.start and rows.stop <= have.stop
