"""What others may have put beside an output: nothing of theirs is touched, followed or believed."""

from __future__ import annotations

import itertools
import json
import os
import random
import stat
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest

import sharedcompute as sc
from sharedcompute.engines.durability import in_order, journal, states
from sharedcompute.engines.durability.stopped import stopped
from sharedcompute.engines.fits import rounds
from sharedcompute.engines.units import threads
from sharedcompute.errors import Error

from .stopping import JOBS, Stop, Watch, in_a_fork, whole_of

PRECIOUS = b"a file of somebody else's, which stays as it is"

OTHER = 12345
"""A user that this one is not."""

NAMES = ["lock", "journal-1", "output-1.h5", "waiting-1", "states-1-1"]


@pytest.fixture(autouse=True)
def all_is_noted_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    for module in (in_order, states, threads):
        monkeypatch.setattr(module, "TAKE_SECONDS", 0.0)
    monkeypatch.setattr(rounds, "SAVE_SECONDS", 0.0)
    monkeypatch.setattr(rounds, "SAVE_SHARE", 0)


@pytest.fixture
def victim(tmp_path: Path) -> Path:
    """A folder with files that a job may take for its own."""
    folder = tmp_path / "victim"
    folder.mkdir()
    for name in NAMES:
        (folder / name).write_bytes(PRECIOUS)
    return folder


def assert_untouched(victim: Path) -> None:
    assert {f.name: f.read_bytes() for f in victim.iterdir()} == dict.fromkeys(NAMES, PRECIOUS)


def run(field: Path, name: str = "gzip", **how: Any) -> None:
    JOBS[name](field / "in.h5", field / "out.h5", engine="serial", **how)


def stop(field: Path, name: str = "gzip") -> Path:
    with pytest.raises(Stop):
        run(field, name, listen=Watch(7))
    return field / "out.h5.resume"


def refused(job: Callable[[], Any], text: str) -> None:
    with pytest.raises(Error, match=text) as caught:
        job()
    assert caught.value.exit_code in (2, 3)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("resume", [False, True])
def test_a_folder_behind_a_link_is_refused(field: Path, victim: Path, resume: bool) -> None:
    (field / "out.h5.resume").symlink_to(victim)
    refused(lambda: run(field, resume=resume), "a folder of your own.*found a link")
    refused(lambda: sc.repack(field / "in.h5", field / "out.h5", resume=resume), "found a link")
    assert stopped(field / "out.h5") is None
    assert_untouched(victim)


@pytest.mark.parametrize("resume", [False, True])
def test_a_folder_that_others_may_write_to_is_refused(field: Path, resume: bool) -> None:
    folder = stop(field)
    folder.chmod(0o777)
    kept = sorted((f.name, f.read_bytes()) for f in folder.iterdir())
    refused(lambda: run(field, resume=resume), "others may write to .mode 777.")
    assert sorted((f.name, f.read_bytes()) for f in folder.iterdir()) == kept
    folder.chmod(0o700)
    run(field, resume=resume)
    assert (field / "out.h5").read_bytes() == whole_of(field / "in.h5", "gzip")


def test_the_folder_is_for_its_owner_alone(field: Path) -> None:
    before = os.umask(0)
    try:
        folder = stop(field)
    finally:
        os.umask(before)
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700


needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root can be two users")


@needs_root
@pytest.mark.parametrize("resume", [False, True])
def test_a_folder_of_another_user_is_refused(field: Path, resume: bool) -> None:
    folder = stop(field)
    for item in (folder, *folder.iterdir()):
        os.chown(item, OTHER, OTHER)
    kept = sorted((f.name, f.read_bytes()) for f in folder.iterdir())
    refused(lambda: run(field, resume=resume), f"one of user {OTHER}")
    assert sorted((f.name, f.read_bytes()) for f in folder.iterdir()) == kept


@needs_root
def test_a_user_leaves_what_root_has_left(field: Path) -> None:
    folder = stop(field)
    folder.chmod(0o755)
    field.chmod(0o777)
    for above in itertools.takewhile(lambda p: p != Path("/tmp"), field.parents):
        above.chmod(above.stat().st_mode | 0o055)

    def as_another() -> None:
        os.setgid(OTHER)
        os.setuid(OTHER)
        refused(lambda: run(field, resume=True), "one of user 0")
        refused(lambda: run(field), "one of user 0")

    try:
        assert in_a_fork(as_another) == 0
    finally:
        field.chmod(0o700)


@needs_root
@pytest.mark.parametrize("name", NAMES[1:])
def test_a_file_of_another_user_is_not_gone_on_with(field: Path, name: str) -> None:
    job = "one state a block" if name.startswith("states") else "contiguous"
    folder = stop(field, job)
    if (folder / name).exists():
        os.chown(folder / name, OTHER, OTHER)
        run(field, job, resume=True)
        assert (field / "out.h5").read_bytes() == whole_of(field / "in.h5", job)


KINDS: dict[str, Callable[[Path, Path], None]] = {
    "symbolic link": lambda path, target: path.symlink_to(target),
    "hard link": lambda path, target: os.link(target, path),
    "link to nothing": lambda path, _: path.symlink_to("nowhere"),
    "pipe": lambda path, _: os.mkfifo(path),
    "folder": lambda path, _: (path / "full").mkdir(parents=True),
}


@pytest.mark.parametrize("resume", [False, True])
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("name", NAMES)
def test_whatever_stands_for_a_file_of_the_job_is_not_followed(
    field: Path, victim: Path, name: str, kind: str, resume: bool
) -> None:
    job = "one state a block" if name.startswith("states") else "gzip"
    folder = stop(field, job)
    (folder / name).unlink(missing_ok=True)
    KINDS[kind](folder / name, victim / name)
    try:
        run(field, job, resume=resume)
    except (sc.InputError, sc.StaleResumeError) as problem:
        told = str(problem)
        assert "\n" not in told
        assert not (field / "out.h5").exists()
    else:
        assert (field / "out.h5").read_bytes() == whole_of(field / "in.h5", job)
    assert_untouched(victim)
    assert not (field / "nowhere").exists()
    assert not (folder / "nowhere").exists()


def forge(file: Path, records: list[Any]) -> None:
    """A journal with right checksums, as anybody can write one."""
    crc, lines = 0, b""
    for record in records:
        text = json.dumps(record, separators=(",", ":")).encode()
        crc = zlib.crc32(text, crc)
        lines += b"%08x %b\n" % (crc, text)
    file.write_bytes(lines)


def test_the_forger_of_these_tests_writes_what_a_job_reads(field: Path) -> None:
    folder = stop(field)
    before = (folder / "journal-1").read_bytes()
    forge(folder / "journal-1", journal.read(folder / "journal-1"))
    assert (folder / "journal-1").read_bytes() == before


@pytest.mark.slow
@pytest.mark.parametrize("name", ["contiguous", "gzip", "one state a block", "one state a worker"])
def test_lines_count_only_where_they_stand(field: Path, name: str) -> None:
    """Each keeps its own checksum, and stands elsewhere, twice, or is left out."""
    orders: dict[str, Callable[[list[bytes]], list[bytes]]] = {
        "reversed": lambda lines: lines[::-1],
        "the last ones first": lambda lines: [lines[0], *lines[:0:-1]],
        "twice": lambda lines: [line for line in lines for _ in range(2)],
        "one left out": lambda lines: lines[:2] + lines[3:],
    }
    for change in orders.values():
        folder = stop(field, name)
        file = folder / "journal-1"
        file.write_bytes(b"".join(change(file.read_bytes().splitlines(keepends=True))))
        run(field, name, resume=True)
        assert (field / "out.h5").read_bytes() == whole_of(field / "in.h5", name)
        (field / "out.h5").unlink()


NONSENSE: list[Any] = [
    -1,
    10**15,
    10**30,
    0.5,
    "x",
    None,
    True,
    [],
    {},
    [[]],
    [-1, "x"],
    [[0, 10**12]],
]


def forgeries(records: list[Any]) -> list[list[Any]]:
    """Journals in which one value, anywhere in one record, is another."""

    def places(value: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
        if not isinstance(value, dict | list):
            return []
        found = []
        for key, below in value.items() if isinstance(value, dict) else enumerate(value):
            found += [(*path, key), *places(below, (*path, key))]
        return found

    made = []
    for number, record in enumerate(records):
        for path in places(record):
            if "identity" in path:
                continue
            for nonsense in NONSENSE:
                copy = json.loads(json.dumps(records))
                here = copy[number]
                for key in path[:-1]:
                    here = here[key]
                here[path[-1]] = nonsense
                made.append(copy)
    return made


def check_forgeries(field: Path, name: str, count: int | None) -> None:
    (field / "whole.h5").write_bytes(whole_of(field / "in.h5", name))
    whole = contents(field / "whole.h5")
    folder = stop(field, name)
    kept = {f.name: f.read_bytes() for f in folder.iterdir()}
    all_of_them = forgeries(journal.read(folder / "journal-1"))
    chosen = all_of_them if count is None else random.Random(1).sample(all_of_them, count)
    for records in chosen:
        folder.mkdir(mode=0o700, exist_ok=True)
        for file in folder.iterdir():
            file.unlink()
        for file_name, content in kept.items():
            (folder / file_name).write_bytes(content)
        forge(folder / "journal-1", records)
        try:
            told = stopped(field / "out.h5")
            assert told is None or "\n" not in str(told)
            run(field, name, resume=True)
        except Error as problem:
            said = str(problem)
            assert "\n" not in said
            assert not (field / "out.h5").exists()
        else:
            # Not the bytes: where notes are lost, chunks may come to lie elsewhere.
            assert contents(field / "out.h5") == whole
            (field / "out.h5").unlink()


def contents(path: Path) -> dict[str, bytes]:
    """All rows of a file."""
    found: dict[str, bytes] = {}
    with h5py.File(path) as file:
        file.visititems(
            lambda name, item: found.update(
                {name: item[...].tobytes()} if isinstance(item, h5py.Dataset) else {}
            )
        )
    return found


FORGED = ["contiguous", "gzip", "one state a block", "one state a worker"]


@pytest.mark.parametrize("name", FORGED)
@pytest.mark.slow
def test_forged_notes_are_refused_or_computed_again(field: Path, name: str) -> None:
    check_forgeries(field, name, 15)


@pytest.mark.faults
@pytest.mark.timeout(3600)
@pytest.mark.parametrize("name", JOBS)
def test_all_forged_notes_are_refused_or_computed_again(field: Path, name: str) -> None:
    check_forgeries(field, name, None)


@pytest.mark.slow
def test_forged_rounds_are_refused_or_done_again(field: Path) -> None:
    def fit(**how: Any) -> Any:
        return sc.fit(
            "kmeans", f"{field}/in.h5::/plain", field / "out.h5", n_clusters=3, random_state=1,
            engine="serial", **how,
        )  # fmt: skip

    def stop_it(event: Any) -> None:
        if getattr(event, "number", 0) == 3 and hasattr(event, "values"):
            raise Stop

    whole = fit().cluster_centers_
    (field / "out.h5").unlink()
    with pytest.raises(Stop):
        fit(listen=stop_it)
    folder = field / "out.h5.resume"
    kept = {f.name: f.read_bytes() for f in folder.iterdir()}
    records = journal.read(folder / "journal-1")
    assert any("rounds" in record for record in records)
    for forged in random.Random(2).sample(forgeries(records), 12):
        folder.mkdir(mode=0o700, exist_ok=True)
        for file_name, content in kept.items():
            (folder / file_name).write_bytes(content)
        forge(folder / "journal-1", forged)
        try:
            found = fit(resume=True).cluster_centers_
        except Error as problem:
            said = str(problem)
            assert "\n" not in said
        else:
            np.testing.assert_array_equal(found, whole)
            (field / "out.h5").unlink()
