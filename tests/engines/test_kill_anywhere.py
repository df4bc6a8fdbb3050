"""Killed at any point, a job leaves the old output or the new one, and can be gone on with."""

from __future__ import annotations

import shutil
import signal
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest

import sharedcompute as sc
from sharedcompute.shm import arrays

from .stopping import JOBS, map_of, run, whole_of

POINTS = (
    "output.create",
    "output.settle",
    "journal.append",
    "unit",
    "chunk.store",
    "rows.write",
    "states.write",
    "waiting.write",
    "earlier.remove",
    "output.fsync",
    "output.rename",
    "output.renamed",
    "folder.remove",
)

KINDS = ("contiguous", "gzip", "scan", "one state a worker", "repack a file")


@pytest.mark.parametrize("point", POINTS)
@pytest.mark.parametrize("name", KINDS)
@pytest.mark.sample(2)
def test_a_job_killed_at_any_point_goes_on_to_the_same_bytes(
    place: Path, name: str, point: str
) -> None:
    job = JOBS[name]
    whole = whole_of(place / "in.h5", name)
    for number in range(1, 40):
        (place / "out.h5").write_bytes(b"precious")
        code = run(place, job, f"{point}:{number}:kill", engine="serial", overwrite=True)
        assert (place / "out.h5").read_bytes() in (b"precious", whole)
        if code == 0:
            break
        assert code == -signal.SIGKILL
        how = {"overwrite": True} if name == "repack a file" else {}
        again = run(place, job, "", engine="serial", resume=True, **how)
        # Where nothing was noted yet, nobody knows that the old one may be replaced.
        if again:
            run(place, job, "", engine="serial", resume=True, overwrite=True)
        assert (place / "out.h5").read_bytes() == whole
        assert not (place / "out.h5.resume").exists()
    else:
        pytest.fail(f"{point} has no end")


@pytest.mark.slow
def test_a_job_killed_again_and_again_comes_to_its_end(place: Path) -> None:
    """Also while it takes over what the runs before have left."""
    for name in ("gzip", "contiguous", "scan"):
        job = JOBS[name]
        (place / "out.h5").unlink(missing_ok=True)
        for attempt in range(60):
            # A little further each time: what is taken over is noted again before it goes on.
            script = f"journal.append:{3 + attempt}:kill"
            if run(place, job, script, engine="serial", resume=True) == 0:
                break
        else:
            pytest.fail("it does not get on")
        assert attempt > 1
        assert (place / "out.h5").read_bytes() == whole_of(place / "in.h5", name)


@pytest.mark.sample(1)
@pytest.mark.parametrize("error", ["ENOSPC", "EDQUOT", "EIO"])
@pytest.mark.parametrize("point", ["journal.append", "waiting.write", "states.write", "rows.write"])
def test_a_disk_that_fails_stops_the_job_and_it_goes_on_later(
    place: Path, point: str, error: str
) -> None:
    name = {"states.write": "one state a block", "rows.write": "contiguous"}.get(point, "gzip")
    job = JOBS[name]
    assert run(place, job, f"{point}:4:{error}", engine="serial") in (0, 1)
    run(place, job, "", engine="serial", resume=True)
    assert (place / "out.h5").read_bytes() == whole_of(place / "in.h5", name)


def test_a_dataset_is_added_to_a_file_all_or_nothing(place: Path) -> None:
    job = map_of("scale", "gzip", factor=3.0)
    with h5py.File(place / "old.h5", "w") as file:
        file["old"] = np.arange(5)
    before = (place / "old.h5").read_bytes()

    def added(f: Path, out: Path, **how: Any) -> None:
        job(f, f"{out}::/new", **how)

    shutil.copy(place / "old.h5", place / "out.h5")
    added(place / "in.h5", place / "out.h5", engine="serial")
    with h5py.File(place / "out.h5") as file:
        want = file["new"][...]
    for point in ("output.create", "unit", "output.fsync", "output.rename"):
        shutil.copy(place / "old.h5", place / "out.h5")
        assert run(place, added, f"{point}:1:kill", engine="serial") == -signal.SIGKILL
        assert (place / "out.h5").read_bytes() == before
        assert run(place, added, "", engine="serial", resume=True) == 0
        with h5py.File(place / "out.h5") as file:
            assert file["old"][...].tolist() == [0, 1, 2, 3, 4]
            assert np.array_equal(file["new"], want)


@pytest.mark.parametrize("point", ["journal.append", "chunk.store", "output.fsync"])
@pytest.mark.slow
def test_a_parent_that_is_killed_with_a_team_goes_on_too(place: Path, point: str) -> None:
    job = JOBS["gzip"]

    def with_team(f: Path, out: Path, **how: Any) -> None:
        with sc.Team(2, start_method="fork") as team:
            job(f, out, team=team, **how)

    times = 5 if point == "journal.append" else 1
    assert run(place, with_team, f"{point}:{times}:kill") == -signal.SIGKILL
    assert run(place, with_team, "", resume=True) == 0
    assert (place / "out.h5").read_bytes() == whole_of(place / "in.h5", "gzip")
    arrays.clean()
