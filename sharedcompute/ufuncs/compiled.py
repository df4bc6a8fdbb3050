"""Compiles generated kernels, and finds them again in numba's cache."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Callable
from functools import lru_cache
from typing import Any

import numpy as np
from numba import njit
from numba.core import types
from numba.core.dispatcher import Dispatcher
from numba.np.numpy_support import from_dtype

from sharedcompute.kernels.cache import cached
from sharedcompute.ufuncs.promotion import DType
from sharedcompute.ufuncs.sources import NAMES

Argument = tuple[DType, int]
"""The dtype of an array and how many axes it has."""


@lru_cache(maxsize=1024)
def compile_kernel(
    source: str, operands: tuple[Argument, ...], results: tuple[Argument, ...]
) -> Callable[..., None]:
    """Return a compiled kernel.

    Parameters
    ----------
    source : str
        A function from its parameters on. Its arrays are C-contiguous, constants are arguments.
    operands, results : tuple of (dtype, int)
        Arrays that are read and that are filled, with the number of their axes.
    """
    # The name is the key of the cache: numba's own has neither names nor constants of the source.
    name = f"fused_{hashlib.blake2b(source.encode(), digest_size=12).hexdigest()}"
    # What is found in a cache looks for its module by name: so it is this one.
    namespace: dict[str, Any] = {"__name__": __name__, "np": np, "math": math}
    namespace |= {name: getattr(np, dtype.name) for dtype, name in NAMES.items()}
    namespace["b1"] = np.bool_
    exec(compile(f"def {name}{source}", __file__, "exec"), namespace)
    function: Callable[..., None] = namespace[name]
    kernel = cached(njit(nogil=True, error_model="numpy"))(function)
    if isinstance(kernel, Dispatcher):  # not with NUMBA_DISABLE_JIT
        kernel.compile((*map(_read, operands), *map(_filled, results)))
        kernel.disable_compile()
    return kernel


def _read(argument: Argument) -> types.Array:
    # An array that may be written to passes for one that may not.
    dtype, axes = argument
    return types.Array(from_dtype(dtype), axes, "C", readonly=True)


def _filled(argument: Argument) -> types.Array:
    dtype, axes = argument
    return types.Array(from_dtype(dtype), axes, "C")
