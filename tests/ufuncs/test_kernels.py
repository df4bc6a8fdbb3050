"""Programs on strips of rows, against NumPy on whole arrays: equal to the bit."""

from __future__ import annotations

import pickle

import numpy as np
import pytest

from sharedcompute.ufuncs.evaluate import evaluate
from sharedcompute.ufuncs.kernel import Kernel
from tests.ufuncs.expressions import EXACT, NATIVE, Expression, bits, expression

SHAPES = [(23,), (9, 1), (11, 5), (10, 3, 7), (6, 2, 1, 33), (1, 4)]


def run(kernel: Kernel, case: Expression, rows: int) -> np.ndarray:
    """Return what a kernel makes of strips of so many rows."""
    out = np.empty(case.wanted.shape, kernel.program.dtype)
    strips, residents = case.operands[: case.strips], case.operands[case.strips :]
    for first in range(0, len(out), rows):
        part = slice(first, first + rows)
        kernel(*(x[part] for x in strips), out[part], *residents)
    return out


@pytest.mark.sample(60)
@pytest.mark.parametrize("seed", range(3000))
def test_numpy_on_strips_equals_numpy_on_whole_arrays(seed: int) -> None:
    case = expression(seed, SHAPES[seed % len(SHAPES)])
    assert case.program.dtype == case.wanted.dtype
    assert bits(evaluate(case.program, case.operands)) == bits(case.wanted)
    kernel = pickle.loads(pickle.dumps(Kernel(case.program, case.strips)))
    for rows in (1, 2, 3, 7, 4099):
        assert bits(run(kernel, case, rows)) == bits(case.wanted), str(case.program)


@pytest.mark.sample(12)
@pytest.mark.parametrize("seed", range(600))
def test_fused_kernels_have_the_bits_of_numpy(seed: int) -> None:
    case = expression(seed, SHAPES[seed % len(SHAPES)], EXACT, NATIVE, depth=6)
    kernel = Kernel(case.program, case.strips, fused=True)
    for rows in (1, 2, 3, 7, 4099):
        assert bits(run(kernel, case, rows)) == bits(case.wanted), str(case.program)


@pytest.mark.sample(8)
@pytest.mark.parametrize("seed", range(400))
def test_fused_and_other_steps_mix(seed: int) -> None:
    case = expression(seed, SHAPES[seed % len(SHAPES)], depth=8)
    kernel = Kernel(case.program, case.strips, fused=True)
    for rows in (2, 7, 4099):
        assert bits(run(kernel, case, rows)) == bits(case.wanted), str(case.program)


@pytest.mark.sample(6)
@pytest.mark.parametrize("fused", [False, True])
@pytest.mark.parametrize("shape", [(9001,), (300, 131), (3, 70001), (5, 3, 9001)])
@pytest.mark.parametrize("seed", range(12))
def test_large_strips_are_done_in_pieces(seed: int, shape: tuple[int, ...], fused: bool) -> None:
    case = expression(seed + 100, shape)
    kernel = Kernel(case.program, case.strips, fused=fused)
    for rows in (4099, 7, 10_000):
        assert bits(run(kernel, case, rows)) == bits(case.wanted), str(case.program)
