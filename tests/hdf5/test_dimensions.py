"""All axes of a result are labelled or none, whatever its input is."""

from __future__ import annotations

from pathlib import Path

import h5py
import numpy as np
import pytest

import sharedcompute as sc
from tests.readers import opened_by_all


def field(path: Path, labelled: str) -> str:
    """A field (a, b, c); the axes in `labelled` have scales."""
    with h5py.File(path, "w") as file:
        x = file.create_dataset("x", data=np.arange(24.0).reshape(2, 3, 4))
        for axis, name in enumerate("abc"):
            if name in labelled:
                file[name] = np.arange(float(x.shape[axis]))
                file[name].make_scale(name)
                x.dims[axis].attach_scale(file[name])
    return f"{path}::/x"


@pytest.mark.filterwarnings("ignore:axis")
@pytest.mark.parametrize("labelled", ["a", "bc"])
def test_an_input_that_is_labelled_in_part_gives_a_result_that_is_in_all(
    labelled: str, tmp_path: Path
) -> None:
    address = field(tmp_path / "in.h5", labelled)
    missing = next(n for n, name in enumerate("abc") if name not in labelled)
    said = f"axis {missing} of /x has no coordinates: it is the netCDF dimension x_dim_{missing}"
    with pytest.warns(UserWarning, match=said):
        sc.map("scale", address, tmp_path / "out.h5", factor=2.0, engine="serial")
    dims = opened_by_all(tmp_path / "out.h5")["/x"]
    assert dims == tuple(n if n in labelled else f"x_dim_{i}" for i, n in enumerate("abc"))


@pytest.mark.filterwarnings("error")
def test_an_input_without_labels_gives_a_result_without(tmp_path: Path) -> None:
    address = field(tmp_path / "in.h5", "")
    sc.map("scale", address, tmp_path / "out.h5", factor=2.0, engine="serial")
    assert opened_by_all(tmp_path / "out.h5") == {}
    with h5py.File(tmp_path / "out.h5") as file:
        assert set(file) == {"x"}


@pytest.mark.filterwarnings("error")
def test_a_coordinate_gives_a_coordinate_or_is_along_the_one_it_was(tmp_path: Path) -> None:
    address = field(tmp_path / "in.h5", "abc").replace("/x", "/b")
    sc.map("scale", address, tmp_path / "out.h5", factor=2.0, engine="serial")
    assert opened_by_all(tmp_path / "out.h5") == {"/b": ("b",)}
    sc.map("scale", address, f"{tmp_path}/other.h5::/y", factor=2.0, engine="serial")
    assert opened_by_all(tmp_path / "other.h5") == {"/b": ("b",), "/y": ("b",)}
    sc.reduce("mean", address, tmp_path / "mean.h5", engine="serial")
    assert opened_by_all(tmp_path / "mean.h5") == {"/mean": ()}
