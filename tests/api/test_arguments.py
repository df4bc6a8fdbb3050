"""Wrong arguments from Python: an error that says what was expected, and nothing done."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest

import sharedcompute as sc

X = np.arange(12.0).reshape(4, 3)


def frozen() -> np.ndarray[Any, Any]:
    out = np.empty_like(X)
    out.flags.writeable = False
    return out


WRONG: dict[str, Callable[[], Any]] = {
    "expected an array of numbers, got dtype object": lambda: sc.map("scale", None),
    "at least one dimension": lambda: sc.map("scale", 3.0),
    "expected an array of numbers, got dtype <U1": lambda: sc.map("scale", np.array(["a"])),
    "got dtype datetime64": lambda: sc.map("scale", np.zeros(3, "M8[s]")),
    "got dtype float128": lambda: sc.map("scale", np.zeros(3, "g")),
    "inhomogeneous": lambda: sc.map("scale", [[1, 2], [3]]),
    "without a mask": lambda: sc.reduce("mean", np.ma.masked_equal(X, 3)),
    "expected an operation or its name, got 3": lambda: sc.map(3, X),
    "or its name, got None": lambda: sc.reduce(None, X),
    "or its name, got <": lambda: sc.reduce(np.mean, X),
    "at least one reduction": lambda: sc.reduce([], X),
    "did you mean 'gaussian'": lambda: sc.map("gausian", X, sigma=1),
    "is a reduce, expected a map": lambda: sc.map("mean", X),
    "no parameter 'sgima': did you mean 'sigma'": lambda: sc.map("gaussian", X, sgima=1),
    "takes no parameters, got 'power'": lambda: sc.map(np.copyto, X, power=2),
    "expected a number, got None": lambda: sc.map("gaussian", X, sigma=None),
    "expected a number, got {}": lambda: sc.map("gaussian", X, sigma={}),
    "one of reflect": lambda: sc.map("gaussian", X, sigma=1, mode=np.array(["wrap", "wrap"])),
    "got complex64": lambda: sc.map("anomaly", X, mean=np.zeros(3, "c8")),
    r"shape \(2,\): expected \(3,\)": lambda: sc.map("anomaly", X, mean=np.zeros(2)),
    "axis: expected axes from .*, got 7": lambda: sc.reduce("mean", X, axis=7),
    "workers: expected a whole number": lambda: sc.map("scale", X, workers=0),
    "workers: .* got True": lambda: sc.map("scale", X, workers=True),
    "block_rows: expected": lambda: sc.map("scale", X, block_rows=-1),
    "memory: expected a size": lambda: sc.map("scale", X, memory="lots"),
    "memory: expected a whole": lambda: sc.map("scale", X, memory=1e9),
    "engine: expected one of auto": lambda: sc.map("scale", X, engine="cluster"),
    "schedule: expected one of": lambda: sc.map("scale", X, schedule="random"),
    "team: expected a Team, got 3": lambda: sc.map("scale", X, team=3),
    "overwrite: expected true or false": lambda: sc.map("scale", X, "out.h5", overwrite="no"),
    "shuffle: expected true or false": lambda: sc.map("scale", X, "out.h5", shuffle="no"),
    "filter: expected a name": lambda: sc.map("scale", X, "out.h5", filter=4),
    "chunks: expected sides": lambda: sc.map("scale", X, "out.h5", chunks=4),
    "output: expected FILE::PATH or an array": lambda: sc.map("scale", X, 3),
    r"output has shape \(3, 3\)": lambda: sc.map("scale", X, np.empty((3, 3))),
    "and dtype float32: expected": lambda: sc.map("scale", X, np.empty(X.shape, "f4")),
    "read-only": lambda: sc.map("scale", X, frozen()),
    "expected FILE or FILE::PATH, got 3": lambda: sc.open(3),
}


@pytest.mark.parametrize("message", WRONG)
def test_a_wrong_argument_is_refused(
    message: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(sc.InputError, match=message) as caught:
        WRONG[message]()
    assert "\n" not in str(caught.value)
    assert list(tmp_path.iterdir()) == []


def test_errors_are_also_the_built_in_ones_that_fit(tmp_path: Path) -> None:
    (tmp_path / "out.h5").write_text("mine")
    with pytest.raises(FileExistsError, match="give overwrite=True"):
        sc.map("scale", X, f"{tmp_path}/out.h5")
    with pytest.raises(MemoryError, match="memory"):
        sc.map("scale", X, memory="1K")
    with pytest.raises(ValueError, match="found nothing"):
        sc.open(tmp_path / "none.h5")


def test_groups_files_and_closed_datasets_are_no_arrays(tmp_path: Path) -> None:
    with h5py.File(tmp_path / "in.h5", "w") as file:
        dataset = file.create_dataset("g/x", data=X)
        for wrong in (file, file["g"]):
            with pytest.raises(sc.InputError, match="index it down to a dataset"):
                sc.map("scale", wrong)
        with pytest.raises(sc.InputError, match="open for writing"):
            sc.map("scale", dataset)
    with pytest.raises(sc.InputError, match="its file is closed"):
        sc.map("scale", dataset)


@pytest.mark.sample(1)
def test_a_dataset_of_a_file_in_memory_is_read(team: sc.Team) -> None:
    with h5py.File("nowhere.h5", "w", driver="core", backing_store=False) as file:
        dataset = file.create_dataset("x", data=X)
        np.testing.assert_array_equal(sc.map("scale", dataset, team=team), X)


def test_an_unknown_name_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="attribute nope"):
        sc.nope  # type: ignore[attr-defined]  # noqa: B018


def test_every_public_name_is_there() -> None:
    assert [name for name in sc.__all__ if getattr(sc, name, None) is None] == []  # type: ignore[attr-defined]
    assert set(sc.__all__) <= set(dir(sc))  # type: ignore[attr-defined]
