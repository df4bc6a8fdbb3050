"""Shapes and dtypes of arrays before they exist, and the rules by which operations choose them."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from sharedcompute.errors import InputError

Array = np.ndarray[tuple[int, ...], np.dtype[Any]]
Bools = NDArray[np.bool_]
DType = np.dtype[Any]
Params = Mapping[str, Any]
Scalar = float | np.generic
Kernel = Callable[..., None]
State = dict[str, Array]
"""The fields of a partial result by name, each of shape (..., columns)."""

Units = Literal["same", "difference", "own"]
"""The meaning of the result's numbers, beside the input's.

``same``: values of the input (a mean, a median). ``difference``: its units, from another zero (an
anomaly, a standard deviation). ``own``: something else (an index, a count, a variance).
"""

FULL = {"b": "boolean", "i": "integer", "u": "unsigned", "f": "real", "c": "complex"}


@dataclass(frozen=True)
class ArraySpec:
    """Shape and dtype of a whole array, before it exists."""

    shape: tuple[int, ...]
    dtype: DType

    @property
    def rows(self) -> int:
        """The length of axis 0."""
        return self.shape[0]

    @property
    def row_size(self) -> int:
        """Elements in one row."""
        return math.prod(self.shape[1:])

    @property
    def row_bytes(self) -> int:
        """Bytes of one row."""
        return self.row_size * self.dtype.itemsize

    @property
    def nbytes(self) -> int:
        """Bytes of all rows."""
        return self.rows * self.row_bytes


def same(dtype: DType, _: Params) -> DType:
    """Return the input's dtype."""
    return dtype


def floating(dtype: DType, _: Params) -> DType:
    """Return the input's dtype if it is real or complex floating, else float64."""
    return dtype if dtype.kind in "fc" else np.dtype(np.float64)


def check_kind(name: str, kinds: str, dtype: DType) -> None:
    """Refuse data that the operation has no meaning for."""
    if dtype.kind not in kinds:
        wanted = ", ".join(FULL[kind] for kind in kinds)
        raise InputError(f"{name} needs {wanted} data, got {dtype}: cast it first")
