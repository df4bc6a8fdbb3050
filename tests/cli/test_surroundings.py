"""The command where a process lacks what others take for granted: streams, a folder, processes."""

from __future__ import annotations

import itertools
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import h5py
import numpy as np
import pytest
from numba import config
from numba.core.caching import CacheImpl, UserProvidedCacheLocator

from sharedcompute.shm import arrays
from tests.cli.conftest import Cli

COMMAND = [sys.executable, "-m", "sharedcompute"]
LOCAL = ["reduce", "mean", "in.h5::/x", "out.h5", "--engine", "local", "-j", "2", "--overwrite"]


@pytest.fixture
def here(tmp_path: Path) -> Path:
    """A folder with in.h5."""
    with h5py.File(tmp_path / "in.h5", "w") as file:
        file.create_dataset("x", data=np.arange(600.0).reshape(100, 6), chunks=(10, 6))
    return tmp_path


def is_right(file: Path) -> bool:
    with h5py.File(file) as opened:
        return bool(np.array_equal(opened["mean"][...], np.arange(600.0).reshape(100, 6).mean(0)))


def shell(folder: Path, script: str, *words: str) -> subprocess.CompletedProcess[str]:
    """Run a script of the shell in `folder`, with the words as its arguments."""
    return subprocess.run(
        ["sh", "-c", script, "sh", *words],
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=100,
        check=False,
    )


CLOSED = [c for n in (1, 2, 3) for c in itertools.combinations(("<&-", ">&-", "2>&-"), n)]
QUICK = (("<&-", ">&-", "2>&-"),)


@pytest.mark.parametrize(
    "closed",
    [
        pytest.param(c, marks=() if c in QUICK else pytest.mark.faults, id="".join(c))
        for c in CLOSED
    ],
)
@pytest.mark.slow
def test_a_command_whose_streams_are_closed_does_what_it_does(
    here: Path, closed: tuple[str, ...]
) -> None:
    closing = f'"$@" {" ".join(closed)}'
    assert shell(here, closing, *COMMAND, *LOCAL).returncode == 0
    assert is_right(here / "out.h5")
    told = shell(here, closing, *COMMAND, "info", "--json", "in.h5")
    assert (told.returncode, told.stderr) == (0, "")
    if ">&-" not in closed:
        assert [found["path"] for found in json.loads(told.stdout)] == ["/x"]
    failed = shell(here, closing, *COMMAND, "info", "none.h5")
    assert failed.returncode == 2
    assert failed.stderr.count("\n") == ("2>&-" not in closed)


@pytest.mark.slow
def test_a_deleted_working_folder_matters_to_relative_paths_only(here: Path) -> None:
    gone = here / "gone"
    gone.mkdir()
    leave = 'rmdir "$PWD"; "$@"'
    whole = [word if word[:3] not in ("in.", "out") else f"{here}/{word}" for word in LOCAL]
    ran = shell(gone, leave, *COMMAND, *whole)
    assert (ran.returncode, ran.stderr) == (0, "")
    assert is_right(here / "out.h5")
    gone.mkdir()
    ran = shell(gone, leave, *COMMAND, "reduce", "mean", f"{here}/in.h5::/x", "out.h5")
    assert ran.returncode == 2
    assert ran.stderr.startswith("sharedcompute: expected a working folder, it has been deleted")
    assert ran.stderr.count("\n") == 1


def test_a_deleted_working_folder_is_blamed_for_no_other_error(
    cli: Cli, here: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    gone = here / "gone"
    gone.mkdir()
    monkeypatch.chdir(gone)
    gone.rmdir()
    (here / "out.h5").touch()
    address = f"{here}/in.h5::/x"
    for line, code, told in (
        (["reduce", "mean", address, f"{here}/out.h5"], 3, "exists"),
        (["map", "gaussian", address, f"{here}/new.h5", "-p", "sigma=-1.5"], 2, "sigma"),
        (["info", f"{here}/none.h5"], 2, "expected an HDF5 file"),
        (["reduce", "mean", "*.h5"], 2, "expected a working folder"),
        (["info", "in.h5"], 2, "expected a working folder"),
    ):
        said = cli(*line)
        assert said.code == code, said
        assert told in said.err
        assert ("working folder" in said.err) == ("working folder" in told)
        assert said.err.count("\n") == 1


@pytest.mark.parametrize("command", ["reduce mean in.h5::/x out.h5", "repack in.h5 out.h5"])
def test_a_cache_that_cannot_be_written_is_one_note(
    cli: Cli, here: Path, monkeypatch: pytest.MonkeyPatch, command: str
) -> None:
    monkeypatch.chdir(here)
    monkeypatch.setattr(CacheImpl, "_locator_classes", [UserProvidedCacheLocator])
    monkeypatch.setattr(config, "CACHE_DIR", "/dev/null/cache")
    said = cli(*command.split())
    assert said.code == 0
    assert said.err.startswith("sharedcompute: note: numba finds no folder")
    assert said.err.count("NUMBA_CACHE_DIR") == said.err.count("\n") == 1


AS_NOBODY = ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups"]
CAPABLE = ["--inh-caps=+dac_override", "--ambient-caps=+dac_override"]


def can_be_nobody() -> bool:
    if os.geteuid() != 0 or shutil.which("setpriv") is None:
        return False
    return subprocess.run([*AS_NOBODY, *CAPABLE, "true"], check=False).returncode == 0


@pytest.mark.sample(1)
@pytest.mark.skipif("not can_be_nobody()", reason="needs root and setpriv: root has no ulimit -u")
@pytest.mark.parametrize(
    "limit", [1, 2, *(pytest.param(n, marks=pytest.mark.faults) for n in range(3, 30, 3))]
)
def test_a_limit_on_processes_is_a_line_and_no_interrupt(here: Path, limit: int) -> None:
    limited = [*AS_NOBODY, *CAPABLE, "prlimit", f"--nproc={limit}", *COMMAND]
    ran = shell(
        here,
        'exec "$@"',
        *limited,
        *["reduce", "mean", "in.h5::/x", "--engine", "local", "-j", "2"],
    )
    assert ran.returncode in (0, 1, 4), ran
    last = ran.stderr.splitlines()[-1:]
    assert ran.returncode == 0 or "ulimit" in last[0]


def can_share_pids() -> bool:
    if os.geteuid() != 0 or shutil.which("unshare") is None:
        return False
    probe = [*NAMESPACE, "true"]
    return subprocess.run(probe, capture_output=True, check=False).returncode == 0


NAMESPACE = ["unshare", "--pid", "--fork", "--mount-proc"]


@pytest.mark.slow
@pytest.mark.skipif("not can_share_pids()", reason="needs root and unshare --pid")
def test_blocks_of_another_pid_namespace_stay_and_are_shown_as_not_judged(here: Path) -> None:
    x = arrays.zeros(3)
    name = arrays.segment_of(x).name  # type: ignore[union-attr]
    inside = '"$@" shm clean > cleaned && "$@" shm list --json'
    ran = shell(here, " ".join([*NAMESPACE, "sh -c", "'" + inside + "'", "sh", '"$@"']), *COMMAND)
    assert (ran.returncode, ran.stderr) == (0, "")
    assert [b["alive"] for b in json.loads(ran.stdout) if b["name"] == name] == [None]
    assert arrays.handle(x) is not None
    assert name in {block.name for block in arrays.list_blocks() if block.alive}
