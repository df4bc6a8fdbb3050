"""Programs on strips of rows, against NumPy on whole arrays: equal to the bit."""

from __future__ import annotations

import os
import pickle
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest

from sharedcompute.ufuncs.evaluate import evaluate
from sharedcompute.ufuncs.kernel import Kernel
from sharedcompute.ufuncs.program import Builder, Program
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
@pytest.mark.parametrize("seed", range(600))
def test_numpy_on_strips_equals_numpy_on_whole_arrays(seed: int) -> None:
    case = expression(seed, SHAPES[seed % len(SHAPES)])
    assert case.program.dtype == case.wanted.dtype
    assert bits(evaluate(case.program, case.operands)) == bits(case.wanted)
    kernel = pickle.loads(pickle.dumps(Kernel(case.program, case.strips)))
    for rows in (1, 2, 3, 7, 4099):
        assert bits(run(kernel, case, rows)) == bits(case.wanted), str(case.program)


@pytest.mark.sample(12)
@pytest.mark.parametrize("seed", range(120))
def test_fused_kernels_have_the_bits_of_numpy(seed: int) -> None:
    case = expression(seed, SHAPES[seed % len(SHAPES)], EXACT, NATIVE, depth=6)
    kernel = Kernel(case.program, case.strips, fused=True)
    for rows in (1, 2, 3, 7, 4099):
        assert bits(run(kernel, case, rows)) == bits(case.wanted), str(case.program)


@pytest.mark.sample(8)
@pytest.mark.parametrize("seed", range(80))
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


def program(*dtypes: str) -> Program:
    """Return ``sqrt(x0**2 + x1) * 0.5`` of two inputs."""
    builder = Builder([np.dtype(dtype) for dtype in dtypes])
    total = builder.call("add", builder.call("square", 0), 1)
    return builder.program(
        builder.call("multiply", builder.call("sqrt", total), builder.constant(0.5))
    )


@pytest.mark.parametrize("fused", [False, True])
@pytest.mark.parametrize("how", ["apart", "read-only", "at odd addresses", "swapped bytes"])
def test_operands_lie_as_they_lie(how: str, fused: bool) -> None:
    x = np.random.default_rng(0).random(20_000).astype("f8")
    given = {
        "apart": np.repeat(x, 2)[::2],
        "read-only": np.frombuffer(x.tobytes()),
        "at odd addresses": np.frombuffer(b"\0" + x.tobytes(), "f8", offset=1),
        "swapped bytes": x.astype(">f8"),
    }[how]
    kernel = Kernel(program(given.dtype.str, "f8"), 2, fused=fused)
    out = np.empty_like(x)
    kernel(given, x, out)
    assert out.tobytes() == (np.sqrt(x**2 + x) * 0.5).tobytes()


@pytest.mark.parametrize("fused", [False, True])
def test_residents_are_rows_columns_and_numbers(fused: bool) -> None:
    x = np.random.default_rng(0).random((6, 4, 3))
    kernel = Kernel(program("f8", "f8"), 1, fused=fused)
    for resident in (x[0], x[:1], x[0, 0], x[0, :, :1], x[0, 0, 0], np.array(2.5), 2.5):
        out = np.empty_like(x)
        for row in range(6):
            kernel(x[row : row + 1], out[row : row + 1], resident)
        assert out.tobytes() == (np.sqrt(x**2 + resident) * 0.5).tobytes()


@pytest.mark.parametrize("fused", [False, True])
def test_nothing_is_done_for_no_elements(fused: bool) -> None:
    kernel = Kernel(program("f8", "f8"), 2, fused=fused)
    for shape in ((0,), (0, 3), (2, 0)):
        kernel(np.empty(shape), np.empty(shape), np.empty(shape))


def test_shapes_that_do_not_broadcast_are_said() -> None:
    kernel = Kernel(program("f8", "f8"), 1)
    with pytest.raises(ValueError, match=r"shape \(5,\) does not broadcast to a strip \(2, 4\)"):
        kernel(np.ones((2, 4)), np.ones((2, 4)), np.ones(5))


@pytest.mark.parametrize("fused", [False, True])
def test_threads_share_a_kernel(fused: bool) -> None:
    case = expression(7, (64, 500))
    kernel = Kernel(case.program, case.strips, fused=fused)
    with ThreadPoolExecutor(4) as threads:
        results = list(threads.map(lambda rows: run(kernel, case, rows), [1, 5, 16, 64] * 4))
    assert {bits(result) for result in results} == {bits(case.wanted)}


def test_errors_of_arithmetic_are_not_told() -> None:
    out = np.empty(3)
    with np.errstate(all="raise"):
        Kernel(program("f8", "f8"), 2)(np.full(3, 1e200), np.full(3, -np.inf), out)
    assert np.isnan(out).all() or np.isinf(out).all()


def test_multiply_and_add_are_rounded_each() -> None:
    builder = Builder([np.dtype("f8")] * 3)
    fma = builder.program(builder.call("add", builder.call("multiply", 0, 1), 2))
    x, y = np.random.default_rng(0).random((2, 100_000)) + 1
    out = np.empty_like(x)
    Kernel(fma, 3, fused=True)(x, y, -x * y, out)
    assert not out.any()


def test_a_kernel_is_compiled_where_it_pays() -> None:
    kernel = Kernel(program("f4", "f4"), 2)
    assert not kernel.for_elements(1000).fused
    assert kernel.for_elements(10**9).fused


def test_another_process_finds_a_kernel_in_the_cache(tmp_path: Path) -> None:
    source = (
        "import pickle, sys, numpy as np\n"
        "kernel = pickle.loads(bytes.fromhex(sys.argv[1]))\n"
        "kernel.compile((8,), (8,), (8,))\n"
        "x = np.arange(8.0); out = np.empty(8); kernel(x, x, out)\n"
        "print(out.tobytes() == (np.sqrt(x**2 + x) * 0.5).tobytes())\n"
    )
    sent = pickle.dumps(Kernel(program("f8", "f8"), 2, fused=True)).hex()
    env = os.environ | {"NUMBA_CACHE_DIR": str(tmp_path)}
    written = []
    for _ in range(2):
        said = subprocess.run(
            [sys.executable, "-c", source, sent],
            env=env,
            capture_output=True,
            text=True,
            check=True,
        )
        assert said.stdout == "True\n", said.stderr
        written.append({p: p.stat().st_mtime_ns for p in tmp_path.rglob("*fused*")})
    assert len(written[0]) == 1
    assert written[0] == written[1]
