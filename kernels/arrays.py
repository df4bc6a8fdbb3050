"""Types of the arguments of kernels, for type checkers: arrays by the types of their elements.

NumPy's stubs have `Any` for an element and for the lengths of axes. Here an element of `Ints` is an
int, and one of an `Array` of any dtype is an `Array` again, as in the array API: it is a number
too. Nothing of this exists at run time: kernels import it for type checkers only, and numba finds
the dtypes by itself.
"""

from __future__ import annotations

from typing import Any, Protocol, Self, TypeVar, overload

import numpy as np

E_co = TypeVar("E_co", covariant=True)
Index = int | np.int32 | tuple[int, ...]
Part = slice | tuple[int | slice, ...]


class _Sized(Protocol):
    """The attributes of an array."""

    @property
    def shape(self) -> tuple[int, ...]:
        """The lengths of the axes."""

    @property
    def ndim(self) -> int:
        """The number of axes."""

    @property
    def size(self) -> int:
        """The number of elements."""

    @property
    def itemsize(self) -> int:
        """The bytes of an element."""

    def __len__(self) -> int: ...
    def __array__(self) -> np.ndarray[Any, np.dtype[Any]]: ...


class Vector(_Sized, Protocol[E_co]):
    """An array whose elements have a known type."""

    @property
    def dtype(self) -> np.dtype[Any]:
        """The dtype."""

    @overload
    def __getitem__(self, key: Index, /) -> E_co: ...  # type: ignore[overload-overlap]
    @overload
    def __getitem__(self, key: Part, /) -> Vector[E_co]: ...
    def __setitem__(self, key: Any, value: Any, /) -> None: ...
    def __iadd__(self, other: Any, /) -> Self: ...


class Truth(Protocol):
    """The result of a comparison: booleans, or one."""

    def __bool__(self) -> bool: ...
    def __and__(self, other: Any, /) -> Truth: ...
    def __rand__(self, other: Any, /) -> Truth: ...
    def __or__(self, other: Any, /) -> Truth: ...
    def __ror__(self, other: Any, /) -> Truth: ...
    def __int__(self) -> int: ...
    def __radd__(self, other: Any, /) -> Any: ...


class Array(_Sized, Protocol):  # noqa: PLW1641 - as an ndarray: not hashable
    """An array of any dtype, or an element of one."""

    @property
    def dtype(self) -> np.dtype[np.float64]:
        """The dtype: float64 stands for all."""

    @property
    def real(self) -> Array:
        """The real parts."""

    def reshape(self, shape: Any, /) -> Array:
        """Return a view of another shape."""

    def view(self, dtype: Any, /) -> Array:
        """Return a view of another dtype."""

    def __getitem__(self, key: Any, /) -> Array: ...
    def __setitem__(self, key: Any, value: Any, /) -> None: ...
    def __bool__(self) -> bool: ...
    def __int__(self) -> int: ...
    def __index__(self) -> int: ...
    def __abs__(self) -> Array: ...
    def __add__(self, other: Any, /) -> Array: ...
    def __radd__(self, other: Any, /) -> Array: ...
    def __sub__(self, other: Any, /) -> Array: ...
    def __rsub__(self, other: Any, /) -> Array: ...
    def __mul__(self, other: Any, /) -> Array: ...
    def __rmul__(self, other: Any, /) -> Array: ...
    def __truediv__(self, other: Any, /) -> Array: ...
    def __lt__(self, other: Any, /) -> Truth: ...
    def __le__(self, other: Any, /) -> Truth: ...
    def __gt__(self, other: Any, /) -> Truth: ...
    def __ge__(self, other: Any, /) -> Truth: ...
    def __eq__(self, other: object, /) -> Truth: ...  # type: ignore[override]
    def __ne__(self, other: object, /) -> Truth: ...  # type: ignore[override]


Floats = Vector[float]
Ints = Vector[int]
Labels = Vector[np.int32]
Bools = Vector[bool]
Bytes = Vector[int]

Scratch = TypeVar("Scratch", Array, Labels)
"""An array that is allocated like another."""
