"""Taking over what runs before this one have kept of a section: rows and chunks of the output.

HDF5's index of a file that a killed job has left is not to be trusted, and where chunks lie was not
noted as they were stored: to ask HDF5 takes a time that grows with the file (it walks the index).
But what HDF5 hands out depends on nothing but the calls before, so chunks of the same lengths,
stored in the same order in a new file, get the places that they had in the old one. The checksum of
each tells whether that is so.
"""

from __future__ import annotations

import contextlib
import itertools
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import IO, Any

import deflate
import numpy as np

from sharedcompute.engines.durability.in_order import InOrder, checksum
from sharedcompute.engines.durability.journal import Record
from sharedcompute.engines.durability.runs import Run
from sharedcompute.engines.durability.sections import Section
from sharedcompute.hdf5.format.chunks import Sides
from sharedcompute.hdf5.safety.ownership import is_own, open_to_read
from sharedcompute.hdf5.writing.chunked import ChunkTarget
from sharedcompute.hdf5.writing.row_writer import ContiguousTarget, EncodedChunk
from sharedcompute.hdf5.writing.sink import Created
from sharedcompute.operations.specs import Array
from sharedcompute.rows import Rows

Places = dict[tuple[int, ...], int]
"""Where chunks lie in a file, by their offsets in the dataset."""

Kept = tuple[Run, Record]
Note = tuple[int, int, int, int, list[int], *tuple[int, ...]]
"""Of a chunk: number, mask, length, checksum, offset, and where it waits; a list in JSON."""

Box = Sides
"""The part of a dataset that a unit of work is."""


def restore(
    section: Section,
    created: Sequence[Created],
    order: InOrder,
    box_of: Callable[[int, int], Box],
    *,
    sparse: bool = False,
) -> dict[int, tuple[int, ...]]:
    """Take over the blocks that were kept, and return their checksums.

    Parameters
    ----------
    created : sequence of Created
        The datasets of the section, as they stand in this run's file.
    order : InOrder
        Stores what is not in this run's file.
    box_of : callable
        ``box_of(block, number)``: the part of a dataset that a block is: its rows at least, and all
        of axes not named.
    sparse : bool
        Chunks of a block may be missing: nothing was written to the input's.
    """
    kept: dict[int, list[Kept]] = {}
    for run, record in section.found("kept"):
        if _is_whole(record, box_of, created, sparse):
            kept.setdefault(record["kept"], []).append((run, record))
    if not kept:
        return {}
    laid_out = [] if section.goes_on else [pair for pairs in kept.values() for pair in pairs]
    _lay_out([(run, r) for run, r in laid_out if r["where"] == "output"], section, created)
    found = {}
    places = [_places(made) for made in created]
    with contextlib.closing(_Files(places)) as files:
        for block in sorted(kept):
            for run, record in kept[block]:
                if _take_over(run, record, box_of, section, created, order, files):
                    found[block] = tuple(record["crcs"])
                    break
    _spoil([record for _, record in laid_out if record["kept"] not in found], created, places)
    return found


def _spoil(records: Sequence[Record], created: Sequence[Created], places: Sequence[Places]) -> None:
    """Give chunks that were laid out, and lost, another length than they will have.

    Where a chunk is stored again in its length HDF5 leaves the mask of its filters as it was
    (2.0), and that came from a note which is not to be believed.
    """
    for record in records:
        notes: list[Note] = record["chunks"]
        for number, _, _, _, offset, *_ in notes:
            if created[number].sink.filters and tuple(offset) in places[number]:
                created[number].store([EncodedChunk(tuple(offset), 0, bytes(1))])


def _take_over(
    run: Run,
    record: Record,
    box_of: Callable[[int, int], Box],
    section: Section,
    created: Sequence[Created],
    order: InOrder,
    files: _Files,
) -> bool:
    """Take over a block if it is whole."""
    block: int = record["kept"]
    crcs: tuple[int, ...] = tuple(record["crcs"])
    notes: list[Note] = record["chunks"]
    where: str = record["where"]
    chunks = [(note[0], files.chunk(run, where, note)) for note in notes]
    plain = []
    for number, (made, crc) in enumerate(zip(created, crcs, strict=False)):
        if isinstance(made.target, ContiguousTarget) and made.target.offset is not None:
            side = box_of(block, number)[0]
            data = files.rows(run, made.target, Rows(side.start, side.stop), crc)
            plain.append((made.target, side.start, data))
    if any(last is None for *_, last in (*chunks, *plain)):
        return False
    # A run that goes on in the files of the last one may find blocks in those of an older one too.
    here = run.number == section.run.number
    if here and where == "output":
        order.present(block)
        return True
    for target, start, data in plain if not here else ():
        assert data is not None
        with target.open() as writer:
            writer.write(start, data)
    for number, chunk in chunks:
        assert chunk is not None
        order.add(block, number, [chunk])
    order.done(block, crcs)
    return True


def _is_whole(
    record: Record,
    box_of: Callable[[int, int], Box],
    created: Sequence[Created],
    sparse: bool,
) -> bool:
    """Return whether a note is of all that a block leaves, and of nothing else."""
    if record["crcs"] and len(record["crcs"]) != len(created):
        return False
    notes: list[Note] = record["chunks"]
    boxes = [box_of(record["kept"], number) for number in range(max(1, len(created)))]
    noted = [(note[0], tuple(note[4])) for note in notes]
    wanted: list[tuple[int, tuple[int, ...]]] = []
    for number, made in enumerate(created):
        if isinstance(made.target, ChunkTarget):
            box = boxes[number]
            here: Box = (*box, *(slice(0, n) for n in made.target.shape[len(box) :]))
            sides = zip(here, made.target.chunks, strict=True)
            corners = itertools.product(*(range(s.start, s.stop, c) for s, c in sides))
            wanted += [(number, corner) for corner in corners]
        elif not record["crcs"]:
            return False
    if sparse:
        return len(set(noted)) == len(noted) and set(noted) <= set(wanted)
    return sorted(noted) == sorted(wanted)


def _lay_out(kept: Sequence[Kept], section: Section, created: Sequence[Created]) -> None:
    """Store chunks of the lengths that were stored, in the same order."""
    counts = Counter(run.number for run, _ in kept)
    if not counts:
        return
    number = max(counts, key=lambda each: counts[each])
    blocks = {id(record) for run, record in kept if run.number == number}
    found = [(run, r) for run, r in section.found("kept") if id(r) in blocks]
    for run, record in reversed(found):
        size = run.output.lstat().st_size if is_own(run.output) else 0
        notes: list[Note] = record["chunks"]
        for made, mask, length, _, offset, *_ in notes:
            if not 0 <= length <= size:
                return  # it was cut short: nothing gets the place that it had
            created[made].store([EncodedChunk(tuple(offset), mask, bytes(length))])


def _places(made: Created) -> Places:
    places: Places = {}
    if isinstance(made.target, ChunkTarget):

        def note(info: Any) -> None:
            places[tuple(info.chunk_offset)] = info.byte_offset

        made.dataset.id.chunk_iter(note)
    return places


class _Files:
    """The files that runs have left, opened once.

    Parameters
    ----------
    places : sequence of dict
        Where the chunks of each dataset lie.
    """

    def __init__(self, places: Sequence[Places]) -> None:
        self._places = places
        self._files: dict[Path, IO[bytes] | None] = {}

    def chunk(self, run: Run, where: str, note: Note) -> EncodedChunk | None:
        """Read an encoded chunk; None where it is not what was noted."""
        number, mask, length, crc, offset, *position = note
        if where == "waiting":
            data = self._read(run.waiting, position[0], length)
        else:
            place = self._places[number].get(tuple(offset))
            data = None if place is None else self._read(run.output, place, length)
        if data is None:
            return None
        found = EncodedChunk(tuple(offset), mask, data)
        return found if checksum(number, found) == crc else None

    def rows(self, run: Run, target: ContiguousTarget, rows: Rows, crc: int) -> Array | None:
        """Read rows of a contiguous dataset; None where they are not what was noted."""
        assert target.offset is not None
        row = int(np.prod(target.shape[1:], dtype=np.int64)) * target.stored_dtype.itemsize
        place = target.offset + rows.start * row
        data = self._read(run.output, place, rows.size * row)
        if data is None or deflate.crc32(data) != crc:
            return None
        return np.frombuffer(data, target.stored_dtype).reshape(rows.size, *target.shape[1:])

    def _read(self, path: Path, place: int, length: int) -> bytes | None:
        if path not in self._files:
            self._files[path] = open_to_read(path)
        file = self._files[path]
        if file is None:
            return None
        file.seek(place)
        data = file.read(length)
        return data if len(data) == length else None

    def close(self) -> None:
        """Close all files."""
        for file in self._files.values():
            if file is not None:
                file.close()
