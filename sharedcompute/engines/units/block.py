"""Running one block of a pass. All engines do it with this, so all give the same bits."""

from __future__ import annotations

import time
from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from sharedcompute.engines.engine import Deliver, Left
from sharedcompute.engines.units.ports import Ported
from sharedcompute.events import BlockDone, StateTaken
from sharedcompute.hdf5.format.marks import block_crc
from sharedcompute.hdf5.writing.row_writer import EncodedChunk
from sharedcompute.kernels.cache import protect
from sharedcompute.operations.specs import Array, ArraySpec, DType
from sharedcompute.operations.stages import Stage, is_ours
from sharedcompute.planning.in_memory import ArrayWriter
from sharedcompute.planning.passes import BlockCarry, Pass, Store
from sharedcompute.rows import CONSTANT, Rows, extension, row_runs
from sharedcompute.validation.kernels import check_returned, check_written


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
        self.depth = keep.depth
        self.writer = keep.target.open()
        self.array = self.writer if isinstance(self.writer, ArrayWriter) else None
        self.stored_dtype: DType | None = getattr(keep.sink, "stored_dtype", None)
        self.crc = 0

    def begin(self, rows: Rows) -> None:
        """Begin a block."""
        self.crc = 0
        if self.array is not None:
            self.array.begin((slice(*rows),))

    def write(self, start: int, rows: Array) -> Sequence[EncodedChunk]:
        """Write rows, and add them to the checksum."""
        self.check(rows)
        return self.writer.write(start, rows)

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
        Take the rows of their depths.
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
        self._rows_in_all = work.source.shape[0]
        self._scratch = Scratch()
        self._clock = _Clock()
        self._latest: dict[int, tuple[Rows, Array]] = {}
        self._ports = ports
        self._top = max([0] + [k.depth for k in work.stores] + [d for d, _ in ports])
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
        self._reader.close()

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
        )

    def _event(self, block: int, rows: Rows, began: float) -> BlockDone:
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
        """Return rows after the first `depth` stages, whatever blocks they are of."""
        self._latest.clear()
        return self._rows(depth, rows)

    def _begin(self, block: int) -> None:
        self._block = block
        for _, port in self._ports:
            port.begin(block)
        for kept in self._kept:
            kept.begin(self._work.blocks[block])
        for i, stage in enumerate(self._work.stages):
            argument: object
            for argument in stage.args:
                if isinstance(argument, BlockCarry):
                    self._carries[i] = argument.values[block].copy()

    def _run_strip(self, strip: Rows) -> None:
        self._latest.clear()
        self._strip = strip
        self._rows(self._top, strip)
        for depth, port in self._ports:
            port.add(self._at(depth, strip), strip.start)
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
        """Return rows at a depth that the way to the top passed, perhaps with a halo around."""
        have = self._latest.get(depth)
        if have is not None and have[0].start <= strip.start and strip.stop <= have[0].stop:
            first = strip.start - have[0].start
            return have[1][first : first + strip.size]
        return self._rows(depth, strip)

    def _rows(self, depth: int, rows: Rows) -> Array:
        """Return rows after the first `depth` stages."""
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
        """Return rows with the halo of `stage`, made up where it reaches over an edge."""
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
        """Return the place that a stage writes to: in the array that keeps it, where it can."""
        if self._direct is not None and depth == self._top and rows == self._strip:
            assert self._direct.array is not None
            return self._direct.array.place(*rows)
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
        # The first rows of all: whichever runner has these, on any engine, judges the same.
        if first and index in self._unseen:
            self._unseen.remove(index)
            check_written(stage.kernel, x, out, args, stage.halo, stage.label)
