"""Files that another process is writing."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import h5py
import numpy as np
import pytest

import sharedcompute as sc
from sharedcompute.errors import InputError
from sharedcompute.hdf5.inspection.inspector import open_source

WRITER = """
import sys
import h5py
import numpy as np

with h5py.File("s.h5", "w", libver="latest") as file:
    x = file.create_dataset("x", (40, 8), "f4", maxshape=(None, 8), chunks=(4, 8), compression=1)
    whole = file.create_dataset("whole", data=np.ones((3, 8), "f4"))
    x[:] = np.arange(320).reshape(40, 8)
    if sys.argv[1] == "swmr":
        file.swmr_mode = True
    x.flush()
    print("ready", flush=True)
    for line in sys.stdin:
        if line == "forever\\n":
            print("ready", flush=True)
            while True:
                rows = len(x)
                x.resize((rows + 4, 8))
                x[rows:] = np.arange(rows * 8, rows * 8 + 32).reshape(4, 8)
                x.flush()
        rows = len(x)
        x.resize((rows + int(line), 8))
        x[rows:] = np.arange(rows * 8, len(x) * 8).reshape(-1, 8)
        x.flush()
        print("ready", flush=True)
"""


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return tmp_path


@contextmanager
def writing(mode: str = "swmr") -> Iterator[Callable[[str], None]]:
    """Another process that has s.h5 open, and appends as many rows as it is told."""
    with subprocess.Popen(
        [sys.executable, "-c", WRITER, mode],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        stdin, stdout = process.stdin, process.stdout

        def append(rows: str) -> None:
            stdin.write(f"{rows}\n")
            stdin.flush()
            assert stdout.readline() == "ready\n"

        try:
            assert stdout.readline() == "ready\n"
            yield append
        finally:
            process.kill()


def first(rows: int) -> np.ndarray:
    return np.arange(rows * 8, dtype="f4").reshape(rows, 8)


@pytest.mark.parametrize("name", ["x", "whole"])
def test_a_file_in_swmr_mode_is_read_by_hdf5(folder, name):
    with writing():
        source = open_source(f"s.h5::{name}")
        assert (source.read_path, source.reason) == ("h5py", "being written (SWMR)")
        with source.open() as reader:
            expected = first(40) if name == "x" else np.ones((3, 8))
            np.testing.assert_array_equal(reader.read(0, source.shape[0]), expected)


def test_rows_are_those_of_the_time_when_it_was_opened(folder):
    with writing() as append:
        before = open_source("s.h5::x")
        append("10")
        after = open_source("s.h5::x")
        with before.open() as reader:
            np.testing.assert_array_equal(reader.read(0, 100), first(40))
        with after.open() as reader:
            np.testing.assert_array_equal(reader.read(0, 100), first(50))


@pytest.mark.sample(1)
@pytest.mark.parametrize("engine", ["serial", "local"])
def test_a_job_reads_while_another_process_appends(folder, team, engine):
    how = {"team": team} if engine == "local" else {"engine": "serial"}
    with writing() as append:
        append("2000")
        x = sc.open("s.h5::x")
        append("forever")
        for _ in range(3):
            np.testing.assert_array_equal(sc.reduce("max", x, **how), first(2040)[-1])
        sc.map("scale", x, "out.h5::/y", factor=2.0, overwrite=True, **how)
    with h5py.File("out.h5") as file:
        np.testing.assert_array_equal(file["y"][()], 2 * first(2040))


def test_a_virtual_dataset_over_a_file_that_is_being_written(folder):
    with writing() as append:
        layout = h5py.VirtualLayout((40, 8), "f4")
        layout[:] = h5py.VirtualSource("s.h5", "x", (40, 8))[:40]
        with h5py.File("v.h5", "w") as file:
            file.create_virtual_dataset("x", layout)
        append("4")
        source = open_source("v.h5::x")
        assert (source.read_path, source.reason) == ("virtual", "1 source: h5py")
        with source.open() as reader:
            np.testing.assert_array_equal(reader.read(0, 40), first(40))


def test_a_writer_without_swmr_is_an_error(folder):
    with writing("plain"), pytest.raises(InputError, match="is being written by another process"):
        open_source("s.h5::x")


def test_a_file_whose_writer_died_is_as_it_was_left(folder):
    """In SWMR mode a file is whole at all times; without it, it may not be."""
    with writing():
        pass
    with open_source("s.h5::x").open() as reader:
        np.testing.assert_array_equal(reader.read(0, 40), first(40))
    with writing("plain"):
        pass
    with pytest.raises(InputError, match=r"is marked as open for writing|is cut short"):
        open_source("s.h5::x")
