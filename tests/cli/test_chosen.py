"""--where and --weights: as NumPy and xarray, from files and from expressions."""

from __future__ import annotations

import json
from pathlib import Path

import h5py
import numpy as np
import pytest
import xarray as xr

import sharedcompute as sc
from tests.cli.conftest import Cli, read

X = np.random.default_rng(0).normal(size=(40, 9, 5))
V = np.random.default_rng(1).normal(size=(40, 9, 5))
MASK = X > 0.5
LATITUDE = np.cos(np.linspace(-1, 1, 9))


@pytest.fixture
def field(folder: Path) -> Path:
    with h5py.File("in.h5", "w") as file:
        file["x"], file["v"] = X, V
    with h5py.File("mask.h5", "w") as file:
        file["m"], file["whole"], file["row"] = MASK, MASK.astype("i1"), MASK[0]
    with h5py.File("weights.h5", "w") as file:
        file["w"] = LATITUDE
    return folder


@pytest.mark.parametrize("mask", ["mask.h5::/m", "mask.h5::/whole"])
@pytest.mark.parametrize(("axis", "axes"), [("rows", 0), ("all", None), ("1,2", (1, 2))])
def test_only_chosen_elements_take_part(
    mask: str, axis: str, axes: int | None, field: Path, cli: Cli
) -> None:
    said = cli("reduce", "mean,std", "in.h5::/x", "out.h5", "--where", mask, "--axis", axis)
    assert said.code == 0, said.err
    np.testing.assert_allclose(read("out.h5", "mean"), X.mean(axis=axes, where=MASK), 1e-12)
    np.testing.assert_allclose(read("out.h5", "std"), X.std(axis=axes, where=MASK), 1e-12)


def test_a_mask_is_broadcast(field: Path, cli: Cli) -> None:
    said = cli("reduce", "sum", "in.h5::/x", "--where", "mask.h5::/row", "--axis", "all", "--json")
    assert said.code == 0, said.err
    np.testing.assert_allclose(json.loads(said.out)["results"][0]["sum"], X.sum(where=MASK[0]))


@pytest.mark.parametrize("name", ["mean", "sum", "var", "std"])
def test_weights_are_those_of_xarray(name: str, field: Path, cli: Cli) -> None:
    given = ("--weights", "weights.h5::/w", "--axis", "1")
    said = cli("reduce", name, "in.h5::/x", "out.h5", *given)
    assert said.code == 0, said.err
    array = xr.DataArray(X, dims=["time", "lat", "lon"])
    want = getattr(array.weighted(xr.DataArray(LATITUDE, dims=["lat"])), name)("lat")
    np.testing.assert_allclose(read("out.h5", name), want, 1e-12)


def test_expressions_of_the_inputs_choose(field: Path, cli: Cli) -> None:
    inputs = ("--in", "u=in.h5::/x", "--in", "v=in.h5::/v")
    given = ("--expr", "u * 2", *inputs, "--where", "u > v", "--axis", "all")
    said = cli("reduce", "mean", *given, "--json")
    assert said.code == 0, said.err
    found = json.loads(said.out)["results"][0]["mean"]
    np.testing.assert_allclose(found, (X * 2).mean(where=X > V), 1e-12)


def test_expressions_of_the_inputs_are_weights(field: Path, cli: Cli) -> None:
    inputs = ("--in", "u=in.h5::/x", "--in", "w=weights.h5::/w")
    given = ("--expr", "a = u + 1; b = u - 1", *inputs, "--weights", "w**2", "--axis", "1")
    said = cli("reduce", "mean", *given, "out.h5")
    assert said.code == 0, said.err
    for group, values in (("a", X + 1), ("b", X - 1)):
        want = np.average(values, axis=1, weights=LATITUDE**2)
        np.testing.assert_allclose(read("out.h5", f"{group}/mean"), want, 1e-12)


def test_an_expression_of_one_name_has_input_for_it(field: Path, cli: Cli) -> None:
    given = ("--expr", "x**2", "in.h5::/x", "--where", "x < 0", "--axis", "all")
    said = cli("reduce", "mean", *given, "--json")
    assert said.code == 0, said.err
    found = json.loads(said.out)["results"][0]["mean"]
    np.testing.assert_allclose(found, (X**2).mean(where=X < 0), 1e-12)


def test_the_plan_and_the_record_have_them(field: Path, cli: Cli) -> None:
    given = ("reduce", "mean", "in.h5::/x", "out.h5", "--where", "mask.h5::/m")
    said = cli(*given, "--dry-run")
    assert said.code == 0
    assert "mask.h5::/m" in said.out
    assert "where(mask, x1, 0)" in said.out
    assert not Path("out.h5").exists()
    assert cli(*given).code == 0
    assert "mean(axis=rows, where=mask.h5::/m)" in cli("verify", "out.h5").out


def test_a_job_goes_on_only_with_the_same_mask(field: Path, cli: Cli) -> None:
    given = ("reduce", "mean", "in.h5::/x", "out.h5", "--where")
    assert cli(*given, "mask.h5::/m").code == 0
    assert cli(*given, "mask.h5::/m", "--resume").code == 0
    assert cli(*given, "mask.h5::/whole", "--resume").code != 0


@pytest.mark.parametrize(
    ("given", "words"),
    [
        (("--where", "mask.h5::/n"), "where: expected a dataset at"),
        (("--where", "weights.h5::/w"), "where: expected an array of bool, got float64"),
        (("--where", "mask.h5::/m", "--weights", "weights.h5::/w"), "where or weights, got both"),
        (("--weights", "weights.h5::/w"), "weights: expected a shape that broadcasts"),
    ],
)
def test_what_does_not_suit_is_refused_in_one_line(
    given: tuple[str, ...], words: str, field: Path, cli: Cli
) -> None:
    said = cli("reduce", "mean", "in.h5::/x", "out.h5", *given)
    assert said.code == 2
    assert words in said.err
    assert said.err.count("\n") == 1
    assert not Path("out.h5").exists()


def test_a_name_that_is_not_known_is_shown_in_its_place(field: Path, cli: Cli) -> None:
    given = ("--expr", "u * 2", "--in", "u=in.h5::/x", "--where", "u > w", "--axis", "all")
    said = cli("reduce", "mean", *given)
    assert said.code == 2
    assert "where: unknown name 'w'" in said.err


JOB = """
output = "out.h5"
input = "in.h5::/x"

[inputs]
u = "in.h5::/x"
w = "weights.h5::/w"

[[steps]]
op = "scale"
params = { factor = 2.0 }

[[steps]]
op = ["mean", "std"]
axis = "all"
where = "mask.h5::/m"
save = "/chosen"

[[steps]]
op = "mean"
axis = 1
weights = "w * 2"
save = "/weighed"

[[steps]]
op = "scale"
params = { offset = 1.0 }
save = "/more"

[[steps]]
expr = "half = u / 2"

[[steps]]
op = "sum"
axis = "all"
where = "half > 1"
"""


def test_steps_of_a_job_have_them(field: Path, cli: Cli) -> None:
    Path("jobs").mkdir()
    text = JOB.replace('"in.h5', '"../in.h5').replace('"mask', '"../mask')
    Path("jobs/job.toml").write_text(text.replace('"weights', '"../weights'))
    results = sc.run("jobs/job.toml", overwrite=True)
    np.testing.assert_allclose(results[1]["mean"], (X * 2).mean(where=MASK), 1e-12)
    want = np.average(X * 2, axis=1, weights=LATITUDE)
    np.testing.assert_allclose(read("jobs/out.h5", "weighed/mean"), want, 1e-12)
    np.testing.assert_allclose(results[-1]["sum"], (X / 2).sum(where=X / 2 > 1), 1e-12)
    np.testing.assert_allclose(read("jobs/out.h5", "chosen/std"), (X * 2).std(where=MASK), 1e-12)


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("where = true", 'expected where = "FILE::PATH" in step 1'),
        ('where = "none.h5::/m"', "step 1: where: expected an HDF5 file"),
        ('where = "in.h5::/x"\nweights = "in.h5::/x"', "expected where or weights, got both"),
        ('wheer = "mask.h5::/m"', "did you mean 'where'?"),
    ],
)
def test_a_job_says_what_does_not_suit(line: str, words: str, field: Path, cli: Cli) -> None:
    lines = ['input = "in.h5::/x"', "[[steps]]", 'op = "mean"', 'axis = "all"', line]
    Path("job.toml").write_text("\n".join(lines))
    said = cli("run", "job.toml")
    assert said.code == 2
    assert words in said.err


def test_a_map_has_none(field: Path, cli: Cli) -> None:
    lines = ['input = "in.h5::/x"', "[[steps]]", 'op = "gaussian"', 'where = "mask.h5::/m"']
    Path("job.toml").write_text("\n".join(lines))
    said = cli("run", "job.toml")
    assert said.code == 2
    assert "where is for reductions in step 1, got gaussian" in said.err


def test_python_plans_them_too(field: Path) -> None:
    assert "mask.h5::/m" in str(sc.plan("reduce", "mean", "in.h5::/x", where="mask.h5::/m"))
