"""Killed or failed at every system call that writes, the command goes on to the same bytes.

`strace` lets the N-th call of a kind kill the process, or fail.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import h5py
import numpy as np
import pytest

CALLS = "write,pwrite64,ftruncate,fsync,fdatasync,rename,renameat2,unlink,mkdir,rmdir,fallocate"

JOBS = {
    "contiguous": ["map", "scale", "in.h5::/plain", "out.h5"],
    "gzip": ["map", "scale", "in.h5::/gzip", "out.h5"],
    "added": ["map", "scale", "in.h5::/gzip", "out.h5::/new"],
    "reduce": ["reduce", "mean,std", "in.h5::/plain", "out.h5"],
    "repack": ["repack", "in.h5", "out.h5", "--filter", "gzip:1"],
}

pytestmark = pytest.mark.skipif(shutil.which("strace") is None, reason="strace is not installed")


@pytest.fixture
def place(tmp_path: Path) -> Path:
    """A folder with an input."""
    x = np.random.default_rng(1).normal(size=(40, 40)).astype("f4").cumsum(0)
    with h5py.File(tmp_path / "in.h5", "w") as file:
        file.create_dataset("plain", data=x)
        file.create_dataset("gzip", data=x, chunks=(10, 40), compression=4)
    return tmp_path


def command(place: Path, words: list[str], *options: str, inject: str = "") -> tuple[int, str]:
    """Run the command; with `inject` under strace, for calls on the output and its folder."""
    run = [sys.executable, "-m", "sharedcompute", *words, *options, "--engine", "serial"]
    if words[0] != "repack":
        run += ["--block-rows", "10"]
    if inject:
        names = [place / "out.h5", place / "out.h5.resume"]
        inside = ["output-1.h5", "output-2.h5", "journal-1", "journal-2", "lock", "states-1-1"]
        paths = [*names, *(place / "out.h5.resume" / name for name in inside)]
        named = [word for path in paths for word in ("-P", str(path))]
        trace = f"--inject={CALLS}:{inject}"
        run = ["strace", "-f", "-qq", "-o", "/dev/null", *named, trace, *run]
    done = subprocess.run(run, cwd=place, capture_output=True, text=True, timeout=60, check=False)
    return done.returncode, done.stderr


def sweep(place: Path, name: str, action: str, numbers: range) -> int:
    """Let the job fail at each number of `numbers`, and go on; how many times it did fail."""
    words = JOBS[name]
    out, old = place / "out.h5", place / "old.h5"
    with h5py.File(old, "w") as file:
        file["old"] = np.arange(5)
    replace = [] if name == "added" else ["--overwrite"]
    shutil.copy(old, out)
    assert command(place, words, *replace)[0] == 0
    whole, failed = out.read_bytes(), 0
    for number in numbers:
        shutil.copy(old, out)
        code, said = command(place, words, *replace, inject=f"{action}:when={number}")
        assert out.read_bytes() in (old.read_bytes(), whole), number
        assert "Traceback" not in said, said
        failed += code != 0
        if code == 0 and "error" not in action:
            break  # there are no more calls
        code, said = command(place, words, "--resume")
        if code == 3:
            # Nothing had been noted: nobody knows that the old one may be replaced.
            code, said = command(place, words, "--resume", *replace)
        said = "".join(line for line in said.splitlines() if ": note: " not in line)
        assert (code, said) == (0, ""), number
        assert out.read_bytes() == whole, number
        assert not (place / "out.h5.resume").exists(), number
    return failed


@pytest.mark.faults
@pytest.mark.timeout(1200)
@pytest.mark.parametrize("name", JOBS)
def test_a_kill_at_any_call(place: Path, name: str) -> None:
    assert sweep(place, name, "signal=SIGKILL", range(1, 200)) > 10


@pytest.mark.faults
@pytest.mark.timeout(1200)
@pytest.mark.parametrize("error", ["ENOSPC", "EIO"])
@pytest.mark.parametrize("name", ["contiguous", "gzip", "repack"])
def test_an_error_at_any_call(place: Path, name: str, error: str) -> None:
    assert sweep(place, name, f"error={error}", range(1, 60)) > 5


@pytest.mark.parametrize("name", ["contiguous", "gzip"])
@pytest.mark.slow
def test_a_kill_at_some_calls(place: Path, name: str) -> None:
    assert sweep(place, name, "signal=SIGKILL", range(9, 12)) == 3
