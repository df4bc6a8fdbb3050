"""The operations of the examples run as their file says; the programs check themselves."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import h5py
import numpy as np
import pytest

from sharedcompute.cli.main import invoke

EXAMPLES = Path(__file__).parent.parent / "examples"
MY_KERNELS = EXAMPLES / "my_kernels.py"
X = np.linspace(290, 310, 60).reshape(20, 3)


@pytest.fixture
def source(tmp_path: Path) -> Path:
    sys.modules.pop("my_kernels", None)  # of a page's folder: a name is imported once
    with h5py.File(tmp_path / "in.h5", "w") as file:
        file["x"] = X
    return tmp_path / "in.h5"


@pytest.mark.parametrize(
    ("command", "name", "extra", "path", "want"),
    [
        ("map", "contrast", ["-p", "gain=1.5", "-p", "middle=300"], "x", (X - 300) * 1.5 + 300),
        ("map", "slope", [], "x", np.diff(np.pad(X, ((1, 1), (0, 0)), "edge"), axis=0)),
        ("reduce", "hot_days", [], "hot_days", (X > 300).sum(axis=0)),
    ],
)
def test_an_example_operation_runs(
    command: str, name: str, extra: list[str], path: str, want: np.ndarray, source: Path
) -> None:
    if name == "slope":
        want = (want[:-1] + want[1:]) / 2
    out = source.with_name("out.h5")
    arguments = [command, "--op-from", f"{MY_KERNELS}:{name}", str(source), str(out), *extra]
    assert invoke(arguments) == 0
    with h5py.File(out) as file:
        np.testing.assert_allclose(file[path][()], want, rtol=1e-12)


def printed(example: str, *arguments: str) -> str:
    """What an example prints. It compares its results with others': 1 if they differ."""
    command = [sys.executable, "-W", "error", str(EXAMPLES / example), *arguments]
    done = subprocess.run(command, check=False, capture_output=True, text=True, timeout=100)
    assert (done.returncode, done.stderr) == (0, "")
    return done.stdout


@pytest.mark.slow
@pytest.mark.parametrize(
    ("example", "arguments"),
    [
        ("heat.py", ["--size", "40", "--sweeps", "50"]),
        ("kmeans.py", ["--rows", "2000", "--rounds", "3"]),
        ("monte_carlo.py", ["--workers", "2", "--samples", "100000"]),
        ("pipeline.py", ["--workers", "2", "--frames", "20", "--size", "20"]),
        ("schedules.py", ["--rows", "200", "--cost", "1", "--repeats", "1"]),
        ("threads.py", ["--rows", "200", "--repeats", "1", "--cores", "1"]),
    ],
)
def test_an_example_program_comes_to_what_it_says(example: str, arguments: list[str]) -> None:
    assert len(printed(example, *arguments).splitlines()) > 3


@pytest.mark.slow
def test_all_forms_of_the_histogram_but_the_unlocked_one_count_all_values() -> None:
    lines = printed("race.py", "--values", "20000").splitlines()
    counted = {words[0]: words[1] for words in map(str.split, lines)}
    assert all(counted[form] == "20000" for form in ("lock", "atomic", "private"))
