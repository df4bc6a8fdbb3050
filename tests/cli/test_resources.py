"""Running out of something: refused before computing, or one line, code 4, and the old output."""

from __future__ import annotations

import os
import resource
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import h5py
import numpy as np
import pytest

from sharedcompute.system import faults
from tests.cli.conftest import Cli, Said

COMMAND = [sys.executable, "-m", "sharedcompute"]

JOBS = {
    "map": "map gaussian -p sigma=2 in.h5::/x out.h5",
    "chunks": "map gaussian -p sigma=2 in.h5::/z out.h5",
    "append": "map gaussian -p sigma=2 in.h5::/z out.h5::/more",
    "scan": "scan cumsum in.h5::/z out.h5",
    "held": "map cast -p dtype=f8 in.h5::/x out.h5 --chunks 400,4 --filter gzip:1",
    "reduce": "reduce mean,std in.h5::/z out.h5",
    "repack": "repack in.h5 out.h5 --filter gzip:1",
    "rechunk": "repack in.h5::/z out.h5 --chunks 400,4",
}


def words(job: str, *more: str) -> list[str]:
    return [*JOBS[job].split(), "--overwrite", *more]


@pytest.fixture
def jobs(folder: Path) -> Path:
    """in.h5, and an out.h5 that must survive what fails."""
    rng = np.random.default_rng(3)
    x = np.cumsum(rng.normal(size=(400, 40)), axis=0).astype("f4")
    with h5py.File("in.h5", "w") as file:
        file["x"] = x
        file.create_dataset("z", data=x, chunks=(50, 40), compression=4, shuffle=True)
    with h5py.File("out.h5", "w") as file:
        file["old"] = np.arange(10)
    return folder


def names(folder: Path) -> list[str]:
    """Return what is in a folder, but for Python files and what Python keeps of them."""
    beside = (path for path in folder.iterdir() if path.suffix != ".py")
    return sorted(path.name for path in beside if path.name != "__pycache__")


def failed_well(code: int, err: str, left: Path, old: bytes) -> bool:
    """One line, code 4, the old output, and beside it what the job can go on with, if anything."""
    # A run before this one may have left something, which is told and dropped.
    lines = [line for line in err.strip().splitlines() if ": note: " not in line]
    beside = set(names(left)) - {"in.h5", "out.h5"}
    kept = beside == ({"out.h5.resume"} if "--resume goes on" in err else set())
    whole = (left / "out.h5").read_bytes() == old
    return code == 4 and len(lines) == 1 and whole and kept


class Faults:
    """Sets a script for this process; each has its own count."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, folder: Path) -> None:
        self._monkeypatch = monkeypatch
        self._folder = folder

    def set(self, *script: str) -> None:
        shutil.rmtree(self._folder, ignore_errors=True)
        self._folder.mkdir()
        self._monkeypatch.setenv("SHAREDCOMPUTE_FAULTS_FOLDER", str(self._folder))
        self._monkeypatch.setattr(faults, "SCRIPT", tuple(tuple(w.split(":")) for w in script))


@pytest.fixture
def script(
    monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory
) -> Callable[..., None]:
    return Faults(monkeypatch, tmp_path_factory.mktemp("faults") / "counts").set


@pytest.mark.parametrize("job", JOBS)
@pytest.mark.sample(1)
def test_a_full_disk_at_any_write_is_one_line_and_keeps_the_old_output(
    cli: Cli, jobs: Path, script: Callable[..., None], job: str
) -> None:
    old = (jobs / "out.h5").read_bytes()
    for number in range(1, 200):
        script(f"disk:{number}:{('ENOSPC', 'EDQUOT', 'EFBIG')[number % 3]}")
        code, _, err = cli(*words(job, "--engine", "serial"))
        if code == 0:
            break
        assert failed_well(code, err, jobs, old), (number, code, err, names(jobs))
    assert number > 2
    assert (jobs / "out.h5").read_bytes() != old


def test_a_broken_disk_is_one_line_and_keeps_the_old_output(
    cli: Cli, jobs: Path, script: Callable[..., None]
) -> None:
    old = (jobs / "out.h5").read_bytes()
    script("disk:2+:EIO")
    code, _, err = cli(*words("map", "--engine", "serial"))
    assert (code, err.strip().count("\n")) == (1, 0)
    assert "Input/output error" in err
    assert (jobs / "out.h5").read_bytes() == old
    assert names(jobs) == ["in.h5", "out.h5"]


HUNGRY = """
import numpy as np
import sharedcompute as sc

def eat(x, out):
    if len(x) > 1:
        np.empty(1 << 50, np.uint8)

op = sc.Map("eat", eat)
"""


@pytest.mark.parametrize("engine", ["serial", "local"])
def test_memory_that_a_kernel_cannot_have_is_code_4(cli: Cli, jobs: Path, engine: str) -> None:
    (jobs / f"hungry_{engine}.py").write_text(HUNGRY)
    old = (jobs / "out.h5").read_bytes()
    code, _, err = cli(
        "map", "--op-from", f"hungry_{engine}.py:op", "in.h5::/x", "out.h5", "--overwrite",
        "--engine", engine, "-j", "2",
    )  # fmt: skip
    assert "Unable to allocate" in err
    assert "fewer workers" in err
    assert failed_well(code, err, jobs, old), (code, err)


def limited(which: int, size: int, command: list[str]) -> subprocess.CompletedProcess[str]:
    """Run a command under a limit. It is bounded: under some limits libraries loop for ever."""
    return subprocess.run(
        [*COMMAND, *command],
        preexec_fn=lambda: resource.setrlimit(which, (size, size)),
        capture_output=True, text=True, timeout=100, check=False,
    )  # fmt: skip


@pytest.mark.sample(1)
@pytest.mark.parametrize(
    ("which", "size", "option"),
    [
        (resource.RLIMIT_AS, 700 << 20, "ulimit -v"),
        (resource.RLIMIT_AS, 400 << 20, "ulimit -v"),
        (resource.RLIMIT_DATA, 150 << 20, "ulimit -d"),
    ],
)
def test_too_low_a_limit_on_memory_is_refused_at_once(
    jobs: Path, which: int, size: int, option: str
) -> None:
    old = (jobs / "out.h5").read_bytes()
    said = limited(which, size, words("map"))
    assert option in said.stderr
    assert failed_well(said.returncode, said.stderr, jobs, old), said


@pytest.mark.parametrize("engine", ["serial", "local"])
@pytest.mark.slow
def test_too_low_a_limit_on_files_is_no_signal_but_a_line(jobs: Path, engine: str) -> None:
    old = (jobs / "out.h5").read_bytes()
    said = limited(resource.RLIMIT_FSIZE, 20_000, words("map", "--engine", engine, "-j", "2"))
    assert "ulimit -f" in said.stderr
    assert failed_well(said.returncode, said.stderr, jobs, old), said


def sweep(
    which: int, sizes: range, jobs: Path, command: list[str]
) -> tuple[set[int], list[object]]:
    """The codes, and what did not end well."""
    old, codes, bad = (jobs / "out.h5").read_bytes(), set(), []
    for size in sizes:
        (jobs / "out.h5").write_bytes(old)
        said = limited(which, size, command)
        codes.add(said.returncode)
        well = said.returncode == 0 and said.stderr == ""
        if not well and not failed_well(said.returncode, said.stderr, jobs, old):
            bad.append((size, said.returncode, said.stderr))
    return codes, bad  # type: ignore[return-value]


ADDRESS_SPACE = resource.RLIMIT_AS, range(200 << 20, 1600 << 20, 100 << 20)
# Below this NumPy's own OpenBLAS ends the process when it is imported.
PRIVATE_MEMORY = resource.RLIMIT_DATA, range(100 << 20, 1000 << 20, 75 << 20)


@pytest.mark.faults
@pytest.mark.timeout(900)
@pytest.mark.parametrize("limit", [ADDRESS_SPACE, PRIVATE_MEMORY], ids=["-v", "-d"])
@pytest.mark.parametrize("engine", ["serial", "local"])
def test_every_limit_on_memory_ends_in_a_result_or_in_code_4(
    jobs: Path, engine: str, limit: tuple[int, range]
) -> None:
    command = words("chunks", "--engine", engine, "-j", "2")
    codes, bad = sweep(*limit, jobs, command)
    assert (codes, bad) == ({0, 4}, [])


def can_mount() -> bool:
    if os.geteuid() != 0 or shutil.which("unshare") is None:
        return False
    probe = ["unshare", "-m", "mount", "-t", "tmpfs", "none", "/mnt"]
    return subprocess.run(probe, capture_output=True, check=False).returncode == 0


needs_mounts = pytest.mark.skipif("not can_mount()", reason="needs root and unshare -m")

# A small file system, a job on it, and what it left: outside, where it can be looked at.
SMALL = """
mount -t tmpfs -o size=$1 none "$2" || exit 99
[ "$2" = /dev/shm ] && at=$3 || { at=$2; ln -s "$3/in.h5" "$at"; cp "$3/out.h5" "$at"; }
left=$4; shift 4
(cd "$at" && exec "$@"); code=$?
mkdir "$left" && cp -a "$at/." "$left/"
exit $code
"""


def on_small(size: int, mounted: Path, jobs: Path, left: Path, command: list[str]) -> Said:
    shutil.rmtree(left, ignore_errors=True)
    done = subprocess.run(
        ["unshare", "-m", "sh", "-c", SMALL, "sh", f"{size}k", mounted, jobs, left, *COMMAND,
         *command],
        capture_output=True, text=True, timeout=100, check=False,
    )  # fmt: skip
    return Said(done.returncode, done.stdout, done.stderr)


def small_sweep(jobs: Path, mounted: Path, sizes: list[int], command: list[str]) -> set[int]:
    """The codes, after looking at what each run left."""
    left, old = jobs.with_name(jobs.name + ".left"), (jobs / "out.h5").read_bytes()
    codes, right = set(), None
    for size in reversed(sizes):
        (jobs / "out.h5").write_bytes(old)
        said = on_small(size, mounted, jobs, left, command)
        codes.add(said.code)
        if right is None:
            assert said.code == 0, said
            right = (left / "out.h5").read_bytes()
        if said.code == 0:
            assert (left / "out.h5").read_bytes() == right, size
            assert said.err == ""
        else:
            assert failed_well(said.code, said.err, left, old), (size, said, names(left))
    return codes


@needs_mounts
@pytest.mark.slow
def test_a_small_disk_and_small_shared_memory_are_a_line_each(jobs: Path, tmp_path: Path) -> None:
    disk = tmp_path.with_name(tmp_path.name + ".disk")
    disk.mkdir()
    assert small_sweep(jobs, disk, [40, 4000], words("chunks", "--engine", "serial")) == {0, 4}
    left, old = jobs.with_name(jobs.name + ".left"), (jobs / "out.h5").read_bytes()
    local = words("chunks", "--engine", "local", "-j", "2")
    said = on_small(64, Path("/dev/shm"), jobs, left, local)
    assert "/dev/shm" in said.err
    assert failed_well(said.code, said.err, left, old)


@needs_mounts
@pytest.mark.faults
@pytest.mark.timeout(900)
@pytest.mark.parametrize("job", JOBS)
def test_every_size_of_a_disk_ends_in_a_result_or_in_code_4(
    jobs: Path, tmp_path: Path, job: str
) -> None:
    disk = tmp_path.with_name(tmp_path.name + ".disk")
    disk.mkdir()
    sizes = [8, *range(12, 260, 16), 4000]
    assert small_sweep(jobs, disk, sizes, words(job, "--engine", "serial")) == {0, 4}


@needs_mounts
@pytest.mark.faults
@pytest.mark.timeout(900)
@pytest.mark.parametrize("job", ["map", "chunks", "held", "reduce", "rechunk"])
def test_every_size_of_shared_memory_ends_in_a_result_or_in_code_4(jobs: Path, job: str) -> None:
    sizes = [4, 8, 12, 16, 32, 64, 128, 256, 1000, 8000, 16_384, 16_400, 16_500, 16_800, 40_000]
    command = words(job, "--engine", "local", "-j", "2")
    # A map of contiguous rows needs no more than the 4 kB in which the team synchronises.
    assert small_sweep(jobs, Path("/dev/shm"), sizes, command) == ({0} if job == "map" else {0, 4})
