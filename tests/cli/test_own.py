"""--op-from: operations of the user's own."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from scipy import ndimage

from tests.cli.conftest import Cli, read
from tests.cli.test_bad_input import assert_refused

OWN = """
import numba
import numpy as np
import sharedcompute as sc
from sharedcompute.operations.kinds import number

@numba.njit(nogil=True)
def add(x, out, amount):
    for i in range(x.shape[0]):
        for j in range(x.shape[1]):
            out[i, j] = x[i, j] + amount

def plain(x, out):
    np.multiply(x, 10, out=out)

@numba.njit(nogil=True)
def three_rows(x, out):
    for i in range(out.shape[0]):
        for j in range(out.shape[1]):
            out[i, j] = (x[i, j] + x[i + 1, j] + x[i + 2, j]) / 3

@numba.njit(nogil=True)
def squares(x, skipna, total):
    for i in range(x.shape[0]):
        for j in range(x.shape[1]):
            total[j] += x[i, j] ** 2

def together(a, b, skipna):
    a["total"] += b["total"]

def root(state, params):
    return np.sqrt(state["total"])

plus = sc.Map("plus", add, "adds", (sc.Parameter("amount", number, "is added", 1.0),))
tenfold = sc.Map("tenfold", plain)
smooth = sc.Stencil("smooth", three_rows, halo=1, mode="nearest")
norm = sc.Reduce(
    "norm",
    sc.Partial(squares, (sc.Field("total", lambda dtype: np.dtype("f8")),), together),
    root,
    dtype=lambda dtype, params: np.dtype("f8"),
)
not_one = 3
"""


@pytest.fixture
def own(sample: Path) -> Iterator[str]:
    """The name of a file with operations; each test has its own, as modules are imported once."""
    name = f"own_{sample.name}"
    Path(f"{name}.py").write_text(OWN)
    return f"{name}.py"  # type: ignore[return-value]


ENGINES = [["--engine", "serial"], ["--engine", "local", "-j", "2", "--block-rows", "4"]]


@pytest.mark.parametrize("how", ENGINES, ids=["serial", "local"])
@pytest.mark.sample(1)
def test_maps_stencils_and_reductions_of_ones_own(
    cli: Cli, sample: Path, own: str, how: list[str]
) -> None:
    x = read("in.h5", "whole")
    words = ["in.h5::/whole", "out.h5", "--overwrite", *how]
    assert cli("map", "--op-from", f"{own}:plus", *words, "-p", "amount=2.5") == (0, "", "")
    np.testing.assert_array_equal(read("out.h5", "whole"), x + 2.5)
    assert cli("map", "--op-from", f"{own}:tenfold", *words) == (0, "", "")
    np.testing.assert_array_equal(read("out.h5", "whole"), x * 10)
    assert cli("map", "--op-from", f"{own}:smooth", *words) == (0, "", "")
    want = ndimage.uniform_filter1d(x, 3, axis=0, mode="nearest")
    np.testing.assert_allclose(read("out.h5", "whole"), want, rtol=1e-14)
    assert cli("reduce", "--op-from", f"{own}:norm", *words).code == 0
    np.testing.assert_allclose(read("out.h5", "norm"), np.linalg.norm(x, axis=0), rtol=1e-14)


OTHER_ROWS = """
import numpy as np
import sharedcompute as sc

half = sc.Map("half", lambda x: (x[::2] + x[1::2]) / 2, ratio=(1, 2))
above = sc.Map(
    "above", lambda x, first: first + np.flatnonzero(x[:, 0] > 20), rows=True, variable=True
)
both = sc.Map("both", lambda x: (x, x), outputs=2)
total = sc.Map("total", lambda x, y: x + y, inputs=2)

def returning(x):
    return x.sum(axis=1)
"""


@pytest.mark.parametrize("how", ENGINES, ids=["serial", "local"])
@pytest.mark.sample(1)
def test_maps_of_ones_own_return_other_rows(cli: Cli, sample: Path, how: list[str]) -> None:
    name = f"rows_{sample.name}"
    Path(f"{name}.py").write_text(OTHER_ROWS)
    x = read("in.h5", "whole")
    words = ["in.h5::/whole", "out.h5", "--overwrite", *how]
    assert cli("map", "--op-from", f"{name}.py:half", *words) == (0, "", "")
    np.testing.assert_array_equal(read("out.h5", "whole"), (x[::2] + x[1::2]) / 2)
    assert cli("map", "--op-from", f"{name}.py:above", *words) == (0, "", "")
    np.testing.assert_array_equal(read("out.h5", "whole"), np.flatnonzero(x[:, 0] > 20))
    assert cli("map", "--op-from", f"{name}.py:returning", *words) == (0, "", "")
    np.testing.assert_array_equal(read("out.h5", "whole"), x.sum(axis=1))
    for op, text in (("both", "both has 2 outputs"), ("total", "total takes 2 inputs, got 1")):
        said = cli("map", "--op-from", f"{name}.py:{op}", *words)
        assert (said.code, said.out) == (2, "")
        assert text in said.err


def test_own_and_known_reductions_share_a_pass(cli: Cli, sample: Path, own: str) -> None:
    said = cli("reduce", "norm,max", "in.h5::/whole", "--op-from", f"{own}:norm", "--axis", "all")
    header, row = said.out.splitlines()
    assert header.split() == ["norm", "max"]
    norm = np.linalg.norm(read("in.h5", "whole"))
    assert row.split() == [f"{norm:.10g}", "59"]


def test_an_own_parameter_is_checked_as_others_are(
    cli: Cli, sample: Path, own: str, no_workers: None
) -> None:
    line = f"map --op-from {own}:plus in.h5::/whole out.h5 -p amonut=2"
    said = cli(*line.split())
    assert (said.code, said.out) == (2, "")
    assert "did you mean 'amount'" in said.err


BROKEN = {
    "broken.py:op": "cannot be imported",
    "own.py:plsu": "did you mean 'plus'",
    "own.py:not_one": "got a int",
    "own.py": "FILE.py:NAME",
    "none.py:op": "a file that exists",
    "in.h5:op": "ends in .py",
    "json.py:op": "rename the file",
}


@pytest.mark.parametrize("reference", BROKEN)
def test_what_is_no_operation_is_refused(
    cli: Cli, sample: Path, no_workers: None, monkeypatch: pytest.MonkeyPatch, reference: str
) -> None:
    monkeypatch.setattr("sys.dont_write_bytecode", True)
    name = f"own_{sample.name}.py"
    Path(name).write_text(OWN)
    Path("broken.py").write_text("1 / 0\n")
    Path("json.py").write_text(OWN)
    line = f"map --op-from {reference.replace('own.py', name)} in.h5::/whole out.h5"
    assert_refused(cli, sample, line, 2, BROKEN[reference])
