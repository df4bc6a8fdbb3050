"""Expressions in job files: inputs by name, several results, operations after them."""

from __future__ import annotations

from pathlib import Path

import h5py
import numpy as np
import pytest

import sharedcompute as sc
from tests.cli.conftest import Cli, read

U, V = (np.random.default_rng(n).normal(size=(30, 4)) for n in range(2))

INPUTS = """
[inputs]
u = "wind.h5::/u"
v = "wind.h5::/v"
"""

WIND = f"""
output = "out.h5::/g"
filter = "gzip:1"
{INPUTS}
[[steps]]
expr = "speed = sqrt(u**2 + v**2)"
save = "/speed"

[[steps]]
op = "gaussian"
params = {{ sigma = 2.0 }}
save = "/smooth"

[[steps]]
op = ["mean", "max"]
axis = "all"

[[steps]]
expr = "slow = speed < 1; part = mean(where(slow, 1.0, 0.0)); m = mean(speed, axis=0)"
save = "/more"

[[steps]]
expr = "min(u)"
"""


@pytest.fixture
def wind(folder: Path) -> Path:
    with h5py.File("wind.h5", "w") as file:
        file["u"], file["v"] = U, V
    return folder


def test_steps_go_on_from_an_expression(wind: Path, cli: Cli) -> None:
    Path("job.toml").write_text(WIND)
    said = cli("run", "job.toml")
    assert said.code == 0, said.err
    speed = np.sqrt(U**2 + V**2)
    np.testing.assert_array_equal(read("out.h5", "g/speed"), speed)
    np.testing.assert_array_equal(read("out.h5", "g/smooth"), sc.map("gaussian", speed, sigma=2))
    np.testing.assert_array_equal(read("out.h5", "g/more/slow"), speed < 1)
    np.testing.assert_allclose(read("out.h5", "g/more/part"), (speed < 1).mean())
    np.testing.assert_allclose(read("out.h5", "g/more/m"), speed.mean(axis=0))
    assert "after gaussian of speed:" in said.out
    assert "min(u)" in said.out


def test_results_are_returned_in_python(wind: Path) -> None:
    lines = [INPUTS, "[[steps]]", 'expr = "u - v"', "[[steps]]", 'op = "max"', 'axis = "all"']
    Path("job.toml").write_text("\n".join([*lines, "[[steps]]", 'expr = "u * v"', ""]))
    between, largest, product = sc.run("job.toml")
    assert between is None
    assert largest["max"] == (U - V).max()
    np.testing.assert_array_equal(product, U * V)


def test_a_chain_begins_with_an_input_or_with_an_expression(wind: Path, cli: Cli) -> None:
    steps = ("[[steps]]", 'op = "max"', 'axis = "all"', "[[steps]]", 'expr = "min(v)"')
    lines = ['input = "wind.h5::/u"', "[inputs]", 'v = "wind.h5::/v"', *steps]
    Path("job.toml").write_text("\n".join(lines))
    largest, least = sc.run("job.toml")
    assert (largest["max"], least) == (U.max(), V.min())


@pytest.mark.parametrize(
    ("inputs", "steps", "message"),
    [
        (INPUTS, ['expr = "u - w"'], "job.toml in step 1: unknown name 'w': known: u, v"),
        (INPUTS, ['expr = "u"'], "no expr uses the input 'v': leave it out"),
        (INPUTS, ['expr = "u - v"', 'op = "max"'], "op does not go with expr in step 1"),
        (INPUTS, ["expr = 3"], "expected expr = "),
        (INPUTS, ['expr = "u +* v"'], "job.toml in step 1: expected an expression"),
        ("", ['expr = "u"'], "job.toml in step 1: unknown name 'u'"),
        ("[inputs]\npi = 'wind.h5::/u'", ['expr = "pi"'], "inputs: pi means something else"),
        ("[inputs]\nu = 3", ['expr = "u"'], 'inputs: job.toml: expected u = "FILE::PATH", got 3'),
        ("inputs = 3", ['expr = "u"'], 'expected [inputs] with NAME = "FILE::PATH", got 3'),
        (f"input = 'wind.h5::/u'{INPUTS}", ['expr = "u - v"'], "expected [inputs] alone"),
    ],
)
def test_what_cannot_run_is_one_error(
    inputs: str, steps: list[str], message: str, wind: Path, cli: Cli, no_workers: None
) -> None:
    Path("job.toml").write_text("\n".join([inputs, "[[steps]]", *steps]))
    said = cli("run", "job.toml")
    assert said.code == 2
    assert message in said.err
