"""Running one block of a pass. Both engines do it with this, so both give the same bits."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from sharedcompute.arrays import check_returned
from sharedcompute.engines.work import Deliver, warm_up_coding
from sharedcompute.events import BlockDone, StateTaken
from sharedcompute.hdf5.chunk_writer import ChunkTarget
from sharedcompute.hdf5.provenance import block_crc
from sharedcompute.kernels.cache import protect
from sharedcompute.operations.accumulate import Accumulator
from sharedcompute.operations.base import Array, ArraySpec, Stage, State
from sharedcompute.plan.memory import ArraySource, ArrayWriter
from sharedcompute.plan.passes import BlockCarry, Keep, Pass
from sharedcompute.rows import CONSTANT, Blocks, Rows, extension, runs


@dataclass(frozen=True)
class PassWork:
    """The blocks of a pass.

    Parameters
    ----------
    work : Pass
        With all arguments bound.
    states : list of State
        One for each of the pass's tallies, fields of shape (slots, width).
    """

    work: Pass
    states: list[State]

    @property
    def ordered(self) -> bool:
        """Chunks are stored in the order of their blocks."""
        return any(isinstance(keep.sink, ChunkTarget) for keep in self.work.keeps)

    @property
    def taken(self) -> bool:
        """Where a state belongs to a worker, blocks are done once it is taken over."""
        return any(tally.exact for _, tally in self.work.tallies)

    def fold(self, states: Sequence[State]) -> None:
        """Add what was taken over from a worker."""
        exact = [p for p in zip(self.work.tallies, self.states, strict=True) if p[0][1].exact]
        for ((_, tally), mine), state in zip(exact, states, strict=True):
            tally.fold(mine, state)

    def __len__(self) -> int:
        return len(self.work.blocks)

    def rows(self, number: int) -> Rows:
        """The rows of a block."""
        return self.work.blocks[number]

    def nbytes(self, number: int) -> int:
        """The bytes of a block in the source."""
        return self.work.blocks[number].size * self.work.spec(0).row_bytes

    def warm_up(self) -> None:
        """Compile the kernels of the pass."""
        warm_up_coding(self.work.source, *(keep.sink for keep in self.work.keeps))
        warm_up(self.work)

    def open(self, rank: int, deliver: Deliver) -> BlockRunner:
        """Open source and sinks."""
        return BlockRunner(self.work, accumulators(self.work, self.states, rank), deliver, rank)

    def combine(self, rank: int, size: int) -> None:
        """Combine the states of all blocks, or of all workers."""
        for (_, tally), state in zip(self.work.tallies, self.states, strict=True):
            tally.combine_slots(state, rank, size)


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

    def __init__(self, number: int, keep: Keep) -> None:
        self.number = number
        self.depth = keep.depth
        self.writer = keep.sink.open()
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
    """Runs blocks of a pass, one after the other, in this process.

    Parameters
    ----------
    work : Pass
        With all arguments bound.
    accumulators : sequence of (int, Accumulator)
        What rows are added to, with the depth at which it looks.
    deliver : callable
        Takes what a sink's writer could not write itself.
    rank : int
        Of this process.
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
        self._top = max([0] + [k.depth for k in work.keeps] + [d for d, _ in accumulators])
        self._kept = [_Kept(i, keep) for i, keep in enumerate(work.keeps)]
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
            rows.size * self._work.spec(0).row_bytes,
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
            self._call(depth - 1, stage, x, out)
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
        for where, run in runs(at):
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

    def _call(self, index: int, stage: Stage, x: Array, out: Array) -> None:
        args = tuple(self._carries[index] if isinstance(a, BlockCarry) else a for a in stage.args)
        if stage.matrix:
            given, made = (self._work.spec(i).row_size for i in (index, index + 1))
            x, out = x.reshape(len(x), given), out.reshape(len(out), made)
        if not _is_ours(stage.kernel):
            # What a user's kernel forgets to write is 0, and not what stood in this memory before.
            out[...] = 0
        returned: Any = stage.kernel(x, out, *args)  # type: ignore[func-returns-value]
        check_returned(returned, out, stage.label)


def warm_up(work: Pass) -> None:
    """Compile the kernels of a pass in this process, on one made-up row.

    Then they are in numba's cache when the workers ask: N workers compile nothing, and cannot race.
    """
    stages = tuple(s if _is_cached(s.kernel) else replace(s, kernel=_zeros) for s in work.stages)
    work = replace(work, stages=stages)
    spec = work.spec(0)
    row = ArraySource(np.zeros((1, *spec.shape[1:]), spec.dtype))
    small = replace(work, source=row, keeps=(), blocks=Blocks(1, 1), strip=1)
    if not work.observes:
        small = replace(small, keeps=(Keep(len(work.stages), _Nowhere()),))
    states = [t.states(1, np.empty) for _, t in work.tallies]
    adding = accumulators(small, states, 0)
    runner = BlockRunner(small, adding, lambda _block, _number, _chunks: None)
    # The made-up row need not suit a user's kernel; what is wrong with it, a worker will report.
    try:
        runner.run(0)
        for (_, tally), state in zip(work.tallies, states, strict=True):
            first = {name: s[0] for name, s in state.items()}
            tally.combine(first, {name: s.copy() for name, s in first.items()})
    except Exception:  # noqa: BLE001
        return
    finally:
        runner.close()


def _zeros(_x: Array, out: Array, *_args: Any) -> None:
    """Stands in for a kernel that is not to be called on a made-up row."""
    out[...] = 0


def _is_ours(kernel: Any) -> bool:
    inner = getattr(kernel, "func", kernel)
    return (getattr(inner, "__module__", None) or "").startswith("sharedcompute.")


def _is_cached(kernel: Any) -> bool:
    """Whether workers will find the kernel in numba's cache once it is compiled here.

    Ours are. A user's plain function is not called on rows that are made up.
    """
    inner = getattr(kernel, "func", kernel)
    cache = type(getattr(inner, "_cache", None)).__name__
    return _is_ours(kernel) or cache in ("FunctionCache", "CheckedCache")


class _Nowhere:
    """A sink for the made-up row."""

    row_alignment = 1

    def open(self) -> _Nowhere:
        return self

    def write(self, _start: int, _rows: Array) -> tuple[()]:
        return ()

    def close(self) -> None:
        return
