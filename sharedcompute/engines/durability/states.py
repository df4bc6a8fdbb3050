"""The states of a pass's reductions, saved now and then, and found again by a later run."""

from __future__ import annotations

import json
import os
import time

import deflate
import numpy as np

from sharedcompute.engines.durability.runs import Run
from sharedcompute.engines.durability.sections import Section
from sharedcompute.engines.engine import TAKE_SECONDS, Work
from sharedcompute.events import BlockDone, Event, StateTaken
from sharedcompute.hdf5.safety.ownership import open_own, open_to_read
from sharedcompute.hdf5.writing.row_writer import write_all
from sharedcompute.operations.specs import Array, State
from sharedcompute.system import faults
from sharedcompute.system.shortage import full_disk_named

Ranges = list[list[int]]
"""Half-open ranges of blocks, as a record has them."""

SMALL_NBYTES = 1 << 16
"""A state up to here is written as soon as its block is done: that takes 20 us."""


class SavedStates:
    """Saves the states of blocks that are done.

    Those of single blocks have a place each in the file. What was taken over from workers is one
    state, which is written to two places by turns: one of them is always whole.

    Parameters
    ----------
    section : Section
        Takes the notes.
    work : Work
    """

    def __init__(self, section: Section, work: Work) -> None:
        self._section = section
        self._work = work
        self._each = [_fields(s) for t, s in work.reduced if not t.exact]
        self._exact = [(t, s) for t, s in work.reduced if t.exact]
        self._taken = [_fields(s) for _, s in self._exact]
        self._end = len(work) * _nbytes(self._each)
        self._pending: set[int] = set()
        self._blocks: set[int] = set()
        self._dirty = False
        self._whole = True
        self._turn = 0
        self._fd = -1
        self._saved = time.monotonic()

    def note(self, event: Event) -> None:
        """Note what is done."""
        if isinstance(event, BlockDone) and self._each:
            self._pending.add(event.block)

    def take(self, event: StateTaken) -> None:
        """Add up what was taken over from a worker, and note it."""
        # A signal may come in between: a state is not saved then that has more than is noted.
        self._whole = False
        self._work.fold(event.states)
        self._blocks.update(event.blocks)
        self._dirty = self._whole = True

    @property
    def due(self) -> bool:
        """Whether it is time to save: at once where states are small."""
        if self._pending and _nbytes(self._each) <= SMALL_NBYTES:
            return True
        waits = self._dirty or bool(self._pending)
        return waits and time.monotonic() > self._saved + TAKE_SECONDS

    def save(self) -> None:
        """Write all states that are not in the file, and note them."""
        if self._pending:
            notes = [
                [n, self._write(self._each, n, n * _nbytes(self._each))] for n in self._pending
            ]
            self._section.append(states=notes)
            self._pending = set()
        if self._dirty and self._whole:
            place = self._end + self._turn * _nbytes(self._taken)
            ranges = _ranges(self._blocks)
            crc = self._write(self._taken, -2, place, ranges)
            self._section.append(taken=ranges, place=place, crc=crc)
            self._turn = 1 - self._turn
            self._dirty = False
        self._saved = time.monotonic()

    def restore(self, kept: set[int] | None) -> set[int]:
        """Read back what runs before have left; return the blocks that need not be done again.

        Parameters
        ----------
        kept : set of int or None
            The blocks whose rows are in the output; None where no rows are kept.
        """
        done: set[int] | None = kept
        if self._each:
            each = self._restore_each()
            done = each if done is None else done & each
        if self._taken:
            taken = self._restore_taken()
            # What a state holds cannot be taken out again: it is of use as a whole or not at all.
            if done is not None and not taken <= done:
                taken = set()
                self._forget()
            done = self._blocks = taken
        if not self._section.goes_on:
            self._pending = set(done or ()) if self._each else set()
            self._dirty = bool(self._blocks)
        return set(done or ())

    def close(self) -> None:
        """Close the file."""
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1

    def _restore_each(self) -> set[int]:
        found: set[int] = set()
        size = _nbytes(self._each)
        for run, record in self._section.found("states"):
            noted: list[tuple[int, int]] = record["states"]
            for block, crc in noted:
                place = block * size
                if block not in found and self._read(run, self._each, block, place, crc):
                    found.add(block)
        return found

    def _restore_taken(self) -> set[int]:
        for run, record in self._section.found("taken"):
            place: int = record["place"]
            blocks: Ranges = record["taken"]
            if self._read(run, self._taken, -2, place, record["crc"], blocks):
                self._turn = int(place == self._end)
                return {n for first, end in blocks for n in range(first, end)}
        return set()

    def _forget(self) -> None:
        for tally, state in self._exact:
            tally.reset({name: field.view(np.ndarray)[-2] for name, field in state.items()})

    def _write(
        self, states: list[list[Array]], slot: int, place: int, blocks: Ranges | None = None
    ) -> int:
        """Write the states of a slot; return the checksum of them and of their blocks."""
        path = self._section.run.states(self._section.name)
        if self._fd < 0:
            self._fd = open_own(path, os.O_RDWR)
        data = b"".join(field[slot].tobytes() for fields in states for field in fields)
        faults.point("states.write")
        with full_disk_named(str(path)):
            write_all(self._fd, memoryview(data), place, str(path))
        return _checksum(data, blocks)

    def _read(
        self,
        run: Run,
        states: list[list[Array]],
        slot: int,
        place: int,
        crc: int,
        blocks: Ranges | None = None,
    ) -> bool:
        """Read the states of a slot; return whether they are what was noted."""
        path = run.states(self._section.name)
        file = open_to_read(path)
        if file is None:
            return False
        with file:
            file.seek(place)
            data = file.read(_nbytes(states))
        if _checksum(data, blocks) != crc:
            return False
        at = 0
        for field in (field for fields in states for field in fields):
            size: int = field[slot].nbytes
            field[slot] = np.frombuffer(data[at : at + size], field.dtype)
            at += size
        return True


def _checksum(data: bytes, blocks: Ranges | None) -> int:
    return int(deflate.crc32(data, deflate.crc32(json.dumps(blocks).encode())))


def _fields(state: State) -> list[Array]:
    return [field.view(np.ndarray) for field in state.values()]


def _nbytes(states: list[list[Array]]) -> int:
    """Return the bytes of one slot."""
    return sum(field[0].nbytes for fields in states for field in fields)


def _ranges(numbers: set[int]) -> Ranges:
    """Return numbers as half-open ranges."""
    found: Ranges = []
    for number in sorted(numbers):
        if found and found[-1][1] == number:
            found[-1][1] += 1
        else:
            found.append([number, number + 1])
    return found
