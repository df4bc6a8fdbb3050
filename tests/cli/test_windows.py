"""Windows after an address, and ``--rows``, on the command line and in job files."""

from __future__ import annotations

import json
from pathlib import Path

import h5py
import numpy as np
import pytest

import sharedcompute as sc
from sharedcompute.engines.durability.identity import header_of

from .conftest import Cli, read

DATA = np.random.default_rng(3).normal(size=(60, 8, 5))


@pytest.fixture
def x(folder: Path) -> np.ndarray:
    """The dataset x of in.h5, with latitudes."""
    with h5py.File("in.h5", "w") as file:
        file.create_dataset("x", data=DATA, chunks=(7, 8, 5), compression=1)
        file["lat"] = np.linspace(70.0, 0.0, 8)
        file["lat"].make_scale("lat")
        file["x"].dims[1].attach_scale(file["lat"])
    return DATA


def test_every_kind_of_job_takes_a_window(x: np.ndarray, cli: Cli) -> None:
    window = "in.h5::/x[3:50:2, 2:, ::-1]"
    part = x[3:50:2, 2:, ::-1]
    assert cli("map", "scale", window, "map.h5", "-p", "factor=2").code == 0
    np.testing.assert_array_equal(read("map.h5", "x"), 2 * part)
    np.testing.assert_array_equal(read("map.h5", "lat"), np.linspace(70.0, 0.0, 8)[2:])
    assert cli("reduce", "max", window, "out.h5").code == 0
    np.testing.assert_array_equal(read("out.h5", "max"), part.max(axis=0))
    assert cli("scan", "cummax", window, "scan.h5::/y").code == 0
    np.testing.assert_array_equal(read("scan.h5", "y"), np.maximum.accumulate(part))
    said = cli("stats", "in.h5::/x[lat=20:50]", "--json")
    assert json.loads(said.out)["results"][0]["count"] == 60 * 4 * 5
    fit = ("fit", "kmeans", "in.h5::/x[:, 0, :]", "fit.h5", "-p", "n_clusters=2")
    assert cli(*fit, "-p", "random_state=0").code == 0
    assert read("fit.h5", "cluster_centers").shape == (2, 5)
    assert cli("verify", "map.h5").code == 0


def test_workers_read_a_window_as_one_process_does(x: np.ndarray, cli: Cli) -> None:
    words = ("map", "gaussian", "in.h5::/x[5:55, 1:]", "-p", "sigma=1", "--block-rows", "4")
    for engine in ("serial", "local"):
        out = (*words[:3], f"{engine}.h5", *words[3:])
        assert cli(*out, "--engine", engine, "-j", "2").code == 0
    assert Path("serial.h5").read_bytes() == Path("local.h5").read_bytes()


def test_rows(x: np.ndarray, cli: Cli, tmp_path: Path) -> None:
    assert cli("reduce", "max", "in.h5::/x", "out.h5", "--rows", "10:30").code == 0
    np.testing.assert_array_equal(read("out.h5", "max"), x[10:30].max(axis=0))
    assert (
        cli("map", "scale", "in.h5::/x[:, 0]", "y.h5", "-p", "factor=2", "--rows", "-5:").code == 0
    )
    np.testing.assert_array_equal(read("y.h5", "x"), 2 * x[-5:, 0])
    (tmp_path / "job.toml").write_text(
        'input = "in.h5::/x[:, 2:4]"\nrows = "20:"\noutput = "job.h5"\n'
        '[[steps]]\nop = "max"\nsave = "/r"\n'
    )
    assert cli("run", tmp_path / "job.toml").code == 0
    np.testing.assert_array_equal(read("job.h5", "r/max"), x[20:, 2:4].max(axis=0))
    assert cli("reduce", "max", "in.h5::/x", "--rows", "ten").code == 2


@pytest.mark.parametrize("rows", [slice(10, 30), "10:30", slice(None, None, 7)])
def test_rows_in_python(x: np.ndarray, rows: slice | str) -> None:
    expected = x[10:30] if rows == "10:30" else x[rows]
    for given in ("in.h5::/x", x, sc.asarray(x), sc.open("in.h5::/x")):
        made = sc.reduce("max", given, rows=rows)
        np.testing.assert_array_equal(made, expected.max(axis=0))


def test_info_and_the_plan_name_the_window(x: np.ndarray, cli: Cli) -> None:
    (one,) = json.loads(cli("info", "in.h5::/x[3:9, :, 0]", "--json").out)
    assert (one["path"], one["shape"]) == ("/x[3:9, :, 0]", [6, 8])
    words = ("map", "scale", "in.h5::/x[lat=20:50]", "out.h5", "-p", "factor=2")
    assert "in.h5::/x[:, 2:6, :]  60 x 4 x 5" in cli(*words, "--dry-run").out
    assert cli(*words).code == 0
    assert "in.h5::/x[:, 2:6, :]" in cli("verify", "out.h5").out


def test_a_job_over_another_window_is_another_job(x: np.ndarray) -> None:
    found = []
    for window in ("[0:20]", "[20:40]", ""):
        plan = sc.plan("reduce", "max", f"in.h5::/x{window}", "out.h5")._plan
        found.append(header_of(plan, None)["identity"])
    assert [one.get("the window of the input") for one in found] == [
        "[0:20, :, :]",
        "[20:40, :, :]",
        None,
    ]


def test_wrong_windows_are_one_line(x: np.ndarray, cli: Cli) -> None:
    for window, word in (
        ("[99]", "out of bounds"),
        ("[lon=3]", "'lon'"),
        ("[lat=33]", "30.0"),
        ("[lat=80:90]", "found none"),
    ):
        said = cli("reduce", "max", f"in.h5::/x{window}", "out.h5")
        assert (said.code, said.err.count("\n")) == (2, 1)
        assert word in said.err
    assert cli("repack", "in.h5::/x[0:3]", "small.h5").code == 2
