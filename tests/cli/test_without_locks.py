"""File systems without locks: a library in front of the C library's says so to all of a command."""

from __future__ import annotations

import errno
import fcntl
import os
import shutil
import subprocess
import sys
import warnings
from collections.abc import Callable
from pathlib import Path

import h5py
import numpy as np
import pytest

import sharedcompute as sc
from sharedcompute.hdf5.safety.locks import NO_LOCKS, Unlocked

SHIM = """
#include <errno.h>
#include <stdlib.h>
int flock(int fd, int operation) {
    errno = atoi(getenv("FLOCK_ERRNO"));
    return -1;
}
"""

Command = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture(scope="module")
def shim(tmp_path_factory: pytest.TempPathFactory) -> Path:
    compiler = shutil.which("cc")
    if compiler is None or sys.platform != "linux":
        pytest.skip("needs a C compiler, and Linux")
    folder = tmp_path_factory.mktemp("shim")
    (folder / "flock.c").write_text(SHIM)
    words = [compiler, "-shared", "-fPIC", "-o", "flock.so", "flock.c"]
    subprocess.run(words, cwd=folder, check=True, timeout=60)
    return folder / "flock.so"


@pytest.fixture
def command(tmp_path: Path, shim: Path) -> Command:
    with h5py.File(tmp_path / "in.h5", "w") as file:
        file["x"] = np.arange(40.0).reshape(8, 5)

    def run(*words: str, number: int, **environment: str) -> subprocess.CompletedProcess[str]:
        given = {"LD_PRELOAD": str(shim), "FLOCK_ERRNO": str(number), **environment}
        return subprocess.run(
            [sys.executable, "-m", "sharedcompute", *words],
            cwd=tmp_path,
            env={**os.environ, **given},
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )

    return run


@pytest.mark.slow
def test_a_job_does_without_and_says_so_once(command: Command, tmp_path: Path) -> None:
    for number, engine in ((errno.ENOLCK, "serial"), (errno.EOPNOTSUPP, "local")):
        words = "map", "scale", "in.h5::/x", f"{engine}.h5", "-p", "factor=2", "-j", "2"
        said = command(*words, "--engine", engine, number=number)
        assert said.returncode == 0, said.stderr
        assert said.stderr.count("\n") == 1
        assert "note: the file system has no locks" in said.stderr
        with h5py.File(tmp_path / f"{engine}.h5") as file:
            assert np.array_equal(file["x"], 2 * np.arange(40.0).reshape(8, 5))
        assert not (tmp_path / f"{engine}.h5.resume").exists()
    # A dataset is added as well, and a file is looked at.
    said = command("map", "scale", "in.h5", "serial.h5::/more", number=errno.ENOSYS)
    assert said.returncode == 0, said.stderr
    assert command("info", "in.h5", number=errno.ENOLCK).returncode == 0


@pytest.mark.slow
def test_where_hdf5_insists_the_variable_is_named(command: Command) -> None:
    said = command("info", "in.h5", number=errno.ENOLCK, HDF5_USE_FILE_LOCKING="TRUE")
    assert said.returncode == 2
    assert "HDF5_USE_FILE_LOCKING=FALSE" in said.stderr
    assert said.stderr.count("\n") == 1


@pytest.mark.slow
def test_a_lock_that_somebody_has_is_another_thing(command: Command) -> None:
    said = command("info", "in.h5", number=errno.EAGAIN)
    assert said.returncode == 2
    assert "is being written by another process" in said.stderr


@pytest.mark.parametrize("number", NO_LOCKS)
def test_every_way_to_have_no_locks_is_known(
    number: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def flock(fd: int, operation: int) -> None:
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(fcntl, "flock", flock)
    with warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("always")
        sc.map("scale", np.ones((4, 3)), f"{tmp_path}/out.h5::/x")
        sc.map("scale", np.ones((4, 3)), f"{tmp_path}/out.h5::/y")
    assert {w.category for w in told} == {Unlocked}
    with h5py.File(tmp_path / "out.h5") as file:
        assert sorted(file) == ["x", "y"]


def test_no_other_error_of_a_lock_passes_for_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def flock(fd: int, operation: int) -> None:
        raise OSError(errno.EIO, os.strerror(errno.EIO))

    monkeypatch.setattr(fcntl, "flock", flock)
    with pytest.raises(OSError, match="Input/output"):
        sc.map("scale", np.ones((4, 3)), f"{tmp_path}/out.h5::/x")
