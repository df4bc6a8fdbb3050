"""The operations of the examples run as their file says."""

from __future__ import annotations

from pathlib import Path

import h5py
import numpy as np
import pytest

from sharedcompute.cli.main import invoke

MY_KERNELS = Path(__file__).parent.parent / "examples" / "my_kernels.py"
X = np.linspace(290, 310, 60).reshape(20, 3)


@pytest.fixture
def source(tmp_path: Path) -> Path:
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
