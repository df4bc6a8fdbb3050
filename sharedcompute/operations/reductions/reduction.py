"""A reduction with its parameters, on data of some shape."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from sharedcompute.operations.declarations import Partial, Reduce
from sharedcompute.operations.specs import Array, ArraySpec, Params, State


@dataclass(frozen=True)
class Reduction:
    """One reduction with its parameters, over the rows or over all elements of `spec`.

    A `running` one is needed at the start of each block, for a scan.
    """

    operation: Reduce
    params: Params
    spec: ArraySpec
    over_all: bool = False
    running: bool = False

    @property
    def partial(self) -> Partial:
        """The contribution of a block."""
        partial = self.operation.partial
        if isinstance(partial, Partial):
            return partial
        return partial(
            self.spec.dtype, self.spec.rows * (self.spec.row_size if self.over_all else 1)
        )

    @property
    def skipna(self) -> bool:
        """Whether NaN is left out. Only floating data has any."""
        return bool(self.params.get("skipna", False)) and self.spec.dtype.kind in "fc"

    @property
    def columns(self) -> int:
        """The number of results."""
        return 1 if self.over_all else self.spec.row_size

    @property
    def result_spec(self) -> ArraySpec:
        """Shape and dtype of the result; a number has the shape ()."""
        shape = () if self.over_all else self.spec.shape[1:]
        return ArraySpec(shape, self.operation.dtype(self.spec.dtype, self.params))

    def result(self, states: State) -> Array:
        """Return the result in full precision, shape (columns,), from the combined states."""
        with np.errstate(all="ignore"):
            return self.operation.finalise(states, self.params)


def cast_result(reduction: Reduction, values: Array) -> Array:
    """Return the result with NumPy's dtype and shape."""
    spec = reduction.result_spec
    with np.errstate(all="ignore"):
        result: Array = values.astype(spec.dtype).reshape(spec.shape)
    return np.asarray(result)
