"""``sharedcompute repack`` as it is typed: addresses, options, exit codes, signals."""

from __future__ import annotations

import json
import os
import signal
import sys
from pathlib import Path

import h5py
import numpy as np
import pytest

import sharedcompute as sc
from sharedcompute.cli.main import invoke
from sharedcompute.shm import arrays
from tests.cli.conftest import Cli
from tests.cli.processes import start, wait_until_running
from tests.hdf5.copying import differences

X = np.arange(24 * 18 * 6, dtype="f4").reshape(24, 18, 6) % 251


@pytest.fixture
def old(folder: Path) -> Path:
    """in.h5: numbers stored in three ways, and other things."""
    with h5py.File("in.h5", "w") as file:
        file.create_dataset("x", data=X, chunks=(1, 18, 6), compression=1)
        file.create_dataset("g/y", data=X[:, 0], chunks=(24, 2), shuffle=True, compression=9)
        file["flat"] = X[0]
        file["names"] = np.array(["a", "b"], h5py.string_dtype())
        file["scalar"] = 1.5
        file["x"].attrs["units"] = "K"
    return folder


def stored(file: str, path: str) -> tuple[tuple[int, ...] | None, str | None, bool]:
    """How a dataset is stored: chunks, h5py's name of its filter, whether it is shuffled."""
    with h5py.File(file) as opened:
        item = opened[path]
        return item.chunks, item.compression, item.shuffle


@pytest.mark.parametrize(
    ("words", "chunks", "compression", "shuffle"),
    [
        ("--chunks 4,9,6", (4, 9, 6), "gzip", False),
        ("--chunks auto", (24, 18, 6), "gzip", False),
        ("--chunks contiguous", None, None, False),
        ("--chunks contiguous --filter none", None, None, False),
        ("--filter none", (1, 18, 6), None, False),
        ("--filter gzip:9", (1, 18, 6), "gzip", True),
        ("--filter gzip --no-shuffle", (1, 18, 6), "gzip", False),
        ("--filter isal:1", (1, 18, 6), "gzip", True),
        ("--filter lzf --chunks 5,5,5", (5, 5, 5), "lzf", True),
        ("--shuffle", (1, 18, 6), "gzip", True),
        ("--chunks 100,100,100", (24, 18, 6), "gzip", False),
    ],
)
@pytest.mark.sample(3)
def test_options_say_how_it_is_stored(
    cli: Cli, old: Path, words: str, chunks: tuple[int, ...], compression: str, shuffle: bool
) -> None:
    assert cli("repack", "in.h5", "out.h5", *words.split()) == (0, "", "")
    assert stored("out.h5", "x") == (chunks, compression, shuffle)
    assert differences(old / "in.h5", old / "out.h5") == ""


def test_nothing_asked_for_gives_an_equal_file(cli: Cli, old: Path) -> None:
    assert cli("repack", "in.h5", "out.h5").code == 0
    assert stored("out.h5", "x") == stored("in.h5", "x")
    assert differences(old / "in.h5", old / "out.h5") == ""


def test_a_dataset_alone_keeps_its_path_or_gets_another(cli: Cli, old: Path) -> None:
    assert cli("repack", "in.h5::/g/y", "one.h5", "--filter", "lz4").code == 0
    assert cli("repack", "in.h5::/x", "one.h5::/z", "--chunks", "contiguous").code == 0
    with h5py.File("one.h5") as file:
        assert sorted(file) == ["g", "z"]
        np.testing.assert_array_equal(file["z"][...], X)
        assert file["z"].attrs["units"] == "K"


WRONG = {
    "--chunks 4,4": "expected",
    "--filter none --shuffle": "--shuffle",
    "--filter nonsense:3": "known filters are",
    "--filter gzip:11": "gzip:0 to gzip:9",
    "--chunks contiguous --filter gzip": "drop one",
    "--chunks 0,1,1": "expected chunks such as",
    "--chunks two": "expected chunks such as",
    "--memory 1": "--memory",
}


@pytest.mark.parametrize("words", WRONG)
def test_wrong_options_are_one_line_and_leave_nothing(
    cli: Cli, old: Path, no_workers: None, words: str
) -> None:
    code, out, err = cli("repack", "in.h5::/x", "out.h5", *words.split())
    assert (code, out) == (4 if "memory" in words else 2, "")
    assert WRONG[words] in err
    assert err.count("\n") == 1
    assert sorted(item.name for item in old.iterdir()) == ["in.h5"]


def test_chunks_of_a_rank_that_no_dataset_has_are_refused(cli: Cli, old: Path) -> None:
    code, _, err = cli("repack", "in.h5", "out.h5", "--chunks", "1,2,3,4")
    assert code == 2
    assert "1,2,3,4" in err
    assert not Path("out.h5").exists()


@pytest.mark.sample(5)
@pytest.mark.parametrize(
    ("source", "target", "code", "says"),
    [
        ("in.h5", "in.h5", 2, "other than the input"),
        ("in.h5::/x", "in.h5::/x2", 2, "other than the input"),
        ("in.h5::/g", "out.h5", 2, "found a group"),
        ("in.h5::/names", "out.h5", 2, "expected numbers"),
        ("in.h5::/scalar", "out.h5", 2, "expected numbers"),
        ("in.h5::/nope", "out.h5", 2, "found nothing"),
        ("gone.h5", "out.h5", 2, "found nothing"),
        ("*.h5", "out.h5", 2, "expected one file"),
        ("no*.h5", "out.h5", 2, "found none"),
        ("in.h5", "out.h5::/place", 2, "whole file"),
        ("in.h5", "there.h5", 3, "--overwrite"),
        ("in.h5::/x", "there.h5", 3, "--overwrite"),
        ("in.h5::/x", "there.h5::/a", 3, "--overwrite"),
        ("in.h5::/x", "there.h5::/a/b", 2, "found a dataset"),
        ("in.h5", "no/where.h5", 2, "folder"),
        ("text.h5", "out.h5", 2, "is not HDF5"),
    ],
)
def test_what_cannot_be_is_refused_before_anything_starts(
    cli: Cli, old: Path, no_workers: None, source: str, target: str, code: int, says: str
) -> None:
    with h5py.File("there.h5", "w") as file:
        file["a"] = 1
    Path("text.h5").write_text("hello")
    before = Path("there.h5").read_bytes()
    got, out, err = cli("repack", source, target, "--filter", "lz4")
    assert (got, out) == (code, "")
    assert says in err
    assert err.count("\n") == 1
    assert Path("there.h5").read_bytes() == before
    assert sorted(item.name for item in old.iterdir()) == ["in.h5", "text.h5", "there.h5"]


def test_a_glob_of_one_file_is_that_file(cli: Cli, old: Path) -> None:
    assert cli("repack", "i*.h5", "out.h5", "--filter", "lz4").code == 0
    assert differences(old / "in.h5", old / "out.h5") == ""


def test_overwrite_replaces(cli: Cli, old: Path) -> None:
    Path("out.h5").write_text("old")
    assert cli("repack", "in.h5", "out.h5", "--overwrite", "--filter", "lz4").code == 0
    assert differences(old / "in.h5", old / "out.h5") == ""


def test_dry_run_says_what_would_be_done_and_does_nothing(
    cli: Cli, old: Path, no_workers: None
) -> None:
    code, out, err = cli("repack", "in.h5", "out.h5", "--filter", "zstd:3", "--dry-run")
    assert (code, err) == (0, "")
    assert "chunks 1 x 18 x 6, gzip:1 -> chunks 1 x 18 x 6, shuffle, zstd:3" in out
    assert "contiguous -> chunks" in out
    assert "copied by HDF5" in out
    assert sorted(item.name for item in old.iterdir()) == ["in.h5"]


def test_json_is_one_record_for_programs(cli: Cli, old: Path) -> None:
    words = ("repack", "in.h5", "out.h5", "--filter", "gzip:4", "--json")
    plan = json.loads(cli(*words, "--dry-run").out)
    done = json.loads(cli(*words).out)
    assert {name: done[name] for name in plan if name != "memory"} == {
        name: plan[name] for name in plan if name != "memory"
    }
    assert {item["path"] for item in done["datasets"]} == {"/x", "/g/y", "/flat"}
    assert set(done["copied"]) == {"/names", "/scalar"}
    assert done["bytes_read"] == X.nbytes + X[:, 0].nbytes + X[0].nbytes


def test_what_could_not_be_kept_is_a_note(cli: Cli, old: Path) -> None:
    (old / "sub").mkdir()
    with h5py.File("in.h5", "r+") as file:
        file["outside"] = h5py.ExternalLink("other.h5", "/x")
    code, _, err = cli("repack", "in.h5", "sub/out.h5", "--filter", "lz4")
    assert code == 0
    assert err.startswith("sharedcompute: note: /outside")
    assert cli("repack", "in.h5", "sub/out2.h5", "--quiet").err == ""


# The command, and a codec that says that it runs and then takes its time.
SLOW = """
import sys, time
from sharedcompute.hdf5.writing import chunked
honest = chunked.ChunkEncoder.write_box
def slow(self, *given):
    open("running", "a").close()
    time.sleep(0.3)
    return honest(self, *given)
chunked.ChunkEncoder.write_box = slow
from sharedcompute.__main__ import main
sys.argv = ["sharedcompute", *sys.argv[1:]]
main()
"""


@pytest.mark.parametrize(
    ("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143), (signal.SIGKILL, -9)]
)
@pytest.mark.sample(1)
def test_a_signal_leaves_the_output_as_it_was(old: Path, number: signal.Signals, code: int) -> None:
    Path("slow.py").write_text(SLOW)
    Path("out.h5").write_text("precious")
    with h5py.File("in.h5", "r+") as file:
        file.create_dataset("long", data=np.zeros((4000, 4000), "f4"), chunks=(50, 4000))
    words = ["repack", "in.h5", "out.h5", "--filter", "gzip:1", "--overwrite", "--engine", "serial"]
    process = start(old, *words, command=[sys.executable, "slow.py"])
    try:
        wait_until_running(old, process)
        process.send_signal(number)
        out, err = process.communicate(timeout=30)
    finally:
        process.kill()
    assert (process.returncode, out) == (code, "")
    assert "Traceback" not in err
    assert Path("out.h5").read_text() == "precious"
    assert [b for b in arrays.list_blocks() if b.pid == process.pid] == []
    # The next run is not kept from writing, whatever this one has left.
    words = ["repack", "in.h5::/x", "out.h5", "--filter", "gzip:1", "--overwrite"]
    assert invoke(words) == 0
    assert not Path("out.h5.resume").exists()


def test_a_worker_that_is_killed_leaves_the_output_as_it_was(old: Path, cli: Cli) -> None:
    Path("out.h5").write_text("precious")
    with sc.Team(2) as team:
        team.run(_kill_at_the_first_box)
        with pytest.raises(sc.WorkerDied):
            sc.repack("in.h5", "out.h5", filter="gzip:1", overwrite=True, team=team)
    assert Path("out.h5").read_text() == "precious"
    assert not Path("out.h5.resume").exists()


def _kill_at_the_first_box(worker: object) -> None:
    from sharedcompute.engines.units import recode

    recode.Recoder.run = lambda *_: os.kill(os.getpid(), 9)  # type: ignore[assignment, method-assign]


@pytest.fixture
def master(folder: Path) -> Path:
    """A detector's master file: links to numbers in another file, and a virtual dataset of them."""
    with h5py.File("data_1.h5", "w") as file:
        file.create_dataset("x", data=X, chunks=(1, 18, 6), compression=1)
        file["notes"] = "kept"
    with h5py.File("master.h5", "w") as file:
        file["entry/data/data_1"] = h5py.ExternalLink("data_1.h5", "/x")
        layout = h5py.VirtualLayout(X.shape, "f4")
        layout[...] = h5py.VirtualSource("data_1.h5", "x", X.shape)
        file.create_virtual_dataset("all", layout)
    return folder


@pytest.mark.parametrize("path", ["/all", "/entry/data/data_1"])
@pytest.mark.usefixtures("master")
def test_a_dataset_of_other_files_that_is_named_becomes_numbers_of_its_own(
    cli: Cli, path: str
) -> None:
    assert cli("repack", f"master.h5::{path}", "out.h5::/y", "--filter", "gzip:1").code == 0
    with h5py.File("out.h5") as out:
        assert not out["y"].is_virtual
        assert out["y"].compression == "gzip"
        np.testing.assert_array_equal(out["y"][...], X)


@pytest.mark.parametrize("path", ["/all", "/entry/data/data_1"])
@pytest.mark.usefixtures("master")
def test_a_file_that_is_read_through_another_is_not_written_over(cli: Cli, path: str) -> None:
    before = Path("data_1.h5").read_bytes()
    done = cli("repack", f"master.h5::{path}", "data_1.h5", "--overwrite", "--filter", "none")
    assert done.code == 2
    assert "data_1.h5 for both" in done.err
    assert Path("data_1.h5").read_bytes() == before


@pytest.mark.usefixtures("folder")
def test_a_lossy_filter_that_is_applied_again_is_told_of(cli: Cli) -> None:
    with h5py.File("in.h5", "w") as file:
        file.create_dataset("lossy", data=X / 7, chunks=(4, 9, 6), scaleoffset=2)
        file.create_dataset("whole", data=X.astype("i4"), chunks=(4, 9, 6), scaleoffset=0)
    told = cli("repack", "in.h5", "a.h5", "--chunks", "8,18,6")
    assert "/lossy: scaleoffset is lossy" in told.err
    assert "/whole" not in told.err
    planned = cli("repack", "in.h5", "b.h5", "--chunks", "8,18,6", "--dry-run")
    assert "/lossy: scaleoffset is lossy" in planned.out
    for words in (("c.h5",), ("d.h5", "--chunks", "8,18,6", "--filter", "gzip:1")):
        assert cli("repack", "in.h5", *words).err == ""
        assert differences(Path("in.h5"), Path(words[0])) == ""
