from __future__ import annotations

import os
import stat
import subprocess
import sys

import h5py
import numpy as np
import pytest

from sharedcompute.errors import InputError, MemoryBudgetError, OutputExists
from sharedcompute.hdf5.filters.selection import parse_filter
from sharedcompute.hdf5.format.marks import COMPLETE
from sharedcompute.hdf5.writing.output import OutputFile
from sharedcompute.hdf5.writing.sink import DatasetSink, create


@pytest.fixture
def old(tmp_path):
    """An existing file with two datasets."""
    path = tmp_path / "out.h5"
    with h5py.File(path, "w") as file:
        file["keep"] = np.arange(5)
        file["replace"] = np.zeros(3)
    return path


def names_in(folder):
    return sorted(item.name for item in folder.iterdir())


def put(address, path, values, *, overwrite=False):
    with OutputFile(str(address), overwrite) as output:
        create(DatasetSink(path, values.shape, values.dtype), output).write(values)
        output.commit()


def listed(path):
    with h5py.File(path, "r") as file:
        return sorted(file)


def test_the_target_appears_at_commit_and_not_before(tmp_path):
    path = tmp_path / "out.h5"
    with OutputFile(str(path)) as output:
        assert not path.exists()
        assert names_in(tmp_path) == ["out.h5.resume"]
        output.h5["x"] = 1
        output.commit()
        assert names_in(tmp_path) == ["out.h5"]
    with h5py.File(path, "r") as file:
        assert file.attrs[COMPLETE]


def test_an_aborted_output_leaves_what_was_there(old):
    before = old.read_bytes()

    def fail():
        with OutputFile(str(old), overwrite=True) as output:
            output.h5["x"] = 1
            raise RuntimeError("on the way")

    with pytest.raises(RuntimeError, match="on the way"):
        fail()
    assert old.read_bytes() == before
    assert names_in(old.parent) == ["out.h5"]


def test_an_output_that_is_not_committed_is_dropped(tmp_path):
    with OutputFile(str(tmp_path / "out.h5")) as output:
        output.h5["x"] = 1
    assert names_in(tmp_path) == []


def test_a_file_that_exists_is_replaced_only_when_told(old):
    with pytest.raises(OutputExists, match="give overwrite=True"):
        OutputFile(str(old)).check()
    with pytest.raises(OutputExists):
        OutputFile(str(old)).open()
    assert names_in(old.parent) == ["out.h5"]
    put(old, "/new", np.zeros(2), overwrite=True)
    assert listed(old) == ["new"]


def test_a_named_object_is_added_to_an_existing_file(old):
    old.chmod(0o640)
    put(f"{old}::/new/x", "/new/x", np.ones(2))
    assert listed(old) == ["keep", "new", "replace"]
    assert stat.S_IMODE(old.stat().st_mode) == 0o640


def test_a_named_object_that_exists_is_replaced_only_when_told(old):
    for path in ("/replace", "/replace/"):
        with pytest.raises(OutputExists, match="give overwrite=True"):
            OutputFile(f"{old}::{path}").check()
    put(f"{old}::/replace", "/replace", np.full(4, 7.0), overwrite=True)
    with h5py.File(old, "r") as file:
        np.testing.assert_array_equal(file["replace"][()], 7)
        np.testing.assert_array_equal(file["keep"][()], np.arange(5))


def test_a_group_below_a_dataset_cannot_be_made(old):
    with pytest.raises(InputError, match="found a dataset"):
        OutputFile(f"{old}::/keep/x").check()


def test_the_root_is_the_whole_file(old):
    with pytest.raises(OutputExists):
        OutputFile(f"{old}::/").check()
    put(f"{old}::/", "/new", np.zeros(2), overwrite=True)
    assert listed(old) == ["new"]


def test_a_file_of_another_kind_gets_nothing_put_into_it(tmp_path):
    path = tmp_path / "notes.txt"
    path.write_text("words")
    for overwrite in (False, True):
        with pytest.raises(OutputExists, match="is not HDF5"):
            OutputFile(f"{path}::/x", overwrite).check()
    with pytest.raises(OutputExists):
        OutputFile(str(path)).check()
    assert path.read_text() == "words"
    put(path, "/x", np.zeros(2), overwrite=True)
    assert listed(path) == ["x"]


def test_the_input_is_never_the_output(old, tmp_path):
    link, hard = tmp_path / "link.h5", tmp_path / "hard.h5"
    link.symlink_to(old)
    hard.hardlink_to(old)
    for target in (old, link, hard, f"{old}::/new"):
        with pytest.raises(InputError, match="other than the input"):
            OutputFile(str(target), overwrite=True).check([str(old)])


def test_a_link_to_the_output_stays_a_link(old, tmp_path):
    link = tmp_path / "link.h5"
    link.symlink_to(old)
    put(link, "/x", np.zeros(2), overwrite=True)
    assert link.is_symlink()
    assert listed(old) == ["x"]


def test_places_that_cannot_be_written_are_refused(tmp_path):
    for target in (tmp_path / "none" / "x.h5", tmp_path, "/proc/self/x.h5", tmp_path / ("x" * 250)):
        with pytest.raises(InputError) as caught, OutputFile(str(target)):
            pass
        assert "\n" not in str(caught.value)
    fifo = tmp_path / "pipe"
    os.mkfifo(fifo)
    with pytest.raises(InputError, match="regular file"):
        OutputFile(str(fifo), overwrite=True).check()


def test_a_folder_without_write_permission_is_refused(tmp_path, monkeypatch):
    # Faked, as root may write anywhere.
    monkeypatch.setattr(os, "access", lambda *_: False)
    with pytest.raises(InputError, match="cannot"):
        OutputFile(str(tmp_path / "x.h5")).check()


def test_a_folder_in_which_nothing_can_be_made_is_an_error_and_not_an_endless_try():
    with pytest.raises(InputError, match="expected to make /proc/x"):
        OutputFile("/proc/x.h5").lock()


def test_too_large_an_output_is_refused_with_need_and_have(tmp_path):
    with pytest.raises(MemoryBudgetError, match="free in"):
        OutputFile(str(tmp_path / "x.h5")).check(nbytes=1 << 60)
    assert names_in(tmp_path) == []


HOLD = """
import sys
from sharedcompute.hdf5.writing.output import OutputFile
with OutputFile(sys.argv[1]) as output:
    print("held", flush=True)
    sys.stdin.read()
"""


def hold(address):
    """A process that is writing `address`."""
    child = subprocess.Popen(
        [sys.executable, "-c", HOLD, str(address)], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    assert child.stdout.readline() == b"held\n"
    return child


def test_two_jobs_cannot_write_one_output(tmp_path):
    path = tmp_path / "out.h5"
    with hold(path) as child:
        for attempt in (OutputFile(str(path)).check, OutputFile(str(path), overwrite=True).open):
            with pytest.raises(OutputExists, match="another job"):
                attempt()
        assert names_in(tmp_path) == ["out.h5.resume"]
        child.stdin.close()
    assert names_in(tmp_path) == []
    put(path, "/x", np.zeros(2))


def test_what_a_killed_job_left_is_taken_over(tmp_path):
    path = tmp_path / "out.h5"
    with hold(path) as child:
        child.kill()
    assert names_in(tmp_path) == ["out.h5.resume"]
    OutputFile(str(path)).check()
    put(path, "/x", np.zeros(2))
    assert names_in(tmp_path) == ["out.h5"]


def test_a_file_open_for_writing_elsewhere_is_left_alone(old):
    code = "import h5py, sys; f = h5py.File(sys.argv[1], 'a'); print(1, flush=True); input()"
    with subprocess.Popen(
        [sys.executable, "-c", code, str(old)], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as child:
        child.stdout.readline()
        with pytest.raises(OutputExists, match="another program"):
            OutputFile(f"{old}::/new").check()
        child.stdin.write(b"\n")
        child.stdin.close()


def test_the_same_job_writes_the_same_bytes(tmp_path):
    contents = []
    for name in ("a.h5", "b.h5"):
        values = np.arange(300.0).reshape(30, 10)
        with OutputFile(str(tmp_path / name)) as output:
            plain = create(DatasetSink("/g/h/plain", values.shape, values.dtype), output)
            sink = DatasetSink("/g/gz", values.shape, values.dtype, (7, 4), parse_filter("gzip:4"))
            packed = create(sink, output)
            for made in (plain, packed):
                made.dataset.attrs["words"] = "as ever"
                with made.target.open() as writer:
                    for start in range(0, 30, 7):
                        made.store(writer.write(start, values[start : start + 7]))
            for item in (plain.dataset, packed.dataset):
                assert not item.id.get_create_plist().get_obj_track_times()
            output.commit()
        contents.append((tmp_path / name).read_bytes())
    assert contents[0] == contents[1]


def test_objects_hold_no_times(tmp_path):
    path = tmp_path / "a.h5"
    with OutputFile(str(path)) as output:
        create(DatasetSink("/g/x", (3,), np.dtype("f4")), output)
        output.h5["g"].attrs["a"] = 1
        output.commit()
    # HDF5 file format, version 2 object headers: bit 5 of the flags says that times are stored.
    headers = path.read_bytes().split(b"OHDR\x02")[1:]
    assert len(headers) == 3
    assert all(not header[0] & 0x20 for header in headers)
