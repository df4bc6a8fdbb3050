"""Rows of chunked datasets, read past the HDF5 library: its lock, its cache and its copies.

HDF5 says where the chunks lie; their bytes are read with `os.preadv` and decoded here, each chunk
straight into its place where that is possible.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
from h5py import h5d
from numpy.typing import NDArray

from sharedcompute.errors import DecodeError, InputError
from sharedcompute.hdf5.filters.codec import Bytes
from sharedcompute.hdf5.filters.decode import Decoder, decodes
from sharedcompute.hdf5.format.chunks import (
    ChunkGrid,
    ChunkLocations,
    Ints,
    contiguous_runs,
)
from sharedcompute.hdf5.reading.kept_rows import KeptRows
from sharedcompute.hdf5.reading.listed import listed
from sharedcompute.hdf5.reading.row_reader import (
    Layout,
    ReadAhead,
    StoredReader,
    read_only,
)
from sharedcompute.hdf5.reading.scratch import RUN_NBYTES
from sharedcompute.hdf5.reading.stored import Stored, stored_element
from sharedcompute.hdf5.window import Steps

FILL_NBYTES = 64 << 20
"""Bytes that are read at once into their places."""


class ChunkReader(StoredReader):
    """Raw chunks, decoded in this process."""

    name = "chunks"

    @staticmethod
    def verdict(layout: Layout) -> tuple[bool, str]:
        """Accept chunks of a plain type, with filters that are decoded here."""
        refusal = _refusal(layout)
        return (False, refusal) if refusal else decodes(layout.filters)

    def __init__(self, source: Stored) -> None:
        assert source.chunks is not None
        self._source = source
        self._grid = ChunkGrid(source.shape, source.chunks)
        self._index, stored = listed(source.file, source.path, self._grid)
        self._chunk = np.empty(source.chunks, stored_element(source))
        self._elements = self._chunk if source.member is None else self._chunk["member"]
        self._decoder = Decoder(stored, self._chunk.itemsize, self._chunk.nbytes)
        self._kept = KeptRows(source, self._whole_chunks, self.read_box)
        self._file = _File(source.file)
        self._check_length()

    def read(self, start: int, stop: int) -> NDArray[Any]:
        """Return rows ``[start, stop)`` in this reader's buffer."""
        self._file.check_open()
        start, stop, _ = slice(start, stop).indices(self._source.shape[0])
        return read_only(self._kept.rows(start, max(start, stop)))

    def _whole_chunks(self, start: int, stop: int) -> tuple[int, int]:
        step = self._chunk.shape[0]
        return start // step * step, min(-(-stop // step) * step, self._source.shape[0])

    def read_box(self, corner: tuple[int, ...], out: NDArray[Any], steps: Steps = ()) -> None:
        """Fill `out` with the box of its shape that begins at `corner`."""
        self._file.check_open()
        if not out.size:
            return
        if any(step != 1 for step in steps):
            self._fill_pieces(corner, out, steps)
            return
        stack = self._stack(corner, out)
        if len(stack):
            self._fill_stack(corner[0] // self._chunk.shape[0], stack)
        done = len(stack) * self._chunk.shape[0]
        if done < len(out):
            self._fill_pieces((corner[0] + done, *corner[1:]), out[done:])

    def stores(self, corner: tuple[int, ...], shape: tuple[int, ...]) -> bool:
        """Return whether any chunk of a box was ever written."""
        numbers = [piece.number for piece in self._grid.pieces(corner, shape)]
        return bool(self._index.places(np.array(numbers, np.int64)).size.any())

    def close(self) -> None:
        """Close the file and drop the buffers."""
        self._file.close()
        self._kept.drop()

    def _stack(self, corner: tuple[int, ...], out: NDArray[Any]) -> Bytes:
        """Return the whole chunks that `out` begins with, as an array of shape (chunks, bytes).

        There are some where a chunk is so many rows with all columns: the common case, and with
        chunks of 4 KB the time is in what is done for each of them.
        """
        step, nbytes = self._chunk.shape[0], self._chunk.nbytes
        whole = self._chunk.shape[1:] == self._source.shape[1:] == out.shape[1:]
        if not whole or corner[0] % step or out.dtype != self._chunk.dtype or not _flat(out):
            return np.empty((0, nbytes), np.uint8)
        count = len(out) // step
        return out[: count * step].reshape(-1).view(np.uint8).reshape(count, nbytes)

    def _fill_stack(self, first: int, stack: Bytes) -> None:
        """Fill `stack` with the chunks from number `first` on."""
        places = self._index.places(np.arange(first, first + len(stack)))
        order = places.in_file_order()
        for i, mask, data in self._file.chunks(places, order):
            self._decode(first + i, mask, data, stack[i])
        self._fill_missing(places, stack.view(self._chunk.dtype).__getitem__)

    def _fill_pieces(self, corner: tuple[int, ...], out: NDArray[Any], steps: Steps = ()) -> None:
        """Fill `out` with what each chunk has of it."""
        pieces = list(self._grid.pieces(corner, out.shape, steps))
        places = self._index.places(np.array([piece.number for piece in pieces], np.int64))
        for i, mask, data in self._file.chunks(places, places.in_file_order()):
            piece = pieces[i]
            part = out[piece.inside]
            if part.shape == self._chunk.shape and part.dtype == self._chunk.dtype and _flat(part):
                self._decode(piece.number, mask, data, part.reshape(-1).view(np.uint8))
            else:
                self._decode(piece.number, mask, data, self._chunk.reshape(-1).view(np.uint8))
                np.copyto(part, self._elements[piece.of_chunk])
        self._fill_missing(places, lambda i: out[pieces[i].inside])

    def _fill_missing(self, places: ChunkLocations, part: Callable[[int], NDArray[Any]]) -> None:
        """Put the fill value where chunks were never written."""
        fill = self._source.fill.shown
        for i in np.flatnonzero(places.size == 0).tolist():
            part(i)[...] = 0 if fill is None else fill

    def _decode(self, number: int, mask: int, data: memoryview, into: Bytes) -> None:
        try:
            self._decoder.decode(data, mask, into)
        except DecodeError as problem:
            raise self._damaged(number, str(problem)) from None

    def _damaged(self, number: int, problem: str) -> InputError:
        return InputError(
            f"expected a whole chunk at {self._grid.corner(number)} of {self._source}, {problem}; "
            "copy the file again from where it came"
        )

    def _check_length(self) -> None:
        """Refuse a file that ends before its chunks do."""
        need, size = self._index.end, self._file.size
        if need > size:
            self._file.close()
            raise InputError(
                f"expected at least {need} bytes in {self._source.file} for {self._source.path}, "
                f"it has {size}: it is cut short; copy it again from where it came"
            )


class PlainChunkReader(ChunkReader):
    """Chunks without filters: read straight into their places."""

    name = "preadv"

    @staticmethod
    def verdict(layout: Layout) -> tuple[bool, str]:
        """Accept chunks of a plain type, stored as they are."""
        refusal = _refusal(layout) or ("filtered" if layout.filters else "")
        return not refusal, refusal or "chunks without filters"

    def _fill_stack(self, first: int, stack: Bytes) -> None:
        """Read chunks that follow each other both in the file and in `stack` at once."""
        places = self._index.places(np.arange(first, first + len(stack)))
        order = places.in_file_order()
        self._check_sizes(first, places, order)
        starts = places.offset[order]
        after = starts + places.size[order]
        for run in contiguous_runs(starts, after, FILL_NBYTES, np.diff(order) == 1):
            begin = int(order[run.start])
            part = stack[begin : begin + run.stop - run.start].reshape(-1)
            self._file.fill(part.data, int(starts[run.start]))
            self._file.ahead.after(int(after[run.stop - 1]))
        self._fill_missing(places, stack.view(self._chunk.dtype).__getitem__)

    def _check_sizes(self, first: int, places: ChunkLocations, order: Ints) -> None:
        for i in order[places.size[order] != self._chunk.nbytes][:1].tolist():
            problem = f"its {places.size[i]} bytes are not {self._chunk.nbytes}"
            raise self._damaged(first + i, problem)


def _refusal(layout: Layout) -> str:
    """Return why chunks cannot be read past HDF5; empty where they can."""
    if layout.storage != "chunked":
        return layout.storage
    if not layout.plain:
        return "its stored type needs conversion"
    if not hasattr(h5d.DatasetID, "chunk_iter"):
        return "this HDF5 library does not tell where chunks lie"
    return ""


def _flat(array: NDArray[Any]) -> bool:
    return bool(array.flags.c_contiguous)


class _File:
    """A file's bytes, past HDF5."""

    def __init__(self, file: str) -> None:
        self._name = file
        self._fd = os.open(file, os.O_RDONLY | os.O_CLOEXEC)
        self.size = os.fstat(self._fd).st_size
        self._raw: Bytes = np.empty(0, np.uint8)
        self.ahead = ReadAhead(self._fd)

    def check_open(self) -> None:
        if self._fd < 0:
            raise ValueError("expected an open reader, got a closed one; open the source again")

    def chunks(self, places: ChunkLocations, order: Ints) -> Iterator[tuple[int, int, memoryview]]:
        """Yield chunk, mask and stored bytes, valid until the next; neighbours are read at once."""
        first = places.offset[order]
        after = first + places.size[order]
        for run in contiguous_runs(first, after, RUN_NBYTES):
            begin, end = int(first[run.start]), int(after[run.stop - 1])
            if self._raw.size < end - begin:
                self._raw = np.empty(end - begin, np.uint8)
            raw = self._raw[: end - begin].data
            self.fill(raw, begin)
            self.ahead.after(end)
            masks = places.mask[order[run]].tolist()
            edges = zip((first[run] - begin).tolist(), (after[run] - begin).tolist(), strict=True)
            for i, mask, (a, b) in zip(order[run].tolist(), masks, edges, strict=True):
                yield i, mask, raw[a:b]

    def fill(self, left: memoryview, offset: int) -> None:
        """Read as many bytes as `left` has room for, from `offset` on."""
        while left:
            count = os.preadv(self._fd, [left], offset)
            if not count:
                raise InputError(
                    f"expected {len(left)} more bytes at byte {offset} of {self._name}, it has "
                    "become shorter while it was read; run the job again when it is whole"
                )
            left, offset = left[count:], offset + count

    def close(self) -> None:
        if self._fd >= 0:
            os.close(self._fd)
        self._fd = -1
        self._raw = np.empty(0, np.uint8)
