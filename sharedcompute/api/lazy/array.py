"""Lazy arrays: arrays of the Array API kind that are computed when their numbers are asked for."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from types import ModuleType
from typing import Any, Self

import numpy as np
from numpy.typing import DTypeLike

from sharedcompute.api.lazy import indexing, printing
from sharedcompute.api.lazy.methods import Methods
from sharedcompute.api.lazy.opened import (
    Opening,
    attributes_of,
    chunks_of,
    names_of,
    refreshed,
    source_of,
)
from sharedcompute.api.lazy.operators import Operators
from sharedcompute.api.lazy.runs import Runs
from sharedcompute.errors import InputError
from sharedcompute.hdf5.reading.source import DatasetSource
from sharedcompute.operations.specs import Array, DType


class LazyArray(Operators, Methods, Runs):
    """An array that is computed when its numbers are asked for.

    NumPy's operators, ufuncs and functions on it give lazy arrays again; nothing is read before
    `compute`, `store`, ``numpy.asarray`` or ``float`` want the numbers. It is made by `lazy` and
    by `open`.

    Examples
    --------
    >>> import numpy as np
    >>> import sharedcompute as sc
    >>> x = sc.lazy(np.arange(6.0).reshape(3, 2))
    >>> y = np.sqrt(x**2 + 1)
    >>> y.shape, y.dtype
    ((3, 2), dtype('float64'))
    >>> y.mean(axis=0).compute()
    array([2.45305787, 3.22517025])
    """

    __slots__ = ("__weakref__",)

    __array_priority__ = 1000.0

    @property
    def shape(self) -> tuple[int, ...]:
        """Shape of the array."""
        return self._node.spec.shape

    @property
    def dtype(self) -> DType:
        """Dtype of the array, in native byte order."""
        return self._node.spec.dtype

    @property
    def ndim(self) -> int:
        """Number of dimensions."""
        return len(self._node.spec.shape)

    @property
    def size(self) -> int:
        """Number of elements."""
        return math.prod(self._node.spec.shape)

    @property
    def itemsize(self) -> int:
        """Bytes of one element."""
        return self._node.spec.dtype.itemsize

    @property
    def nbytes(self) -> int:
        """Bytes of all elements, were they in memory."""
        return self.size * self.itemsize

    @property
    def chunks(self) -> tuple[int, ...] | None:
        """Shape of the chunks of the dataset that is read; None where it is stored in one piece."""
        return chunks_of(self._node)

    @property
    def attrs(self) -> Mapping[str, Any]:
        """The attributes of the dataset; none of an expression, whose numbers mean others."""
        return attributes_of(self._node, self.decode_cf)

    @property
    def dims(self) -> tuple[str | None, ...]:
        """The names of the dimensions; None for one that has no name."""
        return names_of(self._node)

    @property
    def device(self) -> str:
        """Where its numbers are: ``cpu``."""
        return "cpu"

    @property
    def source(self) -> DatasetSource:
        """The dataset that is read; described anew if one of its files has changed since.

        Raises
        ------
        InputError
            It is gone, or has another shape or dtype; or the array is none in a file.
        """
        if isinstance(self._described, Opening):
            (self._node,) = refreshed((self._node,), self._described)
        found = source_of(self._node)
        if not isinstance(found, DatasetSource):
            raise InputError("expected an array that is read from a file, got an expression")
        return found

    @property
    def decode_cf(self) -> bool:
        """Whether the CF attributes of the dataset are applied to what is read."""
        return isinstance(self._described, Opening) and self._described.decode_cf

    def __len__(self) -> int:
        if not self.shape:
            raise TypeError("len() of unsized object: a lazy array of no dimensions is a number")
        return self.shape[0]

    def __getitem__(self, key: Any) -> Self:
        """Index as NumPy does: lazily by slices and whole numbers, at once by arrays."""
        if indexing.is_basic(key):
            return type(self)(indexing.basic(self._node, key), self._described)
        found: Self = self._at_once("indexing with arrays", lambda x, k: x[k], key)
        return found

    def sel(self, **labels: Any) -> Self:
        """Pick by the coordinates of dimensions, as ``xarray`` does.

        Parameters
        ----------
        **labels
            For each dimension that is named: a value that must be there and drops the axis, a date
            that is given in part, or a slice from one value to another, both included.

        Returns
        -------
        LazyArray

        Raises
        ------
        InputError
            There is no such dimension, it has no coordinate, or that has no such value.
        """
        from sharedcompute.api.lazy.labels import by_labels  # noqa: PLC0415

        return self[by_labels(self._node, labels)]

    def isel(self, **indices: Any) -> Self:
        """Pick by indices of dimensions that are named, as ``xarray`` does.

        Parameters
        ----------
        **indices
            A whole number or a slice for each dimension that is named.

        Returns
        -------
        LazyArray

        Raises
        ------
        InputError
            There is no such dimension.
        """
        from sharedcompute.api.lazy.labels import by_indices  # noqa: PLC0415

        return self[by_indices(self._node, indices)]

    def __iter__(self) -> Iterator[Self]:
        if not self.shape:
            raise TypeError("iteration over a 0-d array: take its number by float(x)")
        return (self[row] for row in range(self.shape[0]))

    def __contains__(self, value: object) -> bool:
        return bool((self == value).any())

    def __array__(self, dtype: DTypeLike | None = None, copy: bool | None = None) -> Array:
        """Compute all of it, if there is memory for that."""
        if copy is False:
            raise ValueError(
                "an array that is computed or read from a file is always a copy: leave copy out"
            )
        return np.asarray(self._computed(), dtype=dtype)

    def __array_ufunc__(self, ufunc: np.ufunc, method: str, *inputs: Any, **keywords: Any) -> Any:
        """Make NumPy's ufuncs nodes of the graph."""
        from sharedcompute.api.lazy.protocols import call_ufunc  # noqa: PLC0415 - stands on this

        return call_ufunc(type(self), ufunc, method, inputs, keywords)

    def __array_function__(
        self,
        func: Callable[..., Any],
        types: Sequence[type],
        args: tuple[Any, ...],
        kwargs: Mapping[str, Any],
    ) -> Any:
        """Make NumPy's functions nodes of the graph."""
        from sharedcompute.api.lazy.protocols import call_function  # noqa: PLC0415

        return call_function(type(self), func, types, args, kwargs)

    def __array_namespace__(self, *, api_version: str | None = None) -> ModuleType:
        """Return the namespace of the Array API for lazy arrays: ``sharedcompute.xp``."""
        from sharedcompute.api.lazy import xp  # noqa: PLC0415

        if api_version not in (None, *xp.VERSIONS):
            raise ValueError(f"expected a version of {', '.join(xp.VERSIONS)}, got {api_version}")
        return xp

    def __dlpack__(self, **keywords: Any) -> Any:
        """Compute all of it, and give it to another library."""
        return self._computed().__dlpack__(**keywords)

    def __dlpack_device__(self) -> tuple[int, int]:
        return np.empty(0).__dlpack_device__()

    def to_device(self, device: str, /, *, stream: object = None) -> Self:
        """Return the same array: its numbers are where the CPU is."""
        del stream
        if device != "cpu":
            raise InputError(f"device: expected cpu, got {device!r}")
        return self

    def __bool__(self) -> bool:
        if self.size != 1:
            raise ValueError(
                f"the truth value of an array of shape {self.shape} is ambiguous: use x.any() or "
                "x.all()"
            )
        return bool(self._number())

    def __float__(self) -> float:
        return float(self._number())

    def __int__(self) -> int:
        return int(self._number())

    def __round__(self, ndigits: int | None = None) -> int | float:
        found: int | float = round(self._number().item(), ndigits)
        return found

    def __format__(self, spec: str) -> str:
        """Format one number as Python does; without a format, say what the array is."""
        return format(self._number(), spec) if spec else str(self)

    def __complex__(self) -> complex:
        return complex(self._number())

    def __index__(self) -> int:
        if self.shape or self.dtype.kind not in "iu":
            raise TypeError(
                f"only whole numbers can be an index, got shape {self.shape} and dtype {self.dtype}"
            )
        return int(self._number())

    def item(self) -> bool | int | float | complex:
        """Return the one number of the array, of Python."""
        found: bool | int | float | complex = self._number().item()
        return found

    def tolist(self) -> Any:
        """Compute all of it, and return it as lists of Python's numbers."""
        return self._computed().tolist()

    def __repr__(self) -> str:
        return printing.line(self._node)

    def _repr_html_(self) -> str:
        """Return what notebooks show: a small table."""
        return printing.table(self._node, self.dims)

    def _number(self) -> Any:
        """Compute the one element."""
        if self.size != 1:
            raise TypeError(
                f"only an array of one element is a number, got shape {self.shape}: reduce it first"
            )
        return self._computed().reshape(())[()]

    def _computed(self) -> Array:
        from sharedcompute.api.lazy.running import in_memory  # noqa: PLC0415

        return in_memory([self._node])[0]

    def _at_once(self, name: str, function: Callable[..., Any], *args: Any) -> Any:
        from sharedcompute.api.lazy.eager import call  # noqa: PLC0415

        return call(type(self), name, function, (self, *args), {})
