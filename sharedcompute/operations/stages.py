"""Stages: what an operation is lowered to, one call of a kernel for any range of rows.

A pass runs a chain of stages. Engines know stages only, and a new operation needs no new engine
code.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, NamedTuple

from sharedcompute.operations.specs import ArraySpec, DType, Kernel, Scalar
from sharedcompute.rows import Mode


@dataclass(frozen=True)
class Needed:
    """Stands in a stage's arguments for a reduction of that stage's input over its rows.

    An earlier pass computes it, in float64, shape (columns,).
    """

    reduction: str
    skipna: bool = False


@dataclass(frozen=True)
class Carry:
    """Stands in a scan's arguments for what all rows before the block add up to."""

    reduction: str
    skipna: bool = False


@dataclass(frozen=True)
class FromModel:
    """Stands in a stage's arguments for an array of the model of a fit."""

    name: str


@dataclass(frozen=True)
class Argument:
    """Stands in a node's stage for an input that the kernel gets whole: a result, or a map.

    Parameters
    ----------
    number : int
        Which of the inputs after those that it gets row by row.
    """

    number: int


class RowSpec(NamedTuple):
    """Dtype and shape of each row of a result."""

    dtype: DType
    shape: tuple[int, ...]


@dataclass(frozen=True)
class Stage:
    """One kernel call for any range of rows: ``kernel(x, out, *args)``.

    A kernel of several arrays gets all inputs, then all outputs.

    Parameters
    ----------
    kernel : callable
        A numba or plain Python function that fills `out`. `x` is read-only and C-contiguous, and
        has ``len(out) + 2 * halo`` rows.
    args : tuple
        Scalars and arrays; may hold `Needed`, `Carry` or `FromModel` until the pass is bound.
    dtype : numpy.dtype
        Of `out`.
    row_shape : tuple of int or None
        The shape of one row of `out`; None where it is that of `x`.
    new_axes : bool
        With a row shape: none of its axes is one of the input's, of whatever length.
    halo : int
        Rows needed on each side.
    mode, cval
        How rows beyond the edges of the array are extended, as in `scipy.ndimage`.
    matrix : bool
        `x` and `out` are given as (rows, everything else), so that a kernel compiles once for
        every number of dimensions.
    elementwise : bool
        Each element of `out` depends on that of `x` alone, so that columns may run by themselves.
    copies : int
        Arrays of the size of `x` that the kernel makes for itself.
    more : tuple of RowSpec
        Of the results after the first one; that has `dtype` and `row_shape`.
    returns : bool
        The kernel returns its results, and is called without outputs.
    rows : bool
        Its last argument is the number of the first row of `x`, without its halo.
    ratio : tuple of (int, int)
        Rows out for rows in. The kernel gets whole groups of rows; in a pass each is one row, with
        an axis for the rows in it where they are several.
    variable : bool
        The kernel returns, or yields, any number of rows.
    """

    label: str
    kernel: Kernel
    args: tuple[Any, ...]
    dtype: DType
    halo: int = 0
    mode: Mode = "reflect"
    cval: Scalar = 0.0
    matrix: bool = False
    elementwise: bool = False
    copies: int = 0
    row_shape: tuple[int, ...] | None = None
    new_axes: bool = False
    more: tuple[RowSpec, ...] = ()
    returns: bool = False
    rows: bool = False
    ratio: tuple[int, int] = (1, 1)
    variable: bool = False

    @property
    def reach(self) -> int:
        """The halo in groups of rows."""
        return -(-self.halo // self.ratio[1])

    def results(self, spec: ArraySpec) -> tuple[ArraySpec, ...]:
        """Return what all results are for a first input of `spec`, both in groups of rows."""
        out, given = (() if count == 1 else (count,) for count in self.ratio)
        row = spec.shape[1 + len(given) :] if self.row_shape is None else self.row_shape
        each = (RowSpec(self.dtype, row), *self.more)
        return tuple(ArraySpec((spec.shape[0], *out, *made.shape), made.dtype) for made in each)


def is_ours(kernel: object) -> bool:
    """Return whether a kernel is of this package, and not a user's."""
    inner: object = getattr(kernel, "func", kernel)
    module: str | None = getattr(inner, "__module__", None)
    return (module or "").startswith("sharedcompute.")
