"""Running one block of a pass. Both engines do it with this, so both give the same bits."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from sharedcompute.engines.units.work import Deliver
from sharedcompute.events import BlockDone, StateTaken
from sharedcompute.hdf5.format.marks import block_crc
from sharedcompute.kernels.cache import protect
from sharedcompute.operations.reductions.accumulator import Accumulator
from sharedcompute.operations.specs import Array, ArraySpec, State
from sharedcompute.operations.stages import Stage, is_ours
from sharedcompute.plan.in_memory import ArrayWriter
from sharedcompute.plan.passes import BlockCarry, Pass, Store
from sharedcompute.rows import CONSTANT, Rows, extension, row_runs
from sharedcompute.validation.kernels import check_returned, check_written


def accumulators(work: Pass, states: list[State], rank: int) -> list[tuple[int, Accumulator]]:
    """What adds up the rows of each tally of a pass, with the depth at which it looks."""
    pairs = zip(work.tallies, states, strict=True)
    return [(depth, Accumulator(tally, state, rank)) for (depth, tally), state in pairs]


class Scratch:
    """Private buffers that are used again: fresh memory costs a page fault each 4 KiB."""

    def __init__(self) -> None:
        self._buffers: dict[Any, Array] = {}

    def take(self, key: Any, rows: int, spec: ArraySpec) -> Array:
        """An uninitialised array of `rows` rows of `spec`; the last one under `key` is gone."""
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
        self.depth = keep.depth
        self.writer = keep.target.open()
        self.array = self.writer.array if isinstance(self.writer, ArrayWriter) else None
        self.stored_dtype = getattr(keep.sink, "stored_dtype", None)
        self.crc = 0

    def write(self, start: int, rows: Array) -> Sequence[Any]:
        """Write rows, and add them to the checksum."""
        self.check(rows)
        return self.writer.write(start, rows)

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
    accumulators : sequence of (int, Accumulator)
        What rows are added to, with the depth at which it looks.
    deliver : callable
        Takes what a sink's writer could not write itself.
    rank : int
        Of this thread, among those of all processes.
    """

    def __init__(
        self,
        work: Pass,
        accumulators: Sequence[tuple[int, Any]],
        deliver: Deliver,
        rank: int = 0,
    ) -> None:
        self._work = work
        self._deliver = deliver
        self._rank = rank
        self._rows_in_all = work.source.shape[0]
        self._scratch = Scratch()
        self._clock = _Clock()
        self._latest: dict[int, tuple[Rows, Array]] = {}
        self._accumulators = accumulators
        self._top = max([0] + [k.depth for k in work.stores] + [d for d, _ in accumulators])
        self._kept = [_Kept(i, keep) for i, keep in enumerate(work.stores)]
        at_top = [k for k in self._kept if k.depth == self._top and k.array is not None]
        self._direct = at_top[0] if at_top and self._top > 0 else None
        for kernel in (
            *(s.kernel for s in work.stages),
            *(t.partial.kernel for _, t in work.tallies),
        ):
            protect(kernel)
        self._reader = work.source.open()
        self._carries: dict[int, Array] = {}
        self._strip = Rows(0, 0)
        self._block = 0
        self._since: list[int] = []
        self._unseen = {i for i, s in enumerate(work.stages) if not is_ours(s.kernel)}

    def take(self) -> StateTaken | None:
        """What the blocks since the last time were reduced to, where that is kept by worker."""
        exact = [accumulator for _, accumulator in self._accumulators if accumulator.exact]
        if not exact or not self._since:
            return None
        taken = StateTaken(
            self._rank, tuple(self._since), tuple(accumulator.take() for accumulator in exact)
        )
        self._since = []
        return taken

    def finish(self) -> None:
        """Leave in the states what all blocks added up to."""
        for _, accumulator in self._accumulators:
            accumulator.finish()

    def close(self) -> None:
        """Close what was opened."""
        self._latest.clear()
        for kept in self._kept:
            kept.writer.close()
        self._reader.close()

    def run(self, block: int) -> BlockDone:
        """Read, compute, reduce and write one block."""
        began = time.monotonic()
        self._clock = _Clock()
        rows = self._work.blocks[block]
        self._begin(block)
        for start in range(rows.start, rows.stop, self._work.strip):
            self._run_strip(Rows(start, min(start + self._work.strip, rows.stop)))
        for _, accumulator in self._accumulators:
            accumulator.end()
        self._since.append(block)
        clock = self._clock
        return BlockDone(
            self._rank,
            block,
            *rows,
            self._work.block_nbytes(block),
            began,
            clock.read,
            time.monotonic() - began - clock.read - clock.write,
            clock.write,
            tuple(kept.crc for kept in self._kept),
        )

    def rows_at(self, depth: int, rows: Rows) -> Array:
        """Rows after the first `depth` stages, whatever blocks they are of."""
        self._latest.clear()
        return self._rows(depth, rows)

    def _begin(self, block: int) -> None:
        self._block = block
        for _, accumulator in self._accumulators:
            accumulator.begin(block)
        for kept in self._kept:
            kept.crc = 0
        for i, stage in enumerate(self._work.stages):
            for argument in stage.args:
                if isinstance(argument, BlockCarry):
                    self._carries[i] = argument.values[block].copy()

    def _run_strip(self, strip: Rows) -> None:
        self._latest.clear()
        self._strip = strip
        self._rows(self._top, strip)
        for depth, accumulator in self._accumulators:
            accumulator.add(self._at(depth, strip), strip.start)
        for kept in self._kept:
            rows = self._at(kept.depth, strip)
            if kept is self._direct:
                kept.check(rows)
                continue
            began = time.monotonic()
            chunks = kept.write(strip.start, rows)
            if chunks:
                self._deliver(self._block, kept.number, chunks)
            self._clock.write += time.monotonic() - began

    def _at(self, depth: int, strip: Rows) -> Array:
        """Rows at a depth that the way to the top passed, perhaps with a halo around them."""
        have = self._latest.get(depth)
        if have is not None and have[0].start <= strip.start and strip.stop <= have[0].stop:
            first = strip.start - have[0].start
            return have[1][first : first + strip.size]
        return self._rows(depth, strip)

    def _rows(self, depth: int, rows: Rows) -> Array:
        """Rows after the first `depth` stages."""
        if depth == 0:
            began = time.monotonic()
            out = self._reader.read(*rows)
            self._clock.read += time.monotonic() - began
        else:
            stage = self._work.stages[depth - 1]
            x = (
                self._extended(depth - 1, rows, stage)
                if stage.halo
                else self._rows(depth - 1, rows)
            )
            out = self._target(depth, rows)
            self._call(depth - 1, stage, x, out, first=rows.start == 0)
            out = out.view()
            out.flags.writeable = False
        self._latest[depth] = (rows, out)
        return out

    def _extended(self, depth: int, rows: Rows, stage: Stage) -> Array:
        """Rows with the halo of `stage`, made up where it reaches over an edge."""
        lo, hi = rows.start - stage.halo, rows.stop + stage.halo
        if lo >= 0 and hi <= self._rows_in_all:
            return self._rows(depth, Rows(lo, hi))
        at = extension(lo, hi, self._rows_in_all, stage.mode)
        out = self._scratch.take(("extended", depth), hi - lo, self._work.spec(depth))
        for where, run in row_runs(at):
            # "clip": with "raise" NumPy goes through a second buffer, and all rows are inside.
            np.take(self._rows(depth, run), at[where] - run.start, 0, out[where], mode="clip")
        out[at == CONSTANT] = stage.cval
        out.flags.writeable = False
        return out

    def _target(self, depth: int, rows: Rows) -> Array:
        """Where a stage writes: into the array that keeps it where it can."""
        if self._direct is not None and depth == self._top and rows == self._strip:
            assert self._direct.array is not None
            return self._direct.array[rows.start : rows.stop]
        return self._scratch.take(depth, rows.size, self._work.spec(depth))

    def _call(self, index: int, stage: Stage, x: Array, out: Array, first: bool) -> None:
        args = tuple(self._carries[index] if isinstance(a, BlockCarry) else a for a in stage.args)
        if stage.matrix:
            given, made = (self._work.spec(i).row_size for i in (index, index + 1))
            x, out = x.reshape(len(x), given), out.reshape(len(out), made)
        if not is_ours(stage.kernel):
            # As a kernel may add up there; and never what stood in this memory before.
            out[...] = 0
        returned: Any = stage.kernel(x, out, *args)  # type: ignore[func-returns-value]
        check_returned(returned, out, stage.label)
        # The first rows of all: whoever has these, in whatever engine, gives the same judgement.
        if first and index in self._unseen:
            self._unseen.remove(index)
            check_written(stage.kernel, x, out, args, stage.halo, stage.label)
