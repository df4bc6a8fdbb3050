"""A file that appears at the output's path while a job runs is not replaced unasked."""

from __future__ import annotations

import errno
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest

import sharedcompute as sc
from sharedcompute.cli.main import invoke
from sharedcompute.hdf5.writing import placing
from sharedcompute.system import faults

ROWS = np.arange(200.0).reshape(20, 10)

MINE = b"somebody else's results"


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    with h5py.File("in.h5", "w") as file:
        file["x"] = ROWS
    return tmp_path


def lacking(number: int) -> Callable[..., Any]:
    def fail(*_: Any) -> None:
        raise OSError(number, os.strerror(number))

    return fail


WAYS: dict[str, list[str]] = {
    "rename": [],
    "link": ["_rename"],
    "look": ["_rename", "_link"],
}
"""What the file system can do, by what it lacks."""


@pytest.fixture(params=WAYS)
def way(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in WAYS[request.param]:
        monkeypatch.setattr(placing, name, lacking(errno.EINVAL))


@pytest.fixture
def appears(monkeypatch: pytest.MonkeyPatch) -> Callable[[Callable[[], Any]], None]:
    """Does something when all is computed, and the file is about to be renamed."""

    def set_up(what: Callable[[], Any]) -> None:
        def point(name: str, number: int | None = None) -> None:
            if name == "output.rename":
                what()

        monkeypatch.setattr(faults, "point", point)

    return set_up


def test_a_new_file_is_put_in_its_place(home: Path, way: None) -> None:
    (home / "new").write_bytes(MINE)
    placing.place_new(home / "new", home / "out")
    assert (home / "out").read_bytes() == MINE
    assert not (home / "new").exists()
    assert (home / "out").stat().st_nlink == 1
    (home / "new").write_bytes(b"new")
    (home / "folder").mkdir()
    (home / "link").symlink_to("nowhere")
    for name in ("out", "folder", "link"):
        with pytest.raises(FileExistsError):
            placing.place_new(home / "new", home / name)
    assert (home / "out").read_bytes() == MINE


def test_any_other_failure_is_told(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (home / "new").write_bytes(MINE)
    monkeypatch.setattr(placing, "_rename", lacking(errno.EIO))
    with pytest.raises(OSError, match="Input/output"):
        placing.place_new(home / "new", home / "out")
    assert not (home / "out").exists()


@pytest.mark.sample(1)
def test_a_file_that_appears_is_code_3_and_what_is_done_is_kept(
    home: Path,
    way: None,
    appears: Callable[[Callable[[], Any]], None],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    words = ["map", "scale", "in.h5::/x", "out.h5", "-p", "factor=2", "--engine", "serial"]
    assert invoke([*words[:3], "whole.h5", *words[4:]]) == 0
    appears(lambda: (home / "out.h5").write_bytes(MINE))
    assert invoke(words) == 3
    told = capsys.readouterr().err
    assert told.count("\n") == 1
    assert "out.h5 has appeared while the job ran" in told
    assert "--resume goes on with it" in told
    assert (home / "out.h5").read_bytes() == MINE
    monkeypatch.undo()
    monkeypatch.chdir(home)
    assert invoke([*words, "--resume"]) == 3
    assert (home / "out.h5").read_bytes() == MINE
    assert invoke([*words, "--resume", "--overwrite"]) == 0
    assert (home / "out.h5").read_bytes() == (home / "whole.h5").read_bytes()
    assert not (home / "out.h5.resume").exists()


def fit(**how: Any) -> None:
    sc.fit("pca", "in.h5::/x", "out.h5", n_components=2, engine="serial", **how)


def repack(**how: Any) -> None:
    sc.repack("in.h5", "out.h5", engine="serial", **how)


def whole_rows(**how: Any) -> None:
    sc.map("scale", "in.h5::/x", "out.h5::/r", factor=2, engine="serial", **how)


@pytest.mark.sample(1)
@pytest.mark.parametrize("job", [fit, repack, whole_rows])
def test_what_is_finished_needs_only_its_place(
    home: Path,
    appears: Callable[[Callable[[], Any]], None],
    monkeypatch: pytest.MonkeyPatch,
    job: Callable[..., None],
) -> None:
    """None of these has blocks or rounds that were noted as done, or not all."""
    job()
    whole = (home / "out.h5").read_bytes()
    (home / "out.h5").unlink()
    appears(lambda: (home / "out.h5").write_bytes(MINE))
    with pytest.raises(sc.OutputExists, match="move it away and give resume=True") as caught:
        job()
    assert "out.h5.resume: resume=True goes on with it" in caught.value.__notes__[0]
    kept = (home / "out.h5.resume" / "output-1.h5").stat().st_ino
    monkeypatch.undo()
    monkeypatch.chdir(home)
    with pytest.raises((sc.OutputExists, sc.InputError)):
        job(resume=True)
    (home / "out.h5").unlink()
    job(resume=True)
    assert (home / "out.h5").stat().st_ino == kept
    assert (home / "out.h5").read_bytes() == whole
    assert not (home / "out.h5.resume").exists()


def test_a_finished_file_that_was_changed_since_is_made_anew(
    home: Path,
    appears: Callable[[Callable[[], Any]], None],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    appears(lambda: (home / "out.h5").write_bytes(MINE))
    with pytest.raises(sc.OutputExists):
        fit()
    monkeypatch.undo()
    monkeypatch.chdir(home)
    (home / "out.h5").unlink()
    (home / "out.h5.resume" / "output-1.h5").write_bytes(MINE)
    fit(resume=True)
    with h5py.File("out.h5") as file:
        assert "components" in file


def test_a_file_that_appears_is_replaced_where_that_was_asked_for(
    home: Path, appears: Callable[[Callable[[], Any]], None]
) -> None:
    appears(lambda: (home / "out.h5").write_bytes(MINE))
    sc.repack("in.h5", "out.h5", filter="gzip:1", overwrite=True)
    with h5py.File("out.h5") as file:
        assert np.array_equal(file["x"], ROWS)


@pytest.mark.parametrize("overwrite", [False, True])
def test_a_file_that_a_dataset_would_go_to_and_that_appears_is_kept(
    home: Path, way: None, appears: Callable[[Callable[[], Any]], None], overwrite: bool
) -> None:
    """To overwrite one dataset is not to overwrite the file."""
    appears(lambda: (home / "out.h5").write_bytes(MINE))
    with pytest.raises(sc.OutputExists, match="has appeared"):
        sc.map("scale", "in.h5::/x", "out.h5::/new", factor=2, overwrite=overwrite)
    assert (home / "out.h5").read_bytes() == MINE


def test_a_file_that_a_dataset_is_added_to_and_that_is_replaced_is_kept(
    home: Path, appears: Callable[[Callable[[], Any]], None]
) -> None:
    with h5py.File("out.h5", "w") as file:
        file["old"] = 1
    before = (home / "out.h5").stat()

    def other() -> None:
        """Another file of the same size and time."""
        (home / "other").write_bytes(b"x" * before.st_size)
        os.utime(home / "other", ns=(before.st_atime_ns, before.st_mtime_ns))
        (home / "other").replace(home / "out.h5")

    appears(other)
    with pytest.raises(sc.OutputExists, match="another program has changed it"):
        sc.map("scale", "in.h5::/x", "out.h5::/new", factor=2)
    assert (home / "out.h5").read_bytes() == b"x" * before.st_size
