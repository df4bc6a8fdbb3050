"""What a user may give as input, and a lazy look at a dataset."""

from __future__ import annotations

import glob
import os
from typing import Any

import numpy as np

from sharedcompute.errors import InputError
from sharedcompute.hdf5.address import Address
from sharedcompute.hdf5.format.names import path_of
from sharedcompute.hdf5.inspection.inspector import check_size, open_source
from sharedcompute.hdf5.reading.source import DatasetSource
from sharedcompute.hdf5.rehearsal import read_box
from sharedcompute.operations.rowwise.unpacking import as_asked, unpacked
from sharedcompute.operations.specs import Array, DType
from sharedcompute.plan.in_memory import ArraySource
from sharedcompute.plan.ports import Source
from sharedcompute.validation.arrays import plain_array


class Dataset:
    """A dataset in a file, read when it is sliced.

    Parameters
    ----------
    address : str, os.PathLike or Address
    decode_cf : bool
        Its CF attributes are applied to what is read, also by a function that it is given to.
    allow_external : bool
        As for `open_dataset`.

    Notes
    -----
    The file is open only while rows are read, so this can be kept, pickled, and given to every
    function that takes an input. What is read are the numbers that the file holds then; its shape
    and dtype stay those that it was opened with.
    """

    def __init__(
        self,
        address: str | os.PathLike[str] | Address,
        decode_cf: bool = False,
        allow_external: bool = False,
    ) -> None:
        named = Address.parse(address)
        self.decode_cf = decode_cf
        self._allow_external = allow_external
        self._source = as_asked(open_source(named, allow_external), decode_cf)
        self._dtype = self._decoded(np.empty(0, self._source.dtype), self._source).dtype
        # From here on it is this dataset, wherever this process goes and whatever is put beside it.
        home = os.getcwd() if self._source.glob is None else glob.escape(os.getcwd())  # noqa: PTH109 - odd names
        self._address = Address(os.path.join(home, named.file), named.path or self._source.path)  # noqa: PTH118

    @property
    def source(self) -> DatasetSource:
        """What is read, described anew if one of its files has changed since that was done.

        Raises
        ------
        InputError
            It is gone, or has another shape or dtype.
        """
        if not self._source.reads.are_there:
            now = as_asked(open_source(self._address, self._allow_external), self.decode_cf)
            dtype = self._decoded(np.empty(0, now.dtype), now).dtype
            if (now.shape, dtype) != (self.shape, self.dtype):
                raise InputError(
                    f"expected shape {self.shape} and dtype {self.dtype} of {now}, as it was when "
                    f"it was opened, got {now.shape} and {dtype}: open it again"
                )
            self._source = now
        return self._source

    @property
    def shape(self) -> tuple[int, ...]:
        """Its shape."""
        return self._source.shape

    @property
    def dtype(self) -> DType:
        """Its dtype, in native byte order."""
        return self._dtype

    @property
    def chunks(self) -> tuple[int, ...] | None:
        """The shape of its chunks; None where it is stored in one piece."""
        return self._source.chunks

    @property
    def ndim(self) -> int:
        """Its number of dimensions."""
        return len(self.shape)

    def __len__(self) -> int:
        return self.shape[0]

    def __getitem__(self, key: Any) -> Any:
        """What NumPy's indexing takes; of slices and whole numbers only their box is read."""
        keys = key if isinstance(key, tuple) else (key,)
        if not all(map(_is_basic, keys)):
            return self._read(*_everything(self.shape))[key]
        corner, sides, picked = _box_of(keys, self.shape)
        return self._read(corner, sides)[picked]

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> Array:
        if copy is False:
            raise ValueError("an array of a dataset in a file is always a copy: leave copy out")
        return np.asarray(self._read(*_everything(self.shape)), dtype=dtype)

    def _read(self, corner: tuple[int, ...], sides: tuple[int, ...]) -> Array:
        source = self.source
        return self._decoded(read_box(source, corner, sides), source)

    def _decoded(self, rows: Array, source: DatasetSource) -> Array:
        return unpacked(source, rows) if self.decode_cf else rows

    def __repr__(self) -> str:
        return f"<sharedcompute.Dataset {self._source}: shape {self.shape}, dtype {self.dtype}>"


def _everything(shape: tuple[int, ...]) -> tuple[tuple[int, ...], tuple[int, ...]]:
    return (0,) * len(shape), shape


def _is_basic(key: Any) -> bool:
    # A truth value picks as a mask does, and yet is a whole number in Python.
    return key is Ellipsis or (
        isinstance(key, slice | int | np.integer) and not isinstance(key, bool)
    )


def _box_of(
    keys: tuple[Any, ...], shape: tuple[int, ...]
) -> tuple[tuple[int, ...], tuple[int, ...], tuple[Any, ...]]:
    """The corner and sides of the box that an index needs, and what it takes of that box.

    Raises
    ------
    IndexError
        As NumPy's.
    """
    gaps = keys.count(Ellipsis)
    if gaps > 1 or len(keys) - gaps > len(shape):
        raise IndexError(f"expected at most {len(shape)} indices and one '...', got {keys}")
    at = keys.index(Ellipsis) if gaps else len(keys)
    missing = (slice(None),) * (len(shape) - len(keys) + gaps)
    full = (*keys[:at], *missing, *keys[at + gaps :])
    axes = [_cut(k, n, axis) for axis, (k, n) in enumerate(zip(full, shape, strict=True))]
    corner, sides, picked = zip(*axes, strict=True)
    return corner, sides, picked


def _cut(key: Any, n: int, axis: int) -> tuple[int, int, Any]:
    """Where on an axis of length `n` an index begins, how much it spans, and what it takes."""
    if isinstance(key, slice):
        # Read forwards; a step, also a negative one, is taken of what was read.
        taken = range(*key.indices(n))
        if not taken:
            return 0, 0, slice(0, 0)
        # Not min(taken), which would go through all of them.
        low, high = sorted((taken[0], taken[-1]))
        return low, high + 1 - low, slice(taken[0] - low, None, taken.step)
    index = int(key)
    if not -n <= index < n:
        raise IndexError(f"index {index} is out of bounds for axis {axis} with size {n}")
    return index % n, 1, 0


def open_dataset(
    address: str | os.PathLike[str] | Address,
    *,
    decode_cf: bool = False,
    allow_external: bool = False,
) -> Dataset:
    """Look at a dataset without reading it.

    Parameters
    ----------
    address : str
        ``FILE::PATH``, or ``FILE`` alone where it has one array.
    decode_cf : bool
        Apply ``scale_factor``, ``add_offset``, ``_FillValue`` and ``missing_value``.
    allow_external : bool
        Read what links, virtual sources and external storage name elsewhere than in the folder of
        the file.

    Raises
    ------
    InputError
        There is no such dataset, or it holds no numbers; an attribute to apply is no number.
    """
    if not isinstance(address, str | os.PathLike | Address):
        raise InputError(f"expected FILE or FILE::PATH, got {address!r}")
    return Dataset(address, decode_cf, allow_external)


open = open_dataset  # as users call it


def as_source(given: Any, allow_external: bool = False) -> Source:
    """Whatever a user gives as the input of a job, as a source."""
    source = _source_of(given, allow_external)
    if isinstance(source, DatasetSource):
        check_size(source)
    return source


def _source_of(given: Any, allow_external: bool) -> Source:
    if isinstance(given, Dataset):
        return given.source
    if isinstance(given, DatasetSource | ArraySource):
        return given
    if isinstance(given, str | os.PathLike | Address):
        named = given if isinstance(given, Address) else os.fspath(given)
        return open_source(named, allow_external)
    if type(given).__module__.startswith("h5py"):
        return _of_h5py(given, allow_external)
    return ArraySource(_plain(given))


def _of_h5py(given: Any, allow_external: bool) -> Source:
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
    return open_source(Address(given.file.filename, path_of(given)), allow_external)


def _plain(given: Any) -> Array:
    array = plain_array(given)
    if array.dtype.kind not in "biufc" or array.dtype.itemsize > 16 or array.dtype == np.longdouble:
        raise InputError(f"expected an array of numbers, got dtype {array.dtype}: cast it first")
    if array.ndim == 0:
        raise InputError("expected an array with at least one dimension, got a number")
    native = array.astype(array.dtype.newbyteorder("="), copy=False)
    # ascontiguousarray copies only what needs it, so shared memory stays shared.
    return native if native.flags.c_contiguous else np.ascontiguousarray(native)
