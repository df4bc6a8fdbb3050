"""Jobs that are stopped more than once, in awkward places, or beside other people's files."""

from __future__ import annotations

import functools
import shutil
import types
from pathlib import Path
from typing import Any

import h5py
import numba
import numpy as np
import pytest

import sharedcompute as sc
from sharedcompute.engines.durability import states
from sharedcompute.engines.durability.stopped import stopped
from sharedcompute.operations.fingerprint import fingerprint
from sharedcompute.operations.reductions.tally import Tally

from .stopping import JOBS, Watch, map_of, run, whole_of

KILLED = -9


@pytest.mark.sample(1)
@pytest.mark.parametrize("at", [3, 5, 8])
@pytest.mark.parametrize("path", ["plain", "gzip"])
def test_a_job_stopped_at_its_end_and_while_it_goes_on_ends_in_the_same_bytes(
    place: Path, path: str, at: int
) -> None:
    """What the first run has done was said to lie in the second one's file, which had zeros."""
    how = {"chunks": "contiguous"} if path == "plain" else {}
    job = map_of("gaussian", path, sigma=1.5, **how)
    job(place / "in.h5", place / "whole.h5", engine="serial")
    assert run(place, job, "output.fsync:1:kill", engine="serial") == KILLED
    assert run(place, job, f"journal.append:{at}:kill", engine="serial", resume=True) == KILLED
    assert run(place, job, "", engine="serial", resume=True) == 0
    assert (place / "out.h5").read_bytes() == (place / "whole.h5").read_bytes()


@pytest.mark.sample(1)
@pytest.mark.parametrize("name", ["contiguous", "gzip", "repack a file"])
def test_a_disk_that_is_full_at_the_very_end_costs_nothing(place: Path, name: str) -> None:
    job = JOBS[name]
    assert run(place, job, "output.fsync:1:ENOSPC", engine="serial") == 1
    assert stopped(place / "out.h5") is not None
    watch = Watch()
    job(place / "in.h5", place / "out.h5", engine="serial", resume=True, listen=watch)
    assert watch.restored
    # HDF5 may have placed a chunk elsewhere than in the run that came to its end.
    assert len(watch.done) <= 1
    assert (place / "out.h5").read_bytes() == whole_of(place / "in.h5", name)


@pytest.mark.parametrize("point", ["journal.append", "output.create"])
@pytest.mark.parametrize("name", ["contiguous", "gzip"])
def test_a_resume_that_cannot_begin_takes_nothing_away(place: Path, name: str, point: str) -> None:
    job = JOBS[name]
    assert run(place, job, "unit.4:1:kill", engine="serial") == KILLED
    run(place, job, f"{point}:1:ENOSPC", engine="serial", resume=True)
    if (place / "out.h5").exists():
        return
    watch = Watch()
    job(place / "in.h5", place / "out.h5", engine="serial", resume=True, listen=watch)
    assert watch.restored >= 4


def test_files_of_others_in_the_folder_are_left_alone(place: Path) -> None:
    folder = place / "out.h5.resume"
    (folder / "sub").mkdir(parents=True)
    for name in ("photo-3.jpg", "notes"):
        (folder / name).write_text("mine")
    JOBS["gzip"](place / "in.h5", place / "out.h5", engine="serial")
    assert h5py.is_hdf5(place / "out.h5")
    assert {file.name for file in folder.iterdir()} == {"sub", "photo-3.jpg", "notes"}


def test_a_parameter_that_is_nan_has_not_changed(place: Path) -> None:
    job = map_of("gaussian", "plain", sigma=1.5, mode="constant", cval=np.nan)
    assert run(place, job, "unit.4:1:kill", engine="serial") == KILLED
    job(place / "in.h5", place / "out.h5", engine="serial", resume=True)


def test_results_are_added_to_a_file_of_the_newest_format_by_a_job_that_was_killed(
    place: Path,
) -> None:
    """HDF5 does not open such a file again that a killed process was writing."""
    with h5py.File(place / "out.h5", "w", libver="latest") as file:
        file["old"] = np.arange(5)
    job = map_of("gaussian", "plain", sigma=1.5)
    into = lambda f, out, **how: job(f, f"{out}::/new", **how)  # noqa: E731
    assert run(place, into, "unit.4:1:kill", engine="serial") == KILLED
    watch = Watch()
    into(place / "in.h5", place / "out.h5", engine="serial", resume=True, listen=watch)
    assert watch.restored >= 4
    want = job(place / "in.h5", None, engine="serial")
    with h5py.File(place / "out.h5") as file:
        assert np.array_equal(file["new"], want)
        assert file["old"][...].tolist() == [0, 1, 2, 3, 4]


def test_a_state_that_a_signal_has_left_half_added_up_is_not_kept(
    place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for module in ("units.threads", "durability.states"):
        monkeypatch.setattr(f"sharedcompute.engines.{module}.TAKE_SECONDS", 0.0)
    job = JOBS["one state a worker"]
    want = job(place / "in.h5", None, engine="serial")
    monkeypatch.setattr(states.SavedStates, "due", False)
    plain, times = Tally.fold, [0]

    def interrupted(self: Tally, *args: Any) -> None:
        plain(self, *args)
        times[0] += 1
        if times[0] == 5:
            raise KeyboardInterrupt

    monkeypatch.setattr(Tally, "fold", interrupted)
    with pytest.raises(KeyboardInterrupt):
        job(place / "in.h5", place / "out.h5", engine="serial")
    monkeypatch.undo()
    got = job(place / "in.h5", place / "out.h5", engine="serial", resume=True)
    assert all(np.array_equal(got[name], want[name]) for name in want)
    shutil.rmtree(place / "out.h5.resume", ignore_errors=True)


def of_two(a: Any, b: Any) -> Any:
    def kernel(x: Any, out: Any) -> None:
        out[...] = x * a["f"] * b["g"]

    return kernel


class Scale:
    """A kernel that is an object."""

    def __init__(self, by: float) -> None:
        self.by = by

    def __call__(self, x: Any, out: Any) -> None:
        out[...] = x * self.by


def copied(x: Any, out: Any) -> None:
    out[...] = x


def test_a_fingerprint_sees_all_that_a_kernel_is_made_of() -> None:
    versions = [
        (of_two({"f": 1}, {"g": 2}), of_two({"f": 1}, {"g": 3})),
        (Scale(1.0), Scale(2.0)),
        (Scale(1.0).__call__, Scale(2.0).__call__),
        (functools.partial(np.sin), functools.partial(np.cos)),
        (numba.njit(copied), numba.njit(copied, fastmath=True)),
    ]
    for one, other in versions:
        assert fingerprint(one) == fingerprint(one)
        assert fingerprint(one) != fingerprint(other)


def test_a_fingerprint_sees_what_is_used_of_ones_own_module() -> None:
    own = types.ModuleType("own_and_not_installed")
    found = []
    for text in ("def f(x): return 2 * x", "def f(x): return 3 * x"):
        exec(text, vars(own))
        used: dict[str, Any] = {"own": own}
        exec("def kernel(x, out): out[...] = own.f(x)", used)
        found.append(fingerprint(used["kernel"]))
    assert found[0] != found[1]


def test_a_finished_job_with_another_array_is_another_job(place: Path) -> None:
    job = functools.partial(sc.map, "anomaly", f"{place}/in.h5::/plain", place / "out.h5")
    job(mean=np.zeros(40), engine="serial")
    with pytest.raises(sc.OutputExists):
        job(mean=np.ones(40), engine="serial", resume=True)


def test_one_of_two_inputs_of_the_same_name_has_changed(place: Path) -> None:
    for name in ("a", "b"):
        (place / name).mkdir()
        shutil.copy(place / "in.h5", place / name)
    out = place / "out.h5"

    def job(f: Path, out: Path, **how: Any) -> None:
        sc.map("gaussian", f"{f.parent}/[ab]/in.h5::/plain", out, sigma=1.5, block_rows=10, **how)

    assert run(place, job, "unit.4:1:kill", engine="serial") == KILLED
    with h5py.File(place / "a" / "in.h5", "r+") as file:
        file["plain"][0] = 0
    with pytest.raises(sc.StaleResumeError, match=r"a/in.h5 has changed"):
        job(place / "in.h5", out, engine="serial", resume=True)


def test_another_input_under_the_same_name_is_another_job(tmp_path: Path) -> None:
    for number, name in enumerate("ab"):
        (tmp_path / name).mkdir()
        with h5py.File(tmp_path / name / "in.h5", "w") as file:
            file["x"] = np.full((4, 4), number, "f4")
    out = tmp_path / "out.h5"
    for write in (
        lambda name, **how: sc.map("scale", f"{tmp_path}/{name}/in.h5::/x", out, factor=2.0, **how),
        lambda name, **how: sc.repack(f"{tmp_path}/{name}/in.h5", out, filter="gzip:1", **how),
    ):
        write("a", overwrite=True)
        before = out.stat()
        write("a", resume=True)
        assert out.stat().st_ino == before.st_ino
        with pytest.raises(sc.OutputExists):
            write("b", resume=True)
        with h5py.File(out, "r+") as file:
            file["x"][0] = 7
        with pytest.raises(sc.OutputExists):
            write("a", resume=True)
