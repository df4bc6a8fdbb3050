"""Unpacking of stored rows into the numbers that they mean, as plain data."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class Unpacking:
    """Unpacking of stored rows into the numbers that they mean. It pickles.

    Those of equal sources are equal.

    Parameters
    ----------
    kernel : callable or None
        ``kernel(rows, out, *args)``, both C-contiguous; None where a cast does it.
    args : tuple
    dtype : numpy.dtype
        Of what it gives.
    taken : numpy.dtype or None
        What rows are cast to before; None: they are taken as they are.
    """

    kernel: Callable[..., None] | None
    args: tuple[Any, ...] = field(compare=False)
    dtype: np.dtype[Any]
    taken: np.dtype[Any] | None = None

    def of(self, rows: NDArray[Any]) -> NDArray[Any]:
        """Return the numbers that `rows` mean."""
        if self.kernel is None:
            return rows.astype(self.dtype)
        rows = np.ascontiguousarray(rows, self.taken)
        out: NDArray[Any] = np.empty(rows.shape, self.dtype)
        self.kernel(rows, out, *self.args)
        return out
