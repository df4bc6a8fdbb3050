"""A job that was stopped goes on, to the same bytes, and computes nothing again that was done."""

from __future__ import annotations

import errno
import json
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest

import sharedcompute as sc
from sharedcompute import events
from sharedcompute.api.settings import Settings
from sharedcompute.engines import ranks
from sharedcompute.engines.durability import in_order, journal, sections, states
from sharedcompute.engines.durability.stopped import stopped
from sharedcompute.engines.units import pass_work, threads
from sharedcompute.system import faults

from .stopping import JOBS, Job, Stop, Watch, map_of, whole_of


@pytest.fixture(autouse=True)
def all_is_noted_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is done is noted as soon as it is, and not after a second."""
    for module in (in_order, states, threads):
        monkeypatch.setattr(module, "TAKE_SECONDS", 0.0)
    monkeypatch.setattr(ranks, "POST_SECONDS", 0.0)


@pytest.fixture(scope="module")
def crew() -> Iterator[sc.Team]:
    """Two workers that are forks, and so see what is patched here."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(threads, "TAKE_SECONDS", 0.0)
        with sc.Team(2, start_method="fork") as team:
            team.run(lambda _: None)
            yield team  # type: ignore[misc]


@pytest.mark.parametrize("after", [0, 1, 3, 12])
@pytest.mark.parametrize("engine", ["serial", "local"])
@pytest.mark.parametrize("name", JOBS)
@pytest.mark.sample(3)
def test_a_stopped_job_goes_on_to_the_same_bytes(
    field: Path, crew: sc.Team, name: str, engine: str, after: int
) -> None:
    job, how = JOBS[name], {"engine": "serial"} if engine == "serial" else {"team": crew}
    whole = whole_of(field / "in.h5", name)
    out = field / "out.h5"
    first = Watch(after)
    try:
        job(field / "in.h5", out, listen=first, **how)
    except Stop:
        assert not out.exists()
        again = Watch()
        job(field / "in.h5", out, listen=again, resume=True, **how)
        if name != "held until all is there":
            assert again.restored >= len(first.done)
    assert out.read_bytes() == whole
    assert not (field / "out.h5.resume").exists()


@pytest.mark.sample(1)
@pytest.mark.parametrize("name", ["contiguous", "gzip", "one state a block", "one state a worker"])
def test_a_job_may_be_stopped_again_and_again(field: Path, name: str) -> None:
    job = JOBS[name]
    blocks = 0
    for _ in range(100):
        watch = Watch(3)
        try:
            job(field / "in.h5", field / "out.h5", listen=watch, resume=True, engine="serial")
            break
        except Stop:
            assert watch.restored >= blocks
            blocks = watch.restored + len(watch.done)
    else:
        pytest.fail("it never came to its end")
    assert (field / "out.h5").read_bytes() == whole_of(field / "in.h5", name)


def test_a_job_goes_on_with_another_engine(field: Path, crew: sc.Team) -> None:
    for name in ("gzip", "scan", "one state a worker"):
        job = JOBS[name]
        for first, second in (
            ({"engine": "serial"}, {"team": crew}),
            ({"team": crew}, {"engine": "serial"}),
        ):
            out = field / "out.h5"
            out.unlink(missing_ok=True)
            with pytest.raises(Stop):
                job(field / "in.h5", out, listen=Watch(5), **first)
            job(field / "in.h5", out, resume=True, **second)
            assert out.read_bytes() == whole_of(field / "in.h5", name)


def test_a_dataset_is_added_to_a_file_by_a_job_that_was_stopped(field: Path) -> None:
    job = map_of("scale", "gzip", factor=3.0)
    for name in ("whole.h5", "out.h5"):
        with h5py.File(field / name, "w") as file:
            file["old"] = np.arange(5)
    job(field / "in.h5", f"{field}/whole.h5::/new", engine="serial")
    before = (field / "out.h5").read_bytes()
    with pytest.raises(Stop):
        job(field / "in.h5", f"{field}/out.h5::/new", listen=Watch(5), engine="serial")
    assert (field / "out.h5").read_bytes() == before
    job(field / "in.h5", f"{field}/out.h5::/new", resume=True, engine="serial")
    with h5py.File(field / "out.h5") as out, h5py.File(field / "whole.h5") as whole:
        assert np.array_equal(out["new"], whole["new"])
        assert out["old"][...].tolist() == [0, 1, 2, 3, 4]


def stop_early(field: Path, name: str = "contiguous", **how: Any) -> Path:
    with pytest.raises(Stop):
        JOBS[name](field / "in.h5", field / "out.h5", listen=Watch(5), engine="serial", **how)
    return field / "out.h5.resume"


def test_a_run_without_resume_begins_anew(field: Path) -> None:
    stop_early(field)
    watch = Watch()
    JOBS["contiguous"](field / "in.h5", field / "out.h5", listen=watch, engine="serial")
    assert watch.restored == 0
    assert len(watch.done) == 20
    assert not (field / "out.h5.resume").exists()


def test_resume_begins_where_there_is_nothing_to_go_on_with(field: Path) -> None:
    JOBS["gzip"](field / "in.h5", field / "out.h5", resume=True)
    assert h5py.is_hdf5(field / "out.h5")


def test_a_job_that_did_nothing_yet_leaves_nothing(field: Path) -> None:
    with pytest.raises(Stop):
        JOBS["gzip"](field / "in.h5", field / "out.h5", listen=Watch(0), engine="serial")
    # The block that was done before the listener raised is kept.
    assert sorted(p.name for p in field.iterdir()) in (["in.h5"], ["in.h5", "out.h5.resume"])


def test_a_disk_still_full_costs_nothing_that_is_kept(
    field: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = stop_early(field)
    left = sorted((p.name, p.read_bytes()) for p in folder.iterdir())

    def full(*_: Any, **__: Any) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with monkeypatch.context() as patched:
        patched.setattr(sections, "Journal", full)
        with pytest.raises(sc.MemoryBudgetError, match="No space left"):
            JOBS["contiguous"](field / "in.h5", field / "out.h5", resume=True)
    assert sorted((p.name, p.read_bytes()) for p in folder.iterdir()) == left


def double(x: Any, out: Any) -> None:
    out[...] = 2 * x


def triple(x: Any, out: Any) -> None:
    out[...] = 3 * x


def test_what_has_changed_is_named_and_nothing_is_touched(
    own_field: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = stop_early(own_field)
    left = sorted((p.name, p.read_bytes()) for p in folder.iterdir())
    changes: dict[str, Job] = {
        "sigma of gaussian": map_of("gaussian", "plain", sigma=9.0),
        "the operation": map_of("uniform", "plain", size=3),
        "the input dataset": map_of("gaussian", "gzip", sigma=1.5),
        "the storage of /plain": map_of(
            "gaussian", "plain", sigma=1.5, filter="gzip:4", chunks="10,40"
        ),
    }
    for what, job in changes.items():
        with pytest.raises(sc.StaleResumeError, match=what):
            job(own_field / "in.h5", own_field / "out.h5", resume=True, engine="serial")
    monkeypatch.setattr(h5py, "__version__", "99.0")
    with pytest.raises(
        sc.StaleResumeError, match=r"the version of h5py has changed from .* to 99.0"
    ):
        JOBS["contiguous"](own_field / "in.h5", own_field / "out.h5", resume=True)
    monkeypatch.undo()
    assert sorted((p.name, p.read_bytes()) for p in folder.iterdir()) == left
    with h5py.File(own_field / "in.h5", "r+") as file:
        file["plain"][0] = 0
    with pytest.raises(sc.StaleResumeError, match=r"the file .*/in.h5 has changed"):
        JOBS["contiguous"](own_field / "in.h5", own_field / "out.h5", resume=True)


def test_another_kernel_of_ones_own_is_another_job(field: Path) -> None:
    op = sc.Map("own", double)
    with pytest.raises(Stop):
        map_of(op, "plain")(field / "in.h5", field / "out.h5", listen=Watch(5), engine="serial")
    with pytest.raises(sc.StaleResumeError, match="the code of own"):
        map_of(sc.Map("own", triple), "plain")(field / "in.h5", field / "out.h5", resume=True)
    map_of(sc.Map("own", double), "plain")(field / "in.h5", field / "out.h5", resume=True)


def test_a_file_that_results_are_added_to_must_be_the_same(field: Path) -> None:
    with h5py.File(field / "out.h5", "w") as file:
        file["old"] = np.arange(5)
    job = map_of("scale", "plain", factor=3.0)
    with pytest.raises(Stop):
        job(field / "in.h5", f"{field}/out.h5::/new", listen=Watch(5), engine="serial")
    with h5py.File(field / "out.h5", "r+") as file:
        file["late"] = 1
    with pytest.raises(sc.StaleResumeError, match="added to"):
        job(field / "in.h5", f"{field}/out.h5::/new", resume=True)
    with h5py.File(field / "out.h5") as file:
        assert set(file) == {"old", "late"}


@pytest.mark.parametrize("name", ["contiguous", "gzip", "one state a block", "one state a worker"])
@pytest.mark.parametrize("harm", ["torn", "flipped", "garbage", "gone"])
def test_a_damaged_journal_is_used_up_to_the_damage(field: Path, name: str, harm: str) -> None:
    folder = stop_early(field, name)
    file = folder / "journal-1"
    data = bytearray(file.read_bytes())
    if harm == "torn":
        data = data[:-7]
    elif harm == "flipped":
        data[len(data) * 2 // 3] ^= 4
    elif harm == "garbage":
        data += b"\x00\xff garbage without an end"
    file.write_bytes(data if harm != "gone" else b"")
    JOBS[name](field / "in.h5", field / "out.h5", resume=True, engine="serial")
    assert (field / "out.h5").read_bytes() == whole_of(field / "in.h5", name)


@pytest.mark.sample(2)
@pytest.mark.parametrize("name", ["contiguous", "gzip", "one state a block", "one state a worker"])
def test_damaged_rows_and_states_are_computed_again(field: Path, name: str) -> None:
    JOBS[name](field / "in.h5", field / "whole.h5", engine="serial")
    folder = stop_early(field, name)
    reductions = name.startswith("one state")
    (file,) = folder.glob("states-1-1" if reductions else "output-1.h5")
    data = bytearray(file.read_bytes())
    for at in range(0 if reductions else len(data) // 8, len(data)):
        data[at] ^= 0xFF
    file.write_bytes(data)
    watch = Watch()
    JOBS[name](field / "in.h5", field / "out.h5", resume=True, engine="serial", listen=watch)
    assert watch.restored < 5
    if not reductions:
        with h5py.File(field / "out.h5") as out, h5py.File(field / "whole.h5") as whole:
            path = "plain" if name == "contiguous" else "gzip"
            assert np.array_equal(out[path], whole[path])
    else:
        assert (field / "out.h5").read_bytes() == (field / "whole.h5").read_bytes()


def test_a_finished_job_is_not_done_again(own_field: Path) -> None:
    for name in ("gzip", "one state a block"):
        out = own_field / f"{name}.h5"
        first = JOBS[name](own_field / "in.h5", out)
        before, watch = out.stat(), Watch()
        again = JOBS[name](own_field / "in.h5", out, resume=True, listen=watch)
        assert watch.done == []
        assert out.stat().st_mtime_ns == before.st_mtime_ns
        if name == "one state a block":
            assert all(np.array_equal(first[key], again[key]) for key in first)
        with pytest.raises(sc.OutputExists):
            map_of("gaussian", "gzip", sigma=4.0)(own_field / "in.h5", out, resume=True)
    (own_field / "in.h5").touch()
    with pytest.raises(sc.OutputExists):
        JOBS["gzip"](own_field / "in.h5", own_field / "gzip.h5", resume=True)


def test_resume_without_an_output_is_refused(field: Path) -> None:
    with pytest.raises(sc.InputError, match="output"):
        sc.reduce("mean", f"{field}/in.h5::/plain", resume=True)


def test_what_is_kept_is_told(field: Path) -> None:
    with pytest.raises(Stop) as caught:
        JOBS["gzip"](field / "in.h5", field / "out.h5", listen=Watch(7), engine="serial")
    assert "resume=True" in caught.value.__notes__[0]
    found = stopped(field / "out.h5")
    assert found is not None
    assert (found.what, found.running) == ("gaussian of in.h5::/gzip", False)
    assert 7 <= found.done <= 8 < found.units
    assert "8 of 20" in str(found) or "7 of 20" in str(found)


@pytest.fixture
def failing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], None]:
    """Sets the script of failures, for this process and its forks."""
    counts = tmp_path / "counts"
    counts.mkdir()
    monkeypatch.setenv("SHAREDCOMPUTE_FAULTS_FOLDER", str(counts))

    def script(text: str) -> None:
        words = tuple(tuple(word.split(":")) for word in text.split())
        monkeypatch.setattr(faults, "SCRIPT", words)

    return script


@pytest.mark.parametrize("name", JOBS)
@pytest.mark.parametrize("where", ["unit.0:1:kill", "unit:1:kill unit:9:exit", "units.end:1:kill"])
@pytest.mark.sample(2)
def test_rows_whose_worker_died_are_done_again_bit_for_bit(
    field: Path, failing: Callable[[str], None], name: str, where: str
) -> None:
    whole = whole_of(field / "in.h5", name)
    failing(where)
    replaced: list[events.Event] = []

    def listen(event: events.Event) -> None:
        if isinstance(event, events.WorkerReplaced):
            replaced.append(event)

    with sc.Team(2, start_method="fork") as team:
        JOBS[name](field / "in.h5", field / "out.h5", team=team, retries=2, listen=listen)
    assert replaced
    assert (field / "out.h5").read_bytes() == whole


@pytest.mark.sample(1)
@pytest.mark.parametrize("name", ["two passes", "one state a block", "one state a worker"])
def test_states_are_combined_again_where_a_worker_died(
    field: Path, failing: Callable[[str], None], name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pass_work, "TILE", 0)
    test_rows_whose_worker_died_are_done_again_bit_for_bit(field, failing, name, "combine:1:kill")


@pytest.mark.slow
def test_rows_that_kill_every_worker_are_named_and_the_rest_is_kept(
    field: Path, failing: Callable[[str], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    failing("unit.12:*:kill")
    with (
        sc.Team(2, start_method="fork") as team,
        pytest.raises(sc.WorkerDied, match="the last of 3 that died there") as caught,
    ):
        JOBS["gzip"](field / "in.h5", field / "out.h5", team=team, retries=2)
    assert (caught.value.rows, caught.value.signal) == ((120, 130), 9)
    monkeypatch.setattr(faults, "SCRIPT", ())
    watch = Watch()
    JOBS["gzip"](field / "in.h5", field / "out.h5", engine="serial", resume=True, listen=watch)
    assert watch.restored >= 12
    assert (field / "out.h5").read_bytes() == whole_of(field / "in.h5", "gzip")


def test_without_retries_a_death_ends_the_job(field: Path, failing: Callable[[str], None]) -> None:
    failing("unit.3:1:kill")
    with sc.Team(2, start_method="fork") as team, pytest.raises(sc.WorkerDied):
        JOBS["gzip"](field / "in.h5", field / "out.h5", team=team)


def test_results_in_memory_survive_a_death(field: Path, failing: Callable[[str], None]) -> None:
    x = np.random.default_rng(0).normal(size=(200, 40))
    want = sc.map("gaussian", x, sigma=2.0, engine="serial", block_rows=10)
    failing("unit:7:kill")
    with sc.Team(2, start_method="fork") as team:
        got = sc.map("gaussian", x, sigma=2.0, team=team, block_rows=10, retries=1)
    assert np.array_equal(got, want)


def test_a_record_with_a_wrong_checksum_ends_the_journal(tmp_path: Path) -> None:
    path = tmp_path / "journal"
    made = journal.Journal(path)
    for number in range(3):
        made.append({"n": number})
    made.close()
    lines = path.read_bytes().splitlines(keepends=True)
    assert [json.loads(line.partition(b" ")[2]) for line in lines] == journal.read(path)
    path.write_bytes(lines[0] + lines[1].replace(b"1", b"7", 1) + lines[2])
    assert journal.read(path) == [{"n": 0}]
    again = journal.Journal(path, goes_on=True)
    again.append({"n": "new"})
    again.close()
    assert journal.read(path) == [{"n": 0}, {"n": "new"}]


def test_settings_have_their_places() -> None:
    made = Settings.of({"resume": True, "retries": 3})
    assert (made.storage.resume, made.options.retries) == (True, 3)
