"""Rows of any dataset, read by the HDF5 library in this process."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import Any

import h5py
import numpy as np
from h5py import h5d, h5p, h5s, h5t
from numpy.typing import NDArray

from sharedcompute.errors import InputError
from sharedcompute.hdf5.filters.available import available
from sharedcompute.hdf5.format.chunks import ChunkGrid, elements_at
from sharedcompute.hdf5.format.names import raw
from sharedcompute.hdf5.reading.row_reader import Layout, RowBuffer, StoredReader, read_only
from sharedcompute.hdf5.reading.scratch import cache_nbytes
from sharedcompute.hdf5.reading.stored import Stored
from sharedcompute.hdf5.safety.files import open_file
from sharedcompute.hdf5.window import Steps


class H5pyReader(StoredReader):
    """Rows of any dataset that the HDF5 library reads."""

    name = "h5py"

    @staticmethod
    def verdict(layout: Layout) -> tuple[bool, str]:
        """Accept everything: HDF5 itself reads it."""
        del layout
        return True, ""

    def __init__(self, source: Stored) -> None:
        for step in source.filters:
            available(step.code)
        cache = cache_nbytes(source) if source.chunks else None
        self._file = open_file(source.file, cache)
        dataset: h5py.Dataset = self._file[raw(source.path)]
        self._dataset = dataset
        self._bits = isinstance(dataset.id.get_type(), h5t.TypeBitfieldID)
        self._gaps = leaves_gaps(dataset.id.get_create_plist())
        self._source = source
        self._scratch = RowBuffer(source)

    def read(self, start: int, stop: int) -> NDArray[Any]:
        """Return rows ``[start, stop)`` in this reader's buffer."""
        start, stop, _ = slice(start, stop).indices(self._source.shape[0])
        rows = self._scratch.rows(max(0, stop - start))
        if self._gaps:
            rows[...] = 0
        with self._read((start, *(0 for _ in rows.shape[1:])), rows.shape):
            if rows.size and self._bits:
                self._read_bits((start, *(0 for _ in rows.shape[1:])), rows)
            elif rows.size and self._source.member is not None:
                self._read_member((start, *(0 for _ in rows.shape[1:])), rows)
            elif rows.size:
                self._dataset.read_direct(rows, np.s_[start:stop])
        return read_only(rows)

    def read_box(self, corner: tuple[int, ...], out: NDArray[Any], steps: Steps = ()) -> None:
        """Fill `out` with no other columns read than its own."""
        with self._read(corner, out.shape, steps):
            if out.size and self._bits:
                self._read_bits(corner, out, steps)
            elif out.size and self._source.member is not None:
                self._read_member(corner, out, steps)
            elif out.size:
                np.copyto(out, self._dataset[elements_at(corner, out.shape, steps)])

    def _read_bits(self, corner: tuple[int, ...], out: NDArray[Any], steps: Steps = ()) -> None:
        """Fill `out` with fields of bits as they are stored: HDF5 converts none to a number."""
        stored = np.zeros(out.shape, self._source.stored_dtype)
        place = self._dataset.id.get_space()
        place.select_hyperslab(corner, out.shape, steps or None)
        memory = h5s.create_simple(out.shape)
        self._dataset.id.read(memory, place, stored, self._dataset.id.get_type())
        np.copyto(out, stored)

    def _read_member(self, corner: tuple[int, ...], out: NDArray[Any], steps: Steps = ()) -> None:
        """Fill `out` with one member of a compound: HDF5 leaves out the others."""
        member = self._source.member
        assert member is not None
        found = np.zeros(out.shape, self._source.dtype)
        place = self._dataset.id.get_space()
        place.select_hyperslab(corner, out.shape, steps or None)
        memory = h5s.create_simple(out.shape)
        self._dataset.id.read(memory, place, found, member.memory_type(found.dtype))
        np.copyto(out, found)

    @contextlib.contextmanager
    def _read(
        self, corner: tuple[int, ...], shape: tuple[int, ...], steps: Steps = ()
    ) -> Iterator[None]:
        """Let HDF5's errors say what could not be read."""
        if not self._file:
            raise ValueError("expected an open reader, got a closed one; open the source again")
        try:
            yield
        except (OSError, RuntimeError) as error:
            found = self._damaged_chunk(corner, shape, steps)
            last = elements_at(corner, shape, steps)[0].stop
            where = f"rows {corner[0]}:{last}"
            where = where if found is None else f"a whole chunk at {found}"
            raise InputError(
                f"expected {where} of {self._source}, HDF5 says: {' '.join(str(error).split())}; "
                "copy the file again from where it came"
            ) from None

    def _damaged_chunk(
        self, corner: tuple[int, ...], shape: tuple[int, ...], steps: Steps
    ) -> tuple[int, ...] | None:
        """Return the first chunk of a box that cannot be read; HDF5 does not say which it was."""
        if self._source.chunks is None:
            return None
        grid = ChunkGrid(self._source.shape, self._source.chunks)
        for piece in grid.pieces(corner, shape, steps):
            try:
                self._dataset[grid.box(piece.number)]
            except (OSError, RuntimeError):
                return grid.corner(piece.number)
        return None

    def close(self) -> None:
        """Close the file."""
        self._file.close()
        self._scratch.drop()


def leaves_gaps(dcpl: h5p.PropDCID) -> bool:
    """Return whether HDF5 leaves a buffer as it was where nothing was ever written.

    So it does where the file says that nothing is filled (netCDF's NOFILL), also in a source of a
    virtual dataset. The rows of the last read would stand there; h5py gives zeros.
    """
    undefined = dcpl.fill_value_defined() == h5d.FILL_VALUE_UNDEFINED
    never = dcpl.get_fill_time() == h5d.FILL_TIME_NEVER
    return bool(undefined or never or dcpl.get_layout() == h5d.VIRTUAL)
