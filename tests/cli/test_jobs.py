"""map, reduce, scan and stats: the right numbers, and nothing but results on stdout."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
from scipy import ndimage

from tests.cli.conftest import Cli, read, values
from tests.operations import reference

MAPS: list[tuple[str, dict[str, Any]]] = [
    ("cast", {"dtype": "f8"}),
    ("scale", {"factor": 2.5, "offset": -1}),
    ("clip", {"lower": -0.5, "upper": 0.75}),
    ("threshold", {"level": 0.1, "value": -9}),
    ("anomaly", {}),
    ("zscore", {}),
    ("gaussian", {"sigma": "1.5,0.7"}),
    ("gaussian", {"sigma": 2, "axes": 0, "mode": "wrap"}),
    ("uniform", {"size": "[3, 2]"}),
    ("median", {"size": 3, "mode": "nearest"}),
    ("sobel", {"axis": 0}),
    ("laplace", {"mode": "constant", "cval": 1.5}),
]


def given(params: dict[str, Any]) -> list[str]:
    return [word for name, value in params.items() for word in ("-p", f"{name}={value}")]


def meant(params: dict[str, Any]) -> dict[str, Any]:
    """What the text of a parameter means in Python."""
    lists = {"1.5,0.7": (1.5, 0.7), "[3, 2]": (3, 2)}
    return {k: lists.get(v, v) if isinstance(v, str) else v for k, v in params.items()}


@pytest.mark.sample(6)
@pytest.mark.parametrize(("name", "params"), MAPS)
def test_a_map_writes_what_its_reference_gives(
    cli: Cli, sample: Path, name: str, params: dict[str, Any]
) -> None:
    said = cli("map", name, "in.h5::/whole", "out.h5", *given(params))
    assert said == (0, "", "")
    want = {**reference.MAPS, **reference.STENCILS}[name](read("in.h5", "whole"), **meant(params))
    np.testing.assert_allclose(read("out.h5", "whole"), want, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("name", ["cumsum", "cumprod", "cummax"])
@pytest.mark.parametrize("skipna", [False, True])
def test_a_scan_writes_what_numpy_gives(cli: Cli, sample: Path, name: str, skipna: bool) -> None:
    said = cli("scan", name, "in.h5::/x", "out.h5::/a/b", *(["--skipna"] if skipna else []))
    assert said == (0, "", "")
    want = reference.SCANS[name](values(), skipna=skipna)
    np.testing.assert_allclose(read("out.h5", "a/b"), want, rtol=1e-6)


@pytest.mark.parametrize("axis", ["rows", "all"])
def test_reductions_share_a_pass_and_a_group(cli: Cli, sample: Path, axis: str) -> None:
    names = "count,nan_count,sum,prod,mean,var,std,min,max,argmin,argmax,any,all"
    said = cli("reduce", names, "in.h5::/whole", "out.h5::/stats", "--axis", axis)
    assert said.code == 0
    assert said.err == ""
    x = read("in.h5", "whole")
    for name in names.split(","):
        want = reference.REDUCTIONS[name](x, 0 if axis == "rows" else None)
        np.testing.assert_allclose(read("out.h5", f"stats/{name}"), want, rtol=1e-12)


def test_reduce_without_an_output_prints_few_results(cli: Cli, sample: Path) -> None:
    said = cli("reduce", "mean,max", "in.h5::/whole")
    header, *rows = said.out.splitlines()
    assert header.split() == ["column", "mean", "max"]
    assert [row.split() for row in rows] == [
        [str(i), f"{m:.10g}", f"{a:.10g}"]
        for i, (m, a) in enumerate(zip(np.arange(27.5, 32), np.arange(55.0, 60), strict=True))
    ]


def test_stats_are_of_all_elements_by_default(cli: Cli, sample: Path) -> None:
    said = cli("stats", "in.h5::/x", "--skipna", "--json")
    (found,) = json.loads(said.out)["results"]
    x = values()
    assert said.err == ""
    assert (found["count"], found["nan_count"]) == (59, 1)
    np.testing.assert_allclose(found["mean"], np.nanmean(x), rtol=1e-6)
    np.testing.assert_allclose(found["std"], np.nanstd(x), rtol=1e-6)
    assert (found["min"], found["max"]) == (np.nanmin(x), np.nanmax(x))


def test_stats_prints_a_table_that_has_the_numbers(cli: Cli, sample: Path) -> None:
    header, row = cli("stats", "in.h5::/whole").out.splitlines()
    assert header.split() == ["count", "nan_count", "mean", "std", "min", "max"]
    assert row.split()[:3] == ["60", "0", "29.5"]


def test_stats_of_complex_data_leaves_out_what_has_no_order(cli: Cli, sample: Path) -> None:
    (found,) = json.loads(cli("stats", "in.h5::/complex", "--json").out)["results"]
    assert list(found) == ["count", "nan_count", "mean", "std"]


def test_stats_with_an_output_writes_them_by_column(cli: Cli, sample: Path) -> None:
    assert cli("stats", "in.h5::/whole", "out.h5", "--axis", "rows").code == 0
    np.testing.assert_array_equal(read("out.h5", "max"), np.arange(55.0, 60))


def test_json_has_no_nan_and_no_infinity(cli: Cli, sample: Path) -> None:
    said = cli("stats", "in.h5::/x", "--json")
    (found,) = json.loads(said.out, parse_constant=pytest.fail)["results"]
    assert found["mean"] == "nan"


@pytest.mark.parametrize("command", ["map", "reduce"])
def test_json_tells_what_ran(cli: Cli, sample: Path, command: str) -> None:
    op = "scale" if command == "map" else "mean"
    told = json.loads(cli(command, op, "in.h5::/x", "out.h5", "--json").out)
    assert told["input"].endswith("in.h5::/x")
    assert told["output"] == "out.h5"
    assert told["shape"] == [12, 5]
    assert told["engine"] == "serial"
    assert told["bytes_read"] == 240
    assert told["seconds"] > 0


@pytest.mark.parametrize("extra", [[], ["--json"], ["--engine", "local", "-j", "2"]])
def test_a_dry_run_prints_the_plan_and_touches_nothing(
    cli: Cli, sample: Path, no_workers: None, extra: list[str]
) -> None:
    before = sorted(sample.iterdir())
    said = cli("map", "gaussian", "in.h5::/x", "out.h5", "-p", "sigma=1", "--dry-run", *extra)
    assert said.code == 0
    assert said.err == ""
    assert sorted(sample.iterdir()) == before
    for word in ("read path", "blocks", "engine", "memory", "output") if not extra else ():
        assert word in said.out
    if extra == ["--json"]:
        assert json.loads(said.out)["read_path"] == "mmap"


def test_a_dry_run_names_every_pass_of_an_anomaly(cli: Cli, sample: Path) -> None:
    plan = cli("map", "anomaly", "in.h5::/x", "out.h5", "--dry-run").out
    assert "pass 1    mean for anomaly" in plan
    assert "pass 2    anomaly" in plan


def test_skipna_leaves_nan_out_of_the_mean_of_an_anomaly(cli: Cli, sample: Path) -> None:
    assert cli("map", "anomaly", "in.h5::/x", "out.h5", "--skipna").code == 0
    x = values()
    np.testing.assert_allclose(read("out.h5", "x"), x - np.nanmean(x, axis=0), rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("mean", ["in.h5::/mean", "3.5"])
def test_an_anomaly_takes_a_given_mean(cli: Cli, sample: Path, mean: str) -> None:
    assert cli("map", "anomaly", "in.h5::/x", "out.h5", "-p", f"mean={mean}").code == 0
    given_mean = np.nanmean(values(), axis=0) if mean.startswith("in") else 3.5
    np.testing.assert_allclose(read("out.h5", "x"), values() - given_mean, rtol=1e-5, atol=1e-6)


def test_a_flat_field_takes_stacks_from_addresses(cli: Cli, sample: Path) -> None:
    rng = np.random.default_rng(0)
    dark, flat = rng.normal(10, 1, (4, 5)), rng.normal(200, 20, (6, 5))
    with h5py.File("calibration.h5", "w") as file:
        file["dark"], file["flat"] = dark, flat
    where = ["-p", "dark=calibration.h5::/dark", "-p", "flat=calibration.h5::/flat"]
    assert cli("map", "flatfield", "in.h5::/whole", "out.h5", *where).code == 0
    want = reference.flatfield(read("in.h5", "whole"), dark.mean(axis=0), flat.mean(axis=0))
    np.testing.assert_allclose(read("out.h5", "whole"), want, rtol=1e-12)


@pytest.mark.parametrize("path", ["u1", "bool", "half", "big", "g/y"])
def test_any_kind_of_numbers_can_be_filtered(cli: Cli, sample: Path, path: str) -> None:
    words = [f"in.h5::/{path}", "out.h5", "-p", "sigma=1", "-p", "truncate=1"]
    assert cli("map", "gaussian", *words).code == 0
    x = read("in.h5", path)
    wide = x.astype("f4") if x.dtype == np.float16 else x.astype(x.dtype.newbyteorder("="))
    want = ndimage.gaussian_filter(wide, 1, truncate=1)
    np.testing.assert_allclose(read("out.h5", path), want, rtol=1e-5, atol=1e-5)


@pytest.mark.sample(2)
@pytest.mark.parametrize("options", [[], ["-j", "1"], ["-j", "2", "--threads", "2"], ["-j", "5"]])
@pytest.mark.parametrize("schedule", ["static", "guided"])
def test_the_bytes_of_an_output_do_not_depend_on_how_it_ran(
    cli: Cli, sample: Path, options: list[str], schedule: str
) -> None:
    words = ["map", "gaussian", "in.h5::/whole", "-p", "sigma=1", "--block-rows", "3"]
    cli(*words, "serial.h5", "--engine", "serial")
    how = [*options, "--schedule", schedule] if options else ["--engine", "auto"]
    if options:
        how += ["--engine", "local"]
    assert cli(*words, "other.h5", *how) == (0, "", "")
    assert Path("serial.h5").read_bytes() == Path("other.h5").read_bytes()


def test_block_rows_cut_the_work_as_told(cli: Cli, sample: Path) -> None:
    words = ["reduce", "mean", "in.h5::/x", "--block-rows", 5, "--dry-run", "--json"]
    told = json.loads(cli(*words).out)
    assert (told["blocks"], told["block_rows"]) == (3, 5)


def test_an_empty_dataset_gives_an_empty_result(cli: Cli, sample: Path) -> None:
    assert cli("map", "gaussian", "in.h5::/empty", "out.h5", "-p", "sigma=1").code == 0
    assert read("out.h5", "empty").shape == (0, 5)
    assert cli("reduce", "sum", "in.h5::/empty", "sum.h5").code == 0
    np.testing.assert_array_equal(read("sum.h5", "sum"), np.zeros(5))
