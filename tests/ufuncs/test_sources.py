"""Each function as numba computes it, against NumPy on values at all limits: equal to the bit."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from sharedcompute.ufuncs.functions import FUNCTIONS
from sharedcompute.ufuncs.kernel import Kernel
from sharedcompute.ufuncs.program import Builder
from sharedcompute.ufuncs.promotion import find_loop
from sharedcompute.ufuncs.sources import conversion, expression
from tests.ufuncs.expressions import NATIVE, array, bits


def _cases() -> list[Any]:
    """Return each function with each pair of dtypes for which it has a source."""
    cases = []
    for name in sorted({f.name for f in FUNCTIONS.values()} - {"astype", "where", "round"}):
        count = FUNCTIONS[name].operands
        for dtype in NATIVE:
            try:
                loop = find_loop(name, [dtype] * count)
            except TypeError:
                continue
            if expression(name, loop):
                cases.append((name, dtype))
    return cases


def special(dtype: np.dtype[Any]) -> Any:
    """Return values at the limits, and some others."""
    rng = np.random.default_rng(3)
    with np.errstate(all="ignore"):
        return np.concatenate([array(rng, (40,), dtype) for _ in range(4)])


@pytest.mark.sample(30)
@pytest.mark.parametrize(("name", "dtype"), _cases())
def test_a_function_has_the_bits_of_numpy(name: str, dtype: np.dtype[Any]) -> None:
    x = special(dtype)
    count = FUNCTIONS[name].operands
    pairs = [part.ravel() for part in np.meshgrid(*[x] * count)]
    builder = Builder([dtype] * count)
    result = builder.call(name, *range(count))
    # A choice makes it a kernel; its condition is true everywhere.
    true = builder.call("equal", result, result)
    either = builder.call("logical_or", true, builder.call("logical_not", true))
    program = builder.program(builder.call("where", either, result, result))
    out = np.empty(pairs[0].shape, program.dtype)
    Kernel(program, count, fused=True)(*pairs, out)
    with np.errstate(all="ignore"):
        wanted = FUNCTIONS[name].call(*pairs)
    assert bits(out) == bits(wanted)


@pytest.mark.sample(20)
@pytest.mark.parametrize("wanted", NATIVE)
@pytest.mark.parametrize("dtype", NATIVE)
def test_a_conversion_has_the_bits_of_numpy(dtype: np.dtype[Any], wanted: np.dtype[Any]) -> None:
    if conversion("x", dtype, wanted) is None:
        assert dtype.kind == "f"
        assert wanted.kind in "iu"
        return
    x = special(dtype)
    builder = Builder([dtype])
    result = builder.call("astype", 0, attributes=(("dtype", wanted),))
    program = builder.program(builder.call("where", builder.call("equal", 0, 0), result, result))
    out = np.empty(x.shape, wanted)
    Kernel(program, 1, fused=True)(x, out)
    with np.errstate(all="ignore"):
        assert bits(out) == bits(x.astype(wanted))


@pytest.mark.parametrize("bounds", [(0, 1), (-0.0, 2.5), (3, -3), (float("nan"), 1), (1e9, 1e10)])
@pytest.mark.parametrize("dtype", [np.dtype(code) for code in ("u1", "i8", "f4", "f8")])
def test_clip_to_numbers_is_part_of_a_kernel(dtype: np.dtype[Any], bounds: Any) -> None:
    if dtype == np.uint8 and bounds == (3, -3):
        return  # NumPy refuses it
    x = special(dtype)
    builder = Builder([dtype])
    clipped = builder.call("clip", 0, *map(builder.constant, bounds))
    program = builder.program(builder.call("multiply", clipped, clipped))
    out = np.empty(x.shape, program.dtype)
    Kernel(program, 1, fused=True)(x, out)
    with np.errstate(all="ignore"):
        wanted = np.clip(x, *bounds)
        assert bits(out) == bits(wanted * wanted)
