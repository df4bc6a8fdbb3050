"""A lazy look at a dataset in a file."""

from __future__ import annotations

import glob
import operator
import os
from dataclasses import replace
from typing import Any, SupportsIndex, cast

import numpy as np
from numpy.typing import DTypeLike

from sharedcompute.api.typing import AddressLike
from sharedcompute.errors import InputError
from sharedcompute.hdf5.address import Address
from sharedcompute.hdf5.inspection.inspector import open_source
from sharedcompute.hdf5.reading.source import DatasetSource
from sharedcompute.hdf5.rehearsal import read_box
from sharedcompute.operations.rowwise.unpacking import as_asked, unpacked
from sharedcompute.operations.specs import Array, DType


class Dataset:
    """A dataset in a file, read when it is sliced.

    Parameters
    ----------
    address : str, os.PathLike or Address
        ``FILE::PATH``, or ``FILE`` alone where it has one array; a window of it in brackets.
    decode_cf : bool, default: False
        Apply its CF attributes to what is read, also by a function that it is given to.
    allow_external : bool, default: False
        Read what links, virtual sources and external storage name elsewhere than in the folder of
        the file.

    Notes
    -----
    The file is open only while rows are read, so this can be kept, pickled, and given to every
    function that takes an input. What is read are the numbers that the file holds then; its shape
    and dtype stay those that it was opened with.
    """

    def __init__(
        self,
        address: AddressLike,
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
        self._address = replace(
            named,
            file=os.path.join(home, named.file),  # noqa: PTH118
            path=named.path or self._source.path,
        )

    @property
    def source(self) -> DatasetSource:
        """What is read; described anew if one of its files has changed since.

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
        """Shape of the dataset."""
        return self._source.shape

    @property
    def dtype(self) -> DType:
        """Dtype of the dataset, in native byte order."""
        return self._dtype

    @property
    def chunks(self) -> tuple[int, ...] | None:
        """Shape of the chunks; None where the dataset is stored in one piece."""
        return self._source.chunks

    @property
    def ndim(self) -> int:
        """Number of dimensions."""
        return len(self.shape)

    def __len__(self) -> int:
        return self.shape[0]

    def __getitem__(self, key: Any) -> Any:
        """Index as NumPy does; of slices and whole numbers only their box is read."""
        keys: tuple[object, ...] = key if isinstance(key, tuple) else (key,)
        if not all(map(_is_basic, keys)):
            return self._read(*_everything(self.shape))[key]
        corner, sides, picked = _box_of(keys, self.shape)
        return self._read(corner, sides)[picked]

    def __array__(self, dtype: DTypeLike | None = None, copy: bool | None = None) -> Array:
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


def _is_basic(key: object) -> bool:
    # A truth value picks as a mask does, and yet is a whole number in Python.
    return key is Ellipsis or (
        isinstance(key, slice | int | np.integer) and not isinstance(key, bool)
    )


def _box_of(
    keys: tuple[object, ...], shape: tuple[int, ...]
) -> tuple[tuple[int, ...], tuple[int, ...], tuple[int | slice, ...]]:
    """Return the corner and sides of the box that an index needs, and the index into that box.

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


def _cut(key: object, n: int, axis: int) -> tuple[int, int, int | slice]:
    """Return where an index begins on an axis of length `n`, its span, and the index into that."""
    if isinstance(key, slice):
        # Read forwards; a step, also a negative one, is taken of what was read.
        taken = range(*key.indices(n))
        if not taken:
            return 0, 0, slice(0, 0)
        # Not min(taken), which would go through all of them.
        low, high = sorted((taken[0], taken[-1]))
        return low, high + 1 - low, slice(taken[0] - low, None, taken.step)
    index = operator.index(cast(SupportsIndex, key))
    if not -n <= index < n:
        raise IndexError(f"index {index} is out of bounds for axis {axis} with size {n}")
    return index % n, 1, 0


def open_dataset(
    address: AddressLike,
    *,
    decode_cf: bool = False,
    allow_external: bool = False,
) -> Dataset:
    """Open a dataset without reading it.

    Parameters
    ----------
    address : str, os.PathLike or Address
        ``FILE::PATH``, or ``FILE`` alone where it has one array; a window of it in brackets.
    decode_cf : bool, default: False
        Apply ``scale_factor``, ``add_offset``, ``_FillValue`` and ``missing_value``.
    allow_external : bool, default: False
        Read what links, virtual sources and external storage name elsewhere than in the folder of
        the file.

    Returns
    -------
    Dataset
        Read when it is sliced.

    Raises
    ------
    InputError
        There is no such dataset, or it holds no numbers; an attribute to apply is no number.

    Examples
    --------
    >>> import h5py
    >>> import numpy as np
    >>> import sharedcompute as sc
    >>> with h5py.File("in.h5", "w") as file:
    ...     file["x"] = np.arange(6.0).reshape(3, 2)
    >>> x = sc.open("in.h5::/x")
    >>> x.shape, x[1:, 0]
    ((3, 2), array([2., 4.]))
    """
    given: object = address
    if not isinstance(given, str | os.PathLike | Address):
        raise InputError(f"expected FILE or FILE::PATH, got {given!r}")
    return Dataset(address, decode_cf, allow_external)


open = open_dataset  # as users call it
