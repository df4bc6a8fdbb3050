"""What this machine lets us have, and how running out of it is said."""

from __future__ import annotations

import errno
import os
import re
from pathlib import Path

import h5py
import numpy as np
import pytest

from sharedcompute.errors import MemoryBudgetError
from sharedcompute.hdf5.address import Address
from sharedcompute.options.groups import RunOptions
from sharedcompute.planning.output import OutputSpec
from sharedcompute.planning.repack import plan_repack
from sharedcompute.system import machine
from sharedcompute.system.shortage import full_disk_named, shortage_named

MB = 10**6


@pytest.fixture
def group(tmp_path, monkeypatch):
    """Makes this process's cgroup of control files."""

    def make(**files):
        for name, text in files.items():
            (tmp_path / name.replace("__", ".")).write_text(text + "\n")
        monkeypatch.setattr(machine, "cgroups", lambda _: [tmp_path])

    return make


@pytest.mark.parametrize(
    "files",
    [
        {"cpu__max": "250000 100000"},
        {"cpu__cfs_quota_us": "250000", "cpu__cfs_period_us": "100000"},
    ],
    ids=["v2", "v1"],
)
def test_a_cpu_quota_is_rounded_up_to_cores(group, monkeypatch, files):
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: set(range(8)))
    group(**files)
    assert machine.cores() == 3


@pytest.mark.parametrize(
    "files",
    [{"cpu__max": "max 100000"}, {"cpu__cfs_quota_us": "-1", "cpu__cfs_period_us": "100000"}, {}],
)
def test_without_a_quota_the_affinity_counts(group, monkeypatch, files):
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: {1, 5})
    group(**files)
    assert machine.cores() == 2


@pytest.mark.parametrize(
    "files",
    [
        {
            "memory__max": "80000000",
            "memory__current": "50000000",
            "memory__stat": "anon 30000000\ninactive_file 15000000\nactive_file 5000000",
        },
        {
            "memory__limit_in_bytes": "80000000",
            "memory__usage_in_bytes": "50000000",
            "memory__stat": "inactive_file 1\ntotal_inactive_file 15000000\n"
            "total_active_file 5000000",
        },
    ],
    ids=["v2", "v1"],
)
def test_a_cgroup_limits_memory_and_its_page_cache_gives_way(group, files):
    group(**files)
    assert machine.memory_available() == 50 * MB


def test_the_cgroups_of_this_process_exist_where_there_are_any():
    found = machine.cgroups("memory")
    assert all(folder.is_relative_to("/sys/fs/cgroup") for folder in found)
    assert len(set(found)) == len(found)


@pytest.mark.parametrize("option", ["-v", "-d"])
def test_a_limit_that_our_libraries_would_not_survive_is_refused(monkeypatch, option):
    monkeypatch.setattr(machine, "process_limits", lambda: {option: 2000 * MB})
    machine.check_process_limits()
    with pytest.raises(MemoryBudgetError, match=rf"needs .* and 2 GB is allowed.*ulimit {option}"):
        machine.check_process_limits(private=1900 * MB, mapped=1900 * MB)


@pytest.mark.skipif(not Path("/proc/self/mountinfo").exists(), reason="needs Linux")
def test_a_tmpfs_is_memory(tmp_path):
    proc = Path("/proc")
    assert not machine.is_tmpfs(proc)
    assert not machine.is_tmpfs(tmp_path / "missing")
    assert machine.is_tmpfs(Path("/dev/shm"))


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EDQUOT, errno.EFBIG])
@pytest.mark.parametrize("by_hdf5", [False, True])
def test_a_full_disk_is_named_with_what_to_do(number, by_hdf5):
    text = f"Can't write (file write failed: errno = {number}, error message = '...')"
    with pytest.raises(MemoryBudgetError) as caught, full_disk_named("x.h5"):
        raise OSError(text) if by_hdf5 else OSError(number, "no")
    assert re.fullmatch(r"expected room for x\.h5, got '.*; [^\n]+", str(caught.value))
    assert ("ulimit -f" in str(caught.value)) == (number == errno.EFBIG)


def test_a_broken_disk_is_not_a_full_one():
    with pytest.raises(OSError, match="broken") as caught, full_disk_named("x.h5"):
        raise OSError(errno.EIO, "broken")
    assert not isinstance(caught.value, MemoryBudgetError)


def wrapped():
    try:
        raise MemoryError
    except MemoryError as error:
        raise ValueError("while compiling") from error


def raising(error):
    def fail():
        raise error

    return fail


@pytest.mark.parametrize(
    "fail",
    [
        raising(MemoryError("Unable to allocate 8 PiB")),
        raising(OSError(errno.ENOMEM, "Cannot allocate memory")),
        raising(ImportError("libx.so: failed to map segment from shared object")),
        wrapped,
    ],
)
def test_too_little_memory_is_named_with_what_to_do(fail):
    with pytest.raises(MemoryBudgetError, match="fewer workers") as caught, shortage_named():
        fail()
    assert "\n" not in str(caught.value)


def test_what_is_not_for_want_of_memory_stays_as_it_is():
    for error in (ValueError("x"), ImportError("no module"), OSError(errno.EIO, "x")):
        with pytest.raises(type(error)) as caught, shortage_named():
            raise error
        assert caught.value is error


def test_repack_takes_fewer_workers_before_it_decodes_into_a_file(tmp_path, monkeypatch):
    path = tmp_path / "in.h5"
    with h5py.File(path, "w") as file:  # 64 MB, as what was never written stays so
        data = np.zeros((4096, 4096), "f4")
        file.create_dataset("x", data=data, chunks=(4096, 8), compression=1)
    monkeypatch.setattr("sharedcompute.options.groups.default_workers", lambda _: 4)

    def plan(**options):
        source, target = Address(str(path), "/x"), Address(str(tmp_path / "out.h5"))
        output = OutputSpec(address=target, chunks="8,2048")
        run = RunOptions(engine="local", **options)
        return plan_repack(source, output, run, allow_external=False)

    def loads(made):
        return {recoding.load for recoding in made.recodings.values()}

    two = plan(workers=2).projection
    # Two have a box each; without what they hold beside the 64 MB, in a file, all is small.
    given = two.memory - 2 * two.scratch + 60 * MB
    assert plan(memory=2 * two.memory).workers == 4
    assert loads(plan(memory=given, workers=2)) == {"file"}
    # One worker fits such a box where two do not.
    fewer = plan(memory=given)
    assert (fewer.workers, loads(fewer)) == (1, {None})
