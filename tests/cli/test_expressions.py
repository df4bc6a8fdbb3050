"""Expressions on the command line: as NumPy and xarray, from several files in one read."""

from __future__ import annotations

import json
import os
import signal
from pathlib import Path

import h5py
import numpy as np
import pytest
import xarray as xr

import sharedcompute as sc
from tests.cli.conftest import Cli, read
from tests.cli.processes import start, wait_until_running

RNG = np.random.default_rng(0)
U, V = (RNG.normal(size=(40, 4, 6)).astype("f4") for _ in range(2))
WIND = ("--in", "u=wind.nc::/u", "--in", "v=other.nc::/v")
SPEED = "sqrt(u**2 + v**2)"


@pytest.fixture
def wind(folder: Path) -> Path:
    """u and v of the same grid, in a file each."""
    coordinates = {
        "time": np.arange(40.0),
        "lat": np.linspace(-60, 60, 4),
        "lon": np.arange(6.0),
    }
    for name, values, file in (("u", U, "wind.nc"), ("v", V, "other.nc")):
        made = xr.DataArray(values, coordinates, ("time", "lat", "lon"), attrs={"units": "m s-1"})
        coding = {name: {"chunksizes": (7, 4, 6), "zlib": True}}
        xr.Dataset({name: made}).to_netcdf(file, engine="h5netcdf", encoding=coding)
    return folder


def record(file: str, path: str) -> dict[str, object]:
    """What made a dataset."""
    with h5py.File(file) as opened:
        found: dict[str, object] = json.loads(opened[path].attrs["sharedcompute_job"])
    return found


def test_an_expression_of_two_files_has_the_coordinates_and_no_units(wind: Path, cli: Cli) -> None:
    said = cli("map", "--expr", SPEED, *WIND, "out.nc::/speed", "-j", "2", "--engine", "local")
    assert said.code == 0, said.err
    with xr.open_dataset("out.nc", engine="h5netcdf") as made:
        np.testing.assert_array_equal(made["speed"], np.sqrt(U**2 + V**2))
        assert made["speed"].dims == ("time", "lat", "lon")
        np.testing.assert_array_equal(made["lat"], np.linspace(-60, 60, 4))
        assert "units" not in made["speed"].attrs


def test_several_expressions_are_a_dataset_each(wind: Path, cli: Cli) -> None:
    text = "_s = u**2 + v**2; speed = sqrt(_s); direction = arctan2(v, u); m = mean(speed, axis=0)"
    said = cli("map", "--expr", text, *WIND, "out.h5::/g", "--filter", "gzip:1")
    assert said.code == 0, said.err
    with h5py.File("out.h5") as made:
        assert {"direction", "m", "speed"} <= set(made["g"])
        assert "_s" not in made["g"]
        assert made["g/speed"].compression == "gzip"
    np.testing.assert_array_equal(read("out.h5", "g/speed"), np.sqrt(U**2 + V**2))
    np.testing.assert_array_equal(read("out.h5", "g/direction"), np.arctan2(V, U))
    np.testing.assert_allclose(read("out.h5", "g/m"), np.sqrt(U**2 + V**2).mean(axis=0), 1e-6)


def test_one_named_expression_has_its_name_in_a_file(wind: Path, cli: Cli) -> None:
    assert cli("map", "--expr", "d = u - v", *WIND, "out.h5").code == 0
    np.testing.assert_array_equal(read("out.h5", "d"), U - V)


def test_one_name_needs_no_in(wind: Path, cli: Cli) -> None:
    said = cli("map", "--expr", "u * 2", "wind.nc::/u", "out.h5::/twice", "--rows", "10:20")
    assert said.code == 0, said.err
    np.testing.assert_array_equal(read("out.h5", "twice"), U[10:20] * 2)


def test_inputs_have_windows(wind: Path, cli: Cli) -> None:
    given = ("--in", "u=wind.nc::/u[lat=-20:20]", "--in", "v=other.nc::/v[:, 1:3]")
    assert cli("map", "--expr", "u - v", *given, "out.nc::/d").code == 0
    np.testing.assert_array_equal(read("out.nc", "d"), (U - V)[:, 1:3])
    np.testing.assert_array_equal(read("out.nc", "lat"), [-20, 20])


def test_our_operations_are_functions(wind: Path, cli: Cli) -> None:
    assert cli("map", "--expr", "u - gaussian(u, sigma=2)", *WIND[:2], "out.h5::/d").code == 0
    np.testing.assert_array_equal(read("out.h5", "d"), U - sc.map("gaussian", U, sigma=2))


def test_an_operation_of_the_users_own_is_a_function(wind: Path, cli: Cli) -> None:
    lines = ("import sharedcompute as sc", "", "def half(x, out):", "    out[...] = x / 2", "")
    Path("own.py").write_text("\n".join([*lines, 'op = sc.Map("half", half)', ""]))
    said = cli("map", "--expr", "half(u) + 1", *WIND[:2], "out.h5::/d", "--op-from", "own.py:op")
    assert said.code == 0, said.err
    np.testing.assert_array_equal(read("out.h5", "d"), U / 2 + 1)


def test_numbers_are_printed(wind: Path, cli: Cli) -> None:
    said = cli("map", "--expr", "a = max(u); b = min(v)", *WIND)
    assert said.code == 0, said.err
    head, line = said.out.split("\n")[:2]
    assert head.split() == ["a", "b"]
    np.testing.assert_allclose([float(each) for each in line.split()], [U.max(), V.min()], 1e-6)


@pytest.mark.parametrize("axis", ["rows", "all", "-1", "0,2"])
def test_reductions_of_an_expression(axis: str, wind: Path, cli: Cli) -> None:
    said = cli("reduce", "mean,std", "--expr", SPEED, *WIND, "out.nc", "--axis", axis)
    assert said.code == 0, said.err
    axes = {"rows": 0, "all": None, "-1": -1, "0,2": (0, 2)}[axis]
    speed = np.sqrt(U**2 + V**2)
    np.testing.assert_allclose(read("out.nc", "mean"), speed.mean(axis=axes), 1e-5)
    np.testing.assert_allclose(read("out.nc", "std"), speed.std(axis=axes), 1e-5)
    with h5py.File("out.nc") as made:
        assert "units" not in made["mean"].attrs


def test_reductions_of_an_expression_are_printed_and_nothing_else_is_kept(
    wind: Path, cli: Cli
) -> None:
    said = cli("reduce", "max", "--expr", SPEED, *WIND, "--axis", "all", "--json")
    assert said.code == 0, said.err
    (found,) = json.loads(said.out)["results"]
    assert found == {"max": float(np.sqrt(U**2 + V**2).max())}


def test_reductions_of_several_expressions_are_a_group_each(wind: Path, cli: Cli) -> None:
    text = "a = u - mean(u, axis=0); b = u * v"
    said = cli("reduce", "min,std", "--expr", text, *WIND, "out.h5::/g", "--axis", "0,2")
    assert said.code == 0, said.err
    np.testing.assert_array_equal(read("out.h5", "g/b/min"), (U * V).min(axis=(0, 2)))
    want = (U - U.mean(axis=0)).std(axis=(0, 2))
    np.testing.assert_allclose(read("out.h5", "g/a/std"), want, 1e-5)


def test_scans_and_statistics_of_an_expression(wind: Path, cli: Cli) -> None:
    assert cli("scan", "cumsum", "--expr", "u * v", *WIND, "out.h5::/c").code == 0
    np.testing.assert_allclose(read("out.h5", "c"), np.cumsum(U * V, axis=0), 1e-4, 1e-4)
    said = cli("stats", "--expr", "u - v", *WIND, "stats.h5")
    assert said.code == 0, said.err
    assert read("stats.h5", "max") == (U - V).max()


def test_numbers_are_decoded_where_that_is_asked_for(folder: Path, cli: Cli) -> None:
    x = np.arange(24, dtype="i2").reshape(6, 4)
    with h5py.File("packed.h5", "w") as file:
        file["x"] = x
        file["x"].attrs.update({"scale_factor": 0.5, "add_offset": 10.0, "_FillValue": np.int16(3)})
    with xr.open_dataset("packed.h5", engine="h5netcdf", phony_dims="sort") as opened:
        want = opened["x"].to_numpy() * 2
    given = ("--expr", "x * 2", "--in", "x=packed.h5::/x")
    plain, decoded = cli("map", *given, "a.h5::/y"), cli("map", *given, "b.h5::/y", "--decode-cf")
    assert (plain.code, decoded.code) == (0, 0), decoded.err
    assert "--decode-cf unpacks them" in plain.err
    assert "unpacks" not in decoded.err
    np.testing.assert_array_equal(read("a.h5", "y"), x * 2)
    np.testing.assert_array_equal(read("b.h5", "y"), want)
    assert record("b.h5", "y")["decode_cf"] is True


def test_results_say_what_made_them(wind: Path, cli: Cli) -> None:
    cli("map", "--expr", "s = u**2; t = s + v", *WIND, "out.h5")
    inputs = {"u": "wind.nc::/u", "v": "other.nc::/v"}
    assert record("out.h5", "t") == {"input": inputs, "steps": [{"expression": "u**2 + v"}]}
    cli("reduce", "mean", "--expr", SPEED, *WIND, "mean.h5")
    steps = [{"expression": SPEED}, {"operation": "mean", "axis": "rows"}]
    assert record("mean.h5", "mean") == {"input": inputs, "steps": steps}
    said = cli("verify", "mean.h5")
    assert said.code == 0
    assert "u = wind.nc::/u, v = other.nc::/v: sqrt(u**2 + v**2) | mean(axis=rows)" in said.out


def test_a_plan_of_an_expression_is_printed(wind: Path, cli: Cli) -> None:
    said = cli("map", "--expr", "u - mean(u, axis=0)", *WIND[:2], "out.h5::/d", "--dry-run")
    assert said.code == 0
    assert "pass 2" in said.out
    assert not Path("out.h5").exists()


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("u - w", *WIND, "o.h5::/d"), "unknown name 'w': known: u, v; --in w=ADDRESS gives it"),
        (("u + v", *WIND[:2], "o.h5::/d"), "unknown name 'v': known: u; --in v=ADDRESS gives it"),
        (("u * 2", *WIND, "o.h5::/d"), "got --in v=..., which it does not use: leave it out"),
        (("u", *WIND[:2], *WIND[:2], "o.h5::/d"), "--in: u is wind.nc::/u already"),
        (("u", "--in", "u", "o.h5::/d"), "expected --in NAME=ADDRESS, as in u=wind.nc::/u, got"),
        (("pi", "--in", "pi=wind.nc::/u", "o.h5"), "pi means something else in expressions"),
        (("u - v", "o.h5::/d"), "expected --in NAME=ADDRESS for each of u, v, got none"),
        (("u - v", *WIND, "o.h5"), "expected o.h5::/NAME, or a name in the expression"),
        (("u - v", *WIND), "u-v has 960 numbers, too many to print".replace("-", " - ")),
        (("u - v", *WIND, "a", "b"), "expected map --expr TEXT [OUTPUT], got a b"),
        (("sqr(u)", *WIND[:2], "o.h5::/d"), "unknown function 'sqr': did you mean 'sqrt'?"),
        (("u and v", *WIND, "o.h5::/d"), "got and; write u & v"),
        (("u", "--in", "u=wind.nc::/w", "o.h5::/d"), "u: expected a dataset at"),
        (("u", *WIND[:2], "o.h5::/d", "-p", "a=1"), "expected parameters in the expression, got a"),
        (("1 + 1", *WIND[:2], "o.h5::/d"), "which it does not use"),
        (("_a = u", *WIND[:2], "o.h5"), "got only names that begin with an underscore"),
    ],
)
def test_what_is_no_expression_is_one_error(
    words: tuple[str, ...], message: str, wind: Path, cli: Cli, no_workers: None
) -> None:
    said = cli("map", "--expr", *words)
    assert said.code == 2
    assert message in said.err
    assert not Path("o.h5").exists()


def test_the_place_of_an_error_is_underlined(wind: Path, cli: Cli) -> None:
    words = ("--in", "u=wind.nc::/u", "--in", "v=other.nc::/v[0:10]", "o.h5::/d")
    said = cli("map", "--expr", "2 * (u - v)", *words)
    assert said.code == 2
    first, *place = said.err.rstrip("\n").split("\n")
    assert "(40, 4, 6) and (10, 4, 6)" in first
    assert place == ["    2 * (u - v)", "         ^^^^^"]


@pytest.mark.parametrize("command", ["reduce", "scan", "stats", "map"])
def test_names_without_an_expression_are_refused(command: str, wind: Path, cli: Cli) -> None:
    op = {"reduce": ["mean"], "scan": ["cumsum"], "map": ["clip"]}.get(command, [])
    said = cli(command, *op, *WIND, "o.h5")
    assert said.code == 2
    assert "expected --expr TEXT that uses --in u=wind.nc::/u, got none" in said.err


SLOW = """
import time
import sharedcompute as sc

def slow(x, out):
    if len(x) > 1:
        open("running", "a").close()
        time.sleep(0.05)
    out[...] = x

op = sc.Map("slow", slow)
"""


def test_a_killed_job_of_an_expression_goes_on(wind: Path, cli: Cli) -> None:
    Path("slowly.py").write_text(SLOW)
    words = ["map", "--expr", f"slow({SPEED}) * 2", *WIND, "--op-from", "slowly.py:op"]
    more = ["--block-rows", "2", "--engine", "local", "-j", "1", "--chunks", "2,4,6"]
    assert cli(*words, "whole.h5::/s", *more).code == 0
    Path("running").unlink()
    process = start(wind, *words, "out.h5::/s", *more)
    wait_until_running(wind, process)
    os.killpg(process.pid, signal.SIGKILL)
    process.communicate()
    said = cli(*words, "out.h5::/s", *more, "--resume")
    assert said.code == 0, said.err
    np.testing.assert_array_equal(read("out.h5", "s"), np.sqrt(U**2 + V**2) * 2)
    other = cli("map", "--expr", "u - v", *WIND, "out.h5::/s", "--resume")
    assert other.code in (2, 3)


def test_expressions_of_python_are_lazy(wind: Path) -> None:
    found = sc.expr("sqrt(u**2 + v**2)", u=U, v="other.nc::/v")
    assert (found.shape, found.dtype) == (U.shape, np.float32)
    np.testing.assert_array_equal(found.compute(), np.sqrt(U**2 + V**2))
    with pytest.raises(sc.InputError, match="expected one expression, got 2"):
        sc.expr("a = u; b = u + 1", u=U)


def test_plans_have_the_names_of_the_inputs(wind: Path, cli: Cli) -> None:
    said = cli("map", "--expr", SPEED, *WIND, "out.h5::/speed", "--dry-run")
    assert said.code == 0, said.err
    for line in ("input     u = ", "input     v = ", "t1 = sqrt(u**2 + v**2) -> float32"):
        assert line in said.out
    assert cli("map", "--expr", SPEED, *WIND, "out.h5::/speed", "--svg", "plan.svg").code == 0
    assert "sqrt(u**2 + v**2)" in Path("plan.svg").read_text()


def test_a_plan_has_the_name_of_a_window(wind: Path, cli: Cli) -> None:
    given = ("--in", "wind=wind.nc::/u[lat=-20:20]", "--decode-cf")
    said = cli("map", "--expr", "wind[3:] * 2", *given, "out.h5::/twice", "--dry-run")
    assert said.code == 0, said.err
    assert "t1 = wind * 2 -> float32" in said.out
