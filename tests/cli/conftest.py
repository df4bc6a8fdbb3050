"""The command line in this process, and a file with a bit of everything."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import h5py
import numpy as np
import pytest

import sharedcompute as sc
from sharedcompute.cli.main import invoke

ROWS, COLUMNS = 12, 5


class Said(NamedTuple):
    code: int
    out: str
    err: str


Cli = Callable[..., Said]


@pytest.fixture
def cli(capsys: pytest.CaptureFixture[str]) -> Cli:
    """``cli("map", "scale", ...)``: the exit code and what was said."""

    def run(*words: object) -> Said:
        code = invoke([str(word) for word in words])
        out, err = capsys.readouterr()
        return Said(code, out, err)

    return run


@pytest.fixture
def no_workers(monkeypatch: pytest.MonkeyPatch) -> None:
    """Fails the test that starts one."""
    monkeypatch.setattr(sc.Team, "__init__", lambda *_, **__: pytest.fail("a team was started"))
    monkeypatch.setattr(
        "sharedcompute.team.Team.__init__", lambda *_, **__: pytest.fail("a team was started")
    )


def values(dtype: str = "f4") -> np.ndarray:
    """Twelve rows of five numbers, a NaN among them where there can be one."""
    x = np.random.default_rng(7).normal(size=(ROWS, COLUMNS)) * 10
    if np.dtype(dtype).kind == "f":
        x[3, 1] = np.nan
    return np.abs(x).astype(dtype) if np.dtype(dtype).kind == "u" else x.astype(dtype)


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty folder to work in: files are named as a user names them."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def sample(folder: Path) -> Path:
    """in.h5: datasets of all kinds, good ones and bad ones."""
    with h5py.File("in.h5", "w") as file:
        file["x"] = values()
        file["whole"] = np.arange(ROWS * COLUMNS, dtype="f8").reshape(ROWS, COLUMNS)
        file["u1"] = values("u1")
        file["bool"] = values() > 0
        file["complex"] = values("c8")
        file["half"] = values("f2")
        file["big"] = values(">f4")
        file["mean"] = np.nanmean(values(), axis=0)
        file.create_dataset("empty", (0, COLUMNS), "f4")
        file.create_dataset("narrow", (ROWS, 0), "f4")
        file["g/y"] = values()
        _add_unusable(file)
    return folder


def _add_unusable(file: h5py.File) -> None:
    file["bytes"] = np.array([b"a", b"b"])
    file["text"] = np.array(["a", "b"], dtype=object)
    file["compound"] = np.zeros(3, [("a", "f4"), ("b", "i4")])
    file["reference"] = np.array([file["x"].ref], dtype=h5py.ref_dtype)
    file.create_dataset("ragged", (2,), dtype=h5py.vlen_dtype("f4"))
    file["scalar"] = 3.0
    file["null"] = h5py.Empty("f4")
    file["long"] = np.zeros(3, np.longdouble)
    file["type"] = np.dtype("f4")
    file["soft"] = h5py.SoftLink("/nope")
    file["external"] = h5py.ExternalLink("gone.h5", "/x")


def read(file: str | Path, path: str) -> np.ndarray:
    """A dataset as h5py reads it."""
    with h5py.File(file) as opened:
        return np.asarray(opened[path][()])
