"""What a user may give as input, and a lazy look at a dataset."""

from __future__ import annotations

import os
from typing import Any

import numpy as np

from sharedcompute.errors import InputError
from sharedcompute.hdf5.address import Address
from sharedcompute.hdf5.source import DatasetSource, open_source
from sharedcompute.operations.base import Array, DType
from sharedcompute.operations.unpack import unpacked
from sharedcompute.plan.memory import ArraySource
from sharedcompute.plan.passes import Source


class Dataset:
    """A dataset in a file, read when it is sliced.

    Parameters
    ----------
    source : DatasetSource
    decode_cf : bool
        Its CF attributes are applied to what is read, also by a function that it is given to.

    Notes
    -----
    The file is open only while rows are read, so this can be kept, pickled, and given to every
    function that takes an input.
    """

    def __init__(self, source: DatasetSource, decode_cf: bool = False) -> None:
        self.source = source
        self.decode_cf = decode_cf
        self._dtype = self._decoded(np.empty(0, source.dtype)).dtype

    @property
    def shape(self) -> tuple[int, ...]:
        """Its shape."""
        return self.source.shape

    @property
    def dtype(self) -> DType:
        """Its dtype, in native byte order."""
        return self._dtype

    @property
    def chunks(self) -> tuple[int, ...] | None:
        """The shape of its chunks; None where it is stored in one piece."""
        return self.source.chunks

    @property
    def ndim(self) -> int:
        """Its number of dimensions."""
        return len(self.shape)

    def __len__(self) -> int:
        return self.shape[0]

    def __getitem__(self, key: Any) -> Any:
        """Rows, and what NumPy's indexing takes of them."""
        first: Any
        picked: Any
        first, *rest = key if isinstance(key, tuple) and key else (key,)
        if isinstance(first, slice):
            start, stop, step = first.indices(len(self))
            # Rows are read forwards; a step, also a negative one, is taken of what was read.
            taken = range(start, stop, step)
            low, high = (min(taken), max(taken) + 1) if taken else (0, 0)
            picked = slice(taken[0] - low, None, step) if taken else slice(0, 0)
        elif isinstance(first, int | np.integer) and not isinstance(first, bool):
            row = int(first)
            row += len(self) if row < 0 else 0
            if not 0 <= row < len(self):
                raise IndexError(f"row {first} is not one of the {len(self)} rows")
            low, high, picked = row, row + 1, 0
        else:
            return self._read(0, len(self))[key]
        return self._read(low, high)[(picked, *rest)]

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> Array:
        if copy is False:
            raise ValueError("an array of a dataset in a file is always a copy: leave copy out")
        return np.asarray(self._read(0, len(self)), dtype=dtype)

    def _read(self, start: int, stop: int) -> Array:
        reader = self.source.open()
        try:
            return self._decoded(reader.read(start, stop).copy())
        finally:
            reader.close()

    def _decoded(self, rows: Array) -> Array:
        return unpacked(self.source, rows) if self.decode_cf else rows

    def __repr__(self) -> str:
        return f"<sharedcompute.Dataset {self.source}: shape {self.shape}, dtype {self.dtype}>"


def open_dataset(address: str | os.PathLike[str] | Address, *, decode_cf: bool = False) -> Dataset:
    """Look at a dataset without reading it.

    Parameters
    ----------
    address : str
        ``FILE::PATH``, or ``FILE`` alone where it has one array.
    decode_cf : bool
        Apply ``scale_factor``, ``add_offset``, ``_FillValue`` and ``missing_value``.

    Raises
    ------
    InputError
        There is no such dataset, or it holds no numbers; an attribute to apply is no number.
    """
    if not isinstance(address, str | os.PathLike | Address):
        raise InputError(f"expected FILE or FILE::PATH, got {address!r}")
    source = open_source(address if isinstance(address, Address) else os.fspath(address))
    return Dataset(source, decode_cf)


def as_source(given: Any) -> Source:
    """Whatever a user gives as an input, as a source."""
    if isinstance(given, Dataset):
        return given.source
    if isinstance(given, DatasetSource | ArraySource):
        return given
    if isinstance(given, str | os.PathLike | Address):
        return open_source(given if isinstance(given, Address) else os.fspath(given))
    if type(given).__module__.startswith("h5py"):
        return _of_h5py(given)
    return ArraySource(_plain(given))


def _of_h5py(given: Any) -> Source:
    import h5py  # noqa: PLC0415

    if not isinstance(given, h5py.Dataset):
        raise InputError(f"expected an h5py.Dataset, got {given!r}: index it down to a dataset")
    if not given:
        raise InputError("expected an open h5py.Dataset, its file is closed: give its address")
    if given.file.driver == "core":
        # It may have no file: other processes could not open it.
        return ArraySource(_plain(given[...]))
    if given.file.mode != "r":
        given.file.flush()
    return open_source(Address(given.file.filename, given.name))


def _plain(given: Any) -> Array:
    if isinstance(given, np.ma.MaskedArray):
        raise InputError("expected an array without a mask: give x.filled(nan), and skipna=True")
    try:
        array = np.asanyarray(given)
    except ValueError as problem:
        raise InputError(f"expected an array of numbers: {problem}") from None
    if array.dtype.kind not in "biufc" or array.dtype.itemsize > 16 or array.dtype == np.longdouble:
        raise InputError(f"expected an array of numbers, got dtype {array.dtype}: cast it first")
    if array.ndim == 0:
        raise InputError("expected an array with at least one dimension, got a number")
    native = array.astype(array.dtype.newbyteorder("="), copy=False)
    # ascontiguousarray copies only what needs it, so shared memory stays shared.
    return native if native.flags.c_contiguous else np.ascontiguousarray(native)
