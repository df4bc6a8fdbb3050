"""Many files on the command line: a glob in quotes is one input."""

from __future__ import annotations

import json
from pathlib import Path

import h5py
import numpy as np
import pytest

from .conftest import Cli, read


@pytest.fixture
def runs(folder: Path) -> np.ndarray:
    """Twelve files of other lengths, run_1.h5 to run_12.h5; all their rows."""
    data = np.random.default_rng(1).normal(size=(78, 6)).astype("f4")
    for number in range(1, 13):
        start = number * (number - 1) // 2
        with h5py.File(f"run_{number}.h5", "w") as file:
            how = {"compression": 4} if number % 2 else {}
            file.create_dataset("entry/x", data=data[start : start + number], **how)
    return data


def test_every_kind_of_job_takes_a_glob(runs: np.ndarray, cli: Cli) -> None:
    assert cli("reduce", "mean,max", "run_*.h5::/entry/x", "out.h5").code == 0
    np.testing.assert_allclose(read("out.h5", "mean"), runs.mean(axis=0, dtype="f8"), rtol=1e-5)
    np.testing.assert_array_equal(read("out.h5", "max"), runs.max(axis=0))
    assert cli("map", "scale", "run_*.h5::/entry/x", "map.h5::x", "-p", "factor=2").code == 0
    np.testing.assert_array_equal(read("map.h5", "x"), 2 * runs)
    assert cli("scan", "cummax", "run_*.h5", "scan.h5::x").code == 0
    np.testing.assert_array_equal(read("scan.h5", "x"), np.maximum.accumulate(runs))
    said = cli("stats", "run_*.h5", "--json")
    assert json.loads(said.out)["results"][0]["count"] == runs.size
    assert cli("verify", "map.h5").code == 0


def test_a_job_file_takes_a_glob_beside_it(runs: np.ndarray, cli: Cli, tmp_path: Path) -> None:
    (tmp_path / "job.toml").write_text(
        'input = "run_*.h5::/entry/x"\noutput = "out.h5"\n[[steps]]\nop = "max"\nsave = "/r"\n'
    )
    assert cli("run", tmp_path / "job.toml").code == 0
    np.testing.assert_array_equal(read("out.h5", "r/max"), runs.max(axis=0))


def test_info_and_dry_run_say_how_many_files(runs: np.ndarray, cli: Cli) -> None:
    (one,) = json.loads(cli("info", "run_*.h5", "--json").out)
    assert one["shape"] == [78, 6]
    assert one["read_path"] == "joined"
    assert one["reason"].startswith("12 files: ")
    said = cli("map", "scale", "run_*.h5", "out.h5::x", "-p", "factor=2", "--dry-run")
    assert "run_*.h5::/entry/x (12 files)  78 x 6" in said.out
    assert "joined: 12 files: " in said.out


@pytest.mark.slow
@pytest.mark.parametrize("engine", ["serial", "local"])
def test_the_same_bytes_wherever_the_files_lie(
    runs: np.ndarray, cli: Cli, folder: Path, engine: str
) -> None:
    (folder / "elsewhere").mkdir()
    for pattern, out in (("run_*.h5", "a.h5"), (f"{folder}/run_*.h5", "elsewhere/a.h5")):
        assert cli("reduce", "std", pattern, out, "--engine", engine, "-j", 2).code == 0
    assert Path("a.h5").read_bytes() == Path("elsewhere/a.h5").read_bytes()
    with h5py.File("a.h5") as file:
        job = json.loads(file["std"].attrs["sharedcompute_job"])
    assert job["input"] == "run_*.h5::/entry/x"


def test_an_output_that_the_glob_matches_is_refused(runs: np.ndarray, cli: Cli) -> None:
    before = Path("run_7.h5").read_bytes()
    said = cli("reduce", "max", "run_*.h5", "run_7.h5", "--overwrite")
    assert said.code == 2
    assert "run_7.h5" in said.err
    assert "output other than the input" in said.err
    assert Path("run_7.h5").read_bytes() == before


def test_an_output_that_is_a_source_of_a_virtual_input_is_refused(
    runs: np.ndarray, cli: Cli
) -> None:
    layout = h5py.VirtualLayout((7, 6), "f4")
    layout[:] = h5py.VirtualSource("run_7.h5", "entry/x", (7, 6))
    with h5py.File("v.h5", "w") as file:
        file.create_virtual_dataset("x", layout)
    said = cli("reduce", "max", "v.h5", "run_7.h5", "--overwrite")
    assert said.code == 2
    assert "output other than the input" in said.err


def test_errors_are_one_line_that_names_the_file(runs: np.ndarray, cli: Cli) -> None:
    said = cli("reduce", "max", "walk_*.h5", "out.h5")
    assert said.code == 2
    assert said.err.count("\n") == 1
    assert "walk_*.h5" in said.err
    with h5py.File("run_5.h5", "w") as file:
        file["entry/x"] = np.zeros((3, 5), "f4")
    said = cli("reduce", "max", "run_*.h5", "out.h5")
    assert said.code == 2
    assert said.err.count("\n") == 1
    assert "run_5.h5::/entry/x has rows of shape (5,)" in said.err
    assert not Path("out.h5").exists()
