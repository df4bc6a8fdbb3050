"""``--memory`` is kept: what all processes take together, measured while a job runs."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import h5py
import numpy as np
import pytest

from tests.process_memory import SHM, most_of

COMMAND = [sys.executable, "-m", "sharedcompute"]

pytestmark = pytest.mark.skipif(not SHM.is_dir(), reason="/proc and /dev/shm are needed")

JOBS = {
    "reduce": "reduce mean,std,min in.h5::/x out.h5",
    "map": "map cast -p dtype=f8 in.h5::/x out.h5",
    "gzip": "map cast -p dtype=f8 in.h5::/z out.h5",
    "stencil": "map gaussian -p sigma=2 in.h5::/z out.h5",
    "median": "map median -p size=3 in.h5::/w out.h5",
    "scan": "scan cumsum in.h5::/z out.h5",
    "zscore": "map zscore in.h5::/w out.h5",
    "wide": "reduce mean,std,min in.h5::/w out.h5",
    "wide stencil": "map gaussian -p sigma=2 in.h5::/w out.h5",
    "load": "reduce mean,std in.h5::/t out.h5",
    "held": "map cast -p dtype=f8 in.h5::/x out.h5 --chunks 10000,10 --filter gzip:1",
    "load and held": "map gaussian -p sigma=2 in.h5::/c out.h5",
    "repack": "repack in.h5 out.h5 --filter gzip:1",
    "rechunk": "repack in.h5::/c out.h5 --chunks 250,300",
}
ENGINES = ["--engine serial", *(f"--engine local -j {n}" for n in (1, 2, 4))]


@pytest.fixture(scope="module")
def inputs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """36 MB in rows of 1.2 kB and of 2.4 MB, contiguous and in chunks."""
    folder = tmp_path_factory.mktemp("memory")
    x = np.random.default_rng(5).integers(0, 99, size=(30_000, 300)).astype("f4")
    with h5py.File(folder / "in.h5", "w") as file:
        packed = {"compression": 1, "shuffle": True}
        file["x"] = x
        file.create_dataset("z", data=x, chunks=(250, 300), **packed)
        file.create_dataset("c", data=x, chunks=(15_000, 10), **packed)
        file.create_dataset("t", data=x.reshape(1500, -1), chunks=(750, 60), **packed)
        file.create_dataset("w", data=x.reshape(15, -1), chunks=(1, 600_000), **packed)
    return folder


def peak(folder: Path, words: list[str], **environment: str) -> int:
    """Run a command to its end; the most that its processes had together."""
    started = subprocess.Popen(
        [*COMMAND, *words], cwd=folder, stderr=subprocess.PIPE, text=True,
        env={**os.environ, **environment},
    )  # fmt: skip
    most = most_of(started)
    _, err = started.communicate()
    assert started.returncode == 0, err
    return most


def planned(folder: Path, words: list[str]) -> dict[str, object]:
    said = subprocess.run(
        [*COMMAND, *words, "--dry-run", "--json"], cwd=folder, capture_output=True, text=True,
        check=False,
    )  # fmt: skip
    assert said.returncode == 0, said.stderr
    plan: dict[str, object] = json.loads(said.stdout)
    return plan


def kept(folder: Path, words: list[str], **environment: str) -> tuple[int, int]:
    """Run a job with just the memory that it says it needs: that, and the measured peak."""
    needed = int(str(planned(folder, words)["memory"]))
    return needed, peak(folder, [*words, "--memory", str(needed)], **environment)


def words_of(job: str, engine: str) -> list[str]:
    return [*JOBS[job].split(), "--overwrite", *engine.split()]


@pytest.mark.slow
def test_a_job_takes_no_more_memory_than_it_was_given(inputs: Path) -> None:
    needed, most = kept(inputs, words_of("load and held", "--engine local -j 2"))
    assert 0 < most <= needed


@pytest.mark.faults
@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("job", JOBS)
def test_every_kind_of_job_takes_no_more_memory_than_it_was_given(
    inputs: Path, job: str, engine: str
) -> None:
    needed, most = kept(inputs, words_of(job, engine))
    assert needed / 2.5 < most <= needed


@pytest.mark.faults
@pytest.mark.parametrize("job", ["reduce", "gzip", "stencil", "repack"])
def test_kernels_compiled_for_the_first_time_fit_as_well(
    inputs: Path, tmp_path: Path, job: str
) -> None:
    words = words_of(job, "--engine local -j 4")
    needed, most = kept(inputs, words, NUMBA_CACHE_DIR=str(tmp_path))
    assert most <= needed


@pytest.mark.faults
@pytest.mark.parametrize("engine", ENGINES[:3])
@pytest.mark.parametrize(("less", "load"), [(20e6, "memory"), (34e6, "file")])
def test_chunks_loaded_in_stripes_or_into_a_file_fit_as_well(
    inputs: Path, engine: str, less: float, load: str
) -> None:
    words = words_of("load", engine)
    given = int(str(planned(inputs, words)["memory"])) - int(less)
    words += ["--memory", str(given)]
    assert planned(inputs, words)["load"] == load
    assert peak(inputs, words) <= given
