"""How rows come out of a dataset: what a reader is, and those that need no chunks of ours."""

from __future__ import annotations

import contextlib
import mmap
import os
from abc import ABC, abstractmethod
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, ClassVar, Self

import numpy as np
from h5py import h5d
from numpy.typing import NDArray

from sharedcompute.errors import InputError
from sharedcompute.hdf5.chunk_index import ChunkGrid
from sharedcompute.hdf5.filters import Pipeline, available
from sharedcompute.hdf5.lookup import open_file

if TYPE_CHECKING:
    from sharedcompute.hdf5.source import DatasetSource

AHEAD_NBYTES = 16 << 20
"""Bytes behind the last read that the kernel is asked to fetch, so that a cold disk is kept busy
while rows are decoded and computed with."""

CACHE_LIMIT = 64 << 20
"""Bytes of decoded chunks that an h5py reader keeps at most."""


@dataclass(frozen=True)
class Layout:
    """What decides on a dataset's read path.

    Parameters
    ----------
    storage : str
        ``contiguous``, ``chunked``, ``compact``, ``virtual`` or ``external``.
    plain : bool
        The stored bytes are what NumPy's dtype means in its byte order.
    native : bool
        And that is this machine's.
    offset : int or None
        Bytes from the start of the file, a user block included, to the data of a contiguous
        dataset; None where there are none yet.
    nbytes : int
        Of the whole dataset.
    alignment : int
        That the dtype needs.
    filters : tuple of Filter
        Of its chunks.
    """

    storage: str
    plain: bool
    native: bool
    offset: int | None
    nbytes: int
    alignment: int
    filters: Pipeline = ()


class Reader(ABC):
    """Rows of one dataset, in one process.

    `read` gives an array that is valid until the next `read` or `close`: it may be a buffer that
    is used again.
    """

    name: ClassVar[str]

    @staticmethod
    @abstractmethod
    def verdict(layout: Layout) -> tuple[bool, str]:
        """Whether this path can read such a dataset, and why it can or cannot.

        An empty phrase where it can: for no other reason than that the paths before it cannot.
        """

    @abstractmethod
    def read(self, start: int, stop: int) -> NDArray[Any]:
        """Rows ``[start, stop)``: C-contiguous, native byte order, read-only."""

    def read_box(self, corner: tuple[int, ...], out: NDArray[Any]) -> None:
        """Fill `out`, of native byte order, with the box of its shape that begins at `corner`."""
        rows = self.read(corner[0], corner[0] + len(out))
        rest = zip(corner[1:], out.shape[1:], strict=True)
        np.copyto(out, rows[(slice(None), *(slice(at, at + side) for at, side in rest))])

    @abstractmethod
    def close(self) -> None:
        """Let go of the file. Harmless when done twice."""

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()


class ReadAhead:
    """Announces to the kernel what will be read next, where it is not in memory yet.

    Parameters
    ----------
    fd : int
        The open file; whoever gives it closes it.
    """

    def __init__(self, fd: int) -> None:
        self._fd = fd
        self._size = os.fstat(fd).st_size
        self._until = 0
        self._byte = bytearray(1)

    def after(self, place: int) -> None:
        """Announce what comes behind `place`, half a window at a time and nothing twice."""
        ahead = self._until - place
        if AHEAD_NBYTES // 2 < ahead <= AHEAD_NBYTES or not hasattr(os, "posix_fadvise"):
            return
        first = self._until if 0 < ahead <= AHEAD_NBYTES else place
        self._until = place + AHEAD_NBYTES
        last = min(self._until, self._size)
        if first < last and not self._is_cached(last - 1):
            os.posix_fadvise(self._fd, first, last - first, os.POSIX_FADV_WILLNEED)

    def _is_cached(self, place: int) -> bool:
        """Whether a byte is in memory: to announce a warm file took 15 % of a fast reduction."""
        try:
            os.preadv(self._fd, [self._byte], place, os.RWF_NOWAIT)
        except (OSError, AttributeError):
            # Not there, or a system that cannot tell.
            return False
        return True


def _map_refusal(layout: Layout) -> str:
    """Why the data cannot be mapped as they lie; empty where they can."""
    if layout.storage != "contiguous":
        return layout.storage
    if not layout.plain:
        return "its stored type needs conversion"
    if layout.nbytes == 0:
        return "empty"
    return "never written" if layout.offset is None else ""


class MmapReader(Reader):
    """Rows of a contiguous dataset as views of the file's pages: no copy, no HDF5."""

    name = "mmap"

    @staticmethod
    def verdict(layout: Layout) -> tuple[bool, str]:
        """Contiguous, native, allocated and aligned data can be used where they lie."""
        refusal = _map_refusal(layout)
        if refusal or layout.offset is None:
            return False, refusal
        if not layout.native:
            return False, "big-endian" if np.little_endian else "little-endian"
        # numba compiles a second, slower kernel for arrays that are not aligned.
        if layout.offset % layout.alignment:
            return False, f"its offset {layout.offset} is not aligned"
        return True, "contiguous and in native byte order"

    def __init__(self, source: DatasetSource) -> None:
        assert source.offset is not None
        first = source.offset // mmap.ALLOCATIONGRANULARITY * mmap.ALLOCATIONGRANULARITY
        skipped = source.offset - first
        self._file = Path(source.file).open("rb")  # noqa: SIM115 - see close
        pages = mmap.mmap(
            self._file.fileno(), skipped + source.nbytes, access=mmap.ACCESS_READ, offset=first
        )
        self._ahead = ReadAhead(self._file.fileno())
        self._offset, self._row_nbytes = source.offset, source.row_nbytes
        self._rows: NDArray[Any] | None = np.ndarray(
            source.shape, source.stored_dtype, buffer=pages, offset=skipped
        )

    def read(self, start: int, stop: int) -> NDArray[Any]:
        """Rows ``[start, stop)`` as a view of the file."""
        if self._rows is None:
            raise ValueError("expected an open reader, got a closed one; open the source again")
        self._ahead.after(self._offset + stop * self._row_nbytes)
        return self._rows[start:stop]

    def close(self) -> None:
        """Drop the map; views that are still held keep their pages."""
        self._rows = None
        self._file.close()


class CopyReader(MmapReader):
    """Rows of contiguous data that only need their bytes swapped or aligned: one copy, no HDF5."""

    name = "mmap-copy"

    @staticmethod
    def verdict(layout: Layout) -> tuple[bool, str]:
        """Contiguous, allocated data of a type that NumPy can convert by itself."""
        refusal = _map_refusal(layout)
        return not refusal, refusal

    def __init__(self, source: DatasetSource) -> None:
        super().__init__(source)
        self._scratch = Scratch(source)

    def read(self, start: int, stop: int) -> NDArray[Any]:
        """Rows ``[start, stop)``, converted into this reader's buffer."""
        stored = super().read(start, stop)
        rows = self._scratch.rows(len(stored))
        np.copyto(rows, stored)
        return read_only(rows)

    def close(self) -> None:
        """Drop the map and the buffer."""
        super().close()
        self._scratch.drop()


class Scratch:
    """A buffer for rows that grows to the largest block and is used again.

    A fresh array for each block costs more in page faults than the copy into it does.
    """

    def __init__(self, source: DatasetSource) -> None:
        self._source = source
        self._bytes: NDArray[np.uint8] = np.empty(0, np.uint8)

    def rows(self, count: int) -> NDArray[Any]:
        """Room for `count` rows, with whatever the last block left in it."""
        nbytes = count * self._source.row_nbytes
        if nbytes > self._bytes.size:
            self._bytes = np.empty(nbytes, np.uint8)
        flat = self._bytes[:nbytes].view(self._source.dtype)
        return flat.reshape((count, *self._source.shape[1:]))

    def drop(self) -> None:
        """Give the memory back."""
        self._bytes = np.empty(0, np.uint8)


def read_only(rows: NDArray[Any]) -> NDArray[Any]:
    """A view of `rows` that cannot be written."""
    shown = rows.view()
    shown.flags.writeable = False
    return shown


class H5pyReader(Reader):
    """Rows of any dataset that the HDF5 library reads."""

    name = "h5py"

    @staticmethod
    def verdict(layout: Layout) -> tuple[bool, str]:
        """Everything can be read by HDF5 itself."""
        del layout
        return True, ""

    def __init__(self, source: DatasetSource) -> None:
        for step in source.filters:
            available(step.code)
        cache = cache_nbytes(source) if source.chunks else None
        self._file = open_file(source.file, cache)
        self._dataset = self._file[source.path]
        self._gaps = leaves_gaps(self._dataset.id.get_create_plist())
        self._source = source
        self._scratch = Scratch(source)

    def read(self, start: int, stop: int) -> NDArray[Any]:
        """Rows ``[start, stop)`` in this reader's buffer."""
        start, stop, _ = slice(start, stop).indices(self._source.shape[0])
        rows = self._scratch.rows(max(0, stop - start))
        if self._gaps:
            rows[...] = 0
        with self._read((start, *(0 for _ in rows.shape[1:])), rows.shape):
            if rows.size:
                self._dataset.read_direct(rows, np.s_[start:stop])
        return read_only(rows)

    def read_box(self, corner: tuple[int, ...], out: NDArray[Any]) -> None:
        """Fill `out` with no other columns read than its own."""
        with self._read(corner, out.shape):
            if out.size:
                box = zip(corner, out.shape, strict=True)
                values = self._dataset[tuple(slice(at, at + side) for at, side in box)]
                np.copyto(out, values)

    @contextlib.contextmanager
    def _read(self, corner: tuple[int, ...], shape: tuple[int, ...]) -> Iterator[None]:
        """Let HDF5's errors say what could not be read."""
        if not self._file:
            raise ValueError("expected an open reader, got a closed one; open the source again")
        try:
            yield
        except (OSError, RuntimeError) as error:
            found = self._damaged_chunk(corner, shape)
            where = f"rows {corner[0]}:{corner[0] + shape[0]}"
            where = where if found is None else f"a whole chunk at {found}"
            raise InputError(
                f"expected {where} of {self._source}, HDF5 says: {' '.join(str(error).split())}; "
                "copy the file again from where it came"
            ) from None

    def _damaged_chunk(
        self, corner: tuple[int, ...], shape: tuple[int, ...]
    ) -> tuple[int, ...] | None:
        """The first chunk of a box that cannot be read; HDF5 does not tell which it was."""
        if self._source.chunks is None:
            return None
        grid = ChunkGrid(self._source.shape, self._source.chunks)
        for piece in grid.pieces(corner, shape):
            try:
                self._dataset[grid.box(piece.number)]
            except (OSError, RuntimeError):
                return grid.corner(piece.number)
        return None

    def close(self) -> None:
        """Close the file."""
        self._file.close()
        self._scratch.drop()


def leaves_gaps(dcpl: Any) -> bool:
    """Whether HDF5 leaves a buffer as it was where nothing was ever written.

    So it does where the file says that nothing is filled (netCDF's NOFILL), also in a source of a
    virtual dataset. The rows of the last read would stand there; h5py gives zeros.
    """
    undefined = dcpl.fill_value_defined() == h5d.FILL_VALUE_UNDEFINED
    never = dcpl.get_fill_time() == h5d.FILL_TIME_NEVER
    return bool(undefined or never or dcpl.get_layout() == h5d.VIRTUAL)


def cache_nbytes(source: DatasetSource) -> int:
    """Bytes of decoded chunks to keep: what blocks that do not follow the chunk grid read again.

    That is one strip of chunks across all columns. Where a strip is larger than `CACHE_LIMIT` the
    cache would be emptied before it is used again, and holds one chunk.
    """
    if source.chunks is None or source.chunks[0] == 1:
        return 0
    chunk = int(np.prod(source.chunks, dtype=np.int64)) * source.stored_dtype.itemsize
    across = [-(-n // c) for n, c in zip(source.shape[1:], source.chunks[1:], strict=True)]
    strip = chunk * int(np.prod(across, dtype=np.int64))
    return strip if strip <= CACHE_LIMIT else min(chunk, CACHE_LIMIT)
