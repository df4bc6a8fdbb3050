"""A reduction with its parameters, on data of some shape."""

from __future__ import annotations

import math
import operator
from collections.abc import Sequence
from dataclasses import dataclass
from typing import SupportsIndex

import numpy as np

from sharedcompute.errors import InputError
from sharedcompute.operations.declarations import Partial, Reduce
from sharedcompute.operations.specs import Array, ArraySpec, Params, State


@dataclass(frozen=True)
class Reduction:
    """One reduction with its parameters, along some axes of `spec`.

    Parameters
    ----------
    operation : Reduce
    params : mapping
    spec : ArraySpec
    axes : tuple of int
        As `normal_axes` gives them. Rows are axis 0.
    keepdims : bool
        The result has the axes that are reduced, of length 1.
    running : bool
        It is needed at the start of each block, for a scan.
    """

    operation: Reduce
    params: Params
    spec: ArraySpec
    axes: tuple[int, ...] = (0,)
    keepdims: bool = False
    running: bool = False

    def check(self) -> None:
        """Refuse data, or axes, for which the reduction is not defined."""
        self.operation.check(self.spec)
        one = len(self.axes) == 1 or self.over_all
        if not one and self.partial.indexed:
            raise InputError(
                f"axis: {self.operation.name} expected one axis, or all, got {self.axes}: "
                "choose one of them"
            )
        self._check_dtype()

    def _check_dtype(self) -> None:
        asked, given = self.params.get("dtype"), self.spec.dtype
        if not isinstance(asked, np.dtype):
            return
        usual = self.operation.dtype(given, {**self.params, "dtype": None})
        if not np.can_cast(given, asked, "same_kind") or (
            usual.kind in "fc" and asked.kind not in "fc"
        ):
            raise InputError(
                f"dtype: expected one for results of {self.operation.name} as {usual}, got "
                f"{asked}: cast the data first, or the result"
            )

    @property
    def partial(self) -> Partial:
        """The contribution of a block."""
        partial = self.operation.partial
        if not isinstance(partial, Partial):
            n = math.prod(self.spec.shape[axis] for axis in self.axes)
            partial = partial(self.spec.dtype, n)
        asked = self.params.get("dtype")
        floats = isinstance(asked, np.dtype) and asked.kind in "fc"
        return partial.floating if floats and partial.floating is not None else partial

    @property
    def skipna(self) -> bool:
        """Whether NaN is left out. Only floating data has any."""
        return bool(self.params.get("skipna", False)) and self.spec.dtype.kind in "fc"

    @property
    def over_all(self) -> bool:
        """Whether all axes are reduced."""
        return len(self.axes) == len(self.spec.shape)

    @property
    def across_rows(self) -> bool:
        """Whether rows are reduced: then it is not known before all of them are read."""
        return 0 in self.axes

    @property
    def columns(self) -> int:
        """The number of results."""
        return math.prod(self._kept)

    @property
    def _kept(self) -> list[int]:
        return [n for axis, n in enumerate(self.spec.shape) if axis not in self.axes]

    @property
    def result_spec(self) -> ArraySpec:
        """Shape and dtype of the result; a number has the shape ()."""
        shape = self._kept
        if self.keepdims:
            shape = [1 if axis in self.axes else n for axis, n in enumerate(self.spec.shape)]
        return ArraySpec(tuple(shape), self.operation.dtype(self.spec.dtype, self.params))

    def result(self, states: State) -> Array:
        """Return the result in full precision, shape (columns,), from the combined states."""
        with np.errstate(all="ignore"):
            return self.operation.finalise(states, self.params)


def normal_axes(axis: SupportsIndex | Sequence[SupportsIndex] | None, ndim: int) -> tuple[int, ...]:
    """Return the axes that NumPy means by `axis` on data of `ndim` dimensions, in their order.

    Raises
    ------
    InputError
        An axis that the data have not, or one that is named twice.
    """
    if axis is None:
        return tuple(range(ndim))
    given = tuple(axis) if isinstance(axis, Sequence) else (axis,)
    found = []
    for each in map(operator.index, given):
        if not -ndim <= each < ndim:
            raise InputError(
                f"axis: expected axes from {-ndim} to {ndim - 1} for data of {ndim} dimensions, "
                f"got {each}"
            )
        found.append(each % ndim)
    if len(set(found)) != len(found):
        raise InputError(f"axis: expected different axes, got {given}: name each once")
    return tuple(sorted(found))


def cast_result(reduction: Reduction, values: Array) -> Array:
    """Return the result with NumPy's dtype and shape."""
    spec = reduction.result_spec
    with np.errstate(all="ignore"):
        result: Array = values.astype(spec.dtype).reshape(spec.shape)
    return np.asarray(result)
