"""Chunks that blocks cannot follow are decoded first, each once, and nothing else changes."""

from __future__ import annotations

import json
import os
import re
import tempfile
from dataclasses import replace
from pathlib import Path

import h5py
import numpy as np
import pytest

import sharedcompute as sc
from sharedcompute import events
from sharedcompute.cli.main import invoke
from sharedcompute.engines.serial import Serial
from sharedcompute.hdf5.filters.decode import Decoder
from sharedcompute.hdf5.inspection.inspector import open_source
from sharedcompute.planning import build
from sharedcompute.planning.budget import staging
from sharedcompute.planning.budget.loading import Load
from sharedcompute.shm import arrays
from tests.hdf5.datasets import Case, cut

ROWS, COLUMNS = 600, 2100
TALL = Case((ROWS, COLUMNS), (ROWS, 9), "f4", "shuffle gzip")
WIDE_STRIPES = ((0, 702), (702, 1404), (1404, COLUMNS))

CASES = {
    "all rows, few columns": TALL,
    "more than all rows": Case((90, 60), (128, 7), "f8", "gzip"),
    "two strips": Case((300, 80), (151, 16), "u2", "bitshuffle-lz4"),
    "three dimensions": Case((200, 12, 10), (200, 5, 3), ">i4", "all"),
    "one dimension": Case((70000,), (65536,), "f4", "gzip"),
    "half precision": Case((300, 40), (300, 7), "f2", "gzip"),
    "by hdf5": Case((300, 80), (300, 16), "f4", "lzf"),
    "holes": Case((300, 80), (151, 16), "f4", "gzip", fill=4, holes=True),
}


@pytest.fixture
def path(tmp_path):
    return tmp_path / "in.h5"


def finite(path, case):
    """Write a case, with numbers that reductions of all kinds give numbers for."""
    want = case.write(path)
    if want.dtype.kind == "f":
        with h5py.File(path, "r+") as file:
            want = np.nan_to_num(want, nan=1, posinf=2, neginf=-2)
            if case.holes:
                want[:151] = np.nan_to_num(want[:151])
            file["x"][:] = want
    return want


@pytest.fixture
def how(monkeypatch):
    """Load as the test says, whatever the machine has."""

    def choose(load):
        def chosen(passes, iterated, *_):
            first = passes[0] if passes else iterated
            return () if load is None else (replace(load, source=first.feeds[0]),)

        monkeypatch.setattr(staging, "choose_loads", chosen)

    return choose


def load_of(into, stripes):
    """How a job is told to load; what it reads is put in there."""
    return Load(None, into, stripes, 9.0)


def loads(source):
    """Every way to read a source: as it is, all of it into memory, into a file."""
    whole = ((0, source.shape[1] if source.ndim > 1 else 0),)
    return [None, load_of("memory", whole), load_of("file", whole)]


JOBS = {
    "mean, std": lambda x, **run: list(sc.reduce(["mean", "std", "argmax"], x, **run).values()),
    "over all": lambda x, **run: list(sc.reduce(["sum", "min"], x, axis="all", **run).values()),
    "stencil": lambda x, **run: [sc.map("gaussian", x, sigma=1.0, **run)],
    "scan": lambda x, **run: [sc.scan("cumsum", x, **run)],
    "anomaly": lambda x, **run: [sc.map("anomaly", x, **run)],
}


@pytest.mark.parametrize("job", JOBS)
@pytest.mark.parametrize("case", [name for name in CASES if name != "all rows, few columns"])
@pytest.mark.sample(1)
def test_the_bits_do_not_depend_on_what_is_decoded_first(path, teams, how, case, job):
    finite(path, CASES[case])
    address = f"{path}::x"
    with h5py.File(path) as file:
        array = file["x"][...].astype(open_source(address).dtype)
    how(None)
    # The same numbers from memory: blocks are told not to follow chunks.
    want = JOBS[job](array, engine="serial", block_rows=30)
    made = set()
    for load in loads(open_source(address)):
        how(load)
        for run in ({"engine": "serial"}, {"team": teams[2]}, {"team": teams[5]}):
            got = JOBS[job](address, block_rows=30, **run)
            made.add(b"".join(np.asarray(g).tobytes() for g in got))  # type: ignore[attr-defined]
    assert len(made) == 1
    for one, other in zip(got, want, strict=True):
        np.testing.assert_allclose(np.asarray(one), np.asarray(other), rtol=1e-4, atol=1e-4)


@pytest.mark.sample(3)
@pytest.mark.parametrize("case", CASES)
def test_each_chunk_is_decoded_once(path, monkeypatch, case):
    if case in ("by hdf5",):
        pytest.skip("HDF5 decodes there")
    finite(path, CASES[case])
    counted = []
    honest = Decoder.decode

    def decode(self, *given):
        counted.append(1)
        return honest(self, *given)

    monkeypatch.setattr(Decoder, "decode", decode)
    sc.reduce(["mean", "std"], f"{path}::x", engine="serial")
    with h5py.File(path) as file:
        assert len(counted) == file["x"].id.get_num_chunks()


def plan_of(path, capsys, *words):
    """What ``--dry-run --json`` says."""
    assert (
        invoke(["reduce", "mean,std", f"{path}::x", "out.h5", "--dry-run", "--json", *words]) == 0
    )
    return json.loads(capsys.readouterr().out)


def test_memory_decides_where_chunks_are_decoded_to(path, tmp_path, teams, capsys):
    finite(path, TALL)
    address = f"{path}::x"
    want = sc.reduce(["mean", "std"], address, engine="serial")
    enough = plan_of(path, capsys, "--engine", "serial")
    assert enough["load"] == "memory"
    size = ROWS * COLUMNS * 4
    whole = enough["memory"]
    ways = {}
    for budget in (whole, whole - size // 2, whole - size * 5 // 6):
        plan = plan_of(path, capsys, "--engine", "serial", "--memory", str(budget))
        ways[budget] = plan["load"]
        assert plan["memory"] <= budget
        got = sc.reduce(["mean", "std"], address, engine="serial", memory=budget)
        for name, values in want.items():
            assert got[name].tobytes() == values.tobytes()
    assert list(ways.values()) == ["memory", "memory", "file"]


@pytest.mark.parametrize("size", [0, 1, 2, 5])
@pytest.mark.sample(1)
def test_stripes_of_columns_give_the_same_bits(path, teams, how, size):
    want = finite(path, TALL)
    names = ["mean", "std", "min", "argmax", "sum", "nan_count"]
    run = {"team": teams[size]} if size else {"engine": "serial"}
    how(None)
    whole = sc.reduce(names, f"{path}::x", block_rows=50, engine="serial")
    how(load_of("memory", WIDE_STRIPES))
    got = sc.reduce(names, f"{path}::x", block_rows=50, **run)
    for name in names:
        assert got[name].tobytes() == whole[name].tobytes(), name
    np.testing.assert_allclose(got["mean"], want.mean(axis=0), rtol=1e-4, atol=1e-4)


def test_stripes_share_one_array(path, how, monkeypatch):
    finite(path, TALL)
    how(load_of("memory", WIDE_STRIPES))
    made = []
    honest = Serial.allocate

    def allocate(self, shape, dtype):
        made.append(honest(self, shape, dtype))
        return made[-1]

    monkeypatch.setattr(Serial, "allocate", allocate)
    sc.reduce("mean", f"{path}::x", engine="serial", block_rows=ROWS)
    # What is left is a state for each column.
    assert [array.nbytes for array in made if array.nbytes > 600 * 500] == [ROWS * 702 * 4]


# What a column's number depends on may lie in other columns.
BESIDE = {
    "gaussian along columns": '[[steps]]\nop = "gaussian"\nparams = { sigma = 2.0, axes = 1 }\n',
    "a flat field": '[[steps]]\nop = "flatfield"\nparams = { dark = 1, flat = "flat.h5" }\n',
    "one's own kernel": '[[steps]]\nop-from = "own_centred.py:centred"\n',
    "nothing": "",
}

OWN = """
import sharedcompute as sc

def centre(x, out):
    out[...] = x - x.mean(axis=1, keepdims=True)

centred = sc.Map("centred", centre)
"""


@pytest.mark.parametrize("step", BESIDE)
@pytest.mark.sample(1)
def test_little_memory_gives_the_numbers_of_much(path, monkeypatch, step):
    finite(path, TALL)
    monkeypatch.chdir(path.parent)
    with h5py.File("flat.h5", "w") as file:
        file["flat"] = np.linspace(1, 9, COLUMNS)
    Path("own_centred.py").write_text(OWN)
    # Only the reductions are saved: rows that are kept are never cut into stripes.
    files = 'input = "in.h5::/x"\noutput = "out.h5"\n'
    saved = '[[steps]]\nop = ["mean", "max"]\nsave = "/found"\n'
    Path("job.toml").write_text(files + BESIDE[step] + saved)
    honest = staging.choose_loads  # type: ignore[attr-defined]
    given = []

    def choose(passes, iterated, *_):
        room = ROWS * COLUMNS * 2
        given.append(honest(passes, iterated, room, room, 1 << 40))
        return given[-1]

    want = sc.run("job.toml", engine="serial")[-1]
    Path("out.h5").unlink()
    monkeypatch.setattr(staging, "choose_loads", choose)
    got = sc.run("job.toml", engine="serial")[-1]
    (load,) = given[-1]
    assert (len(load.stripes) > 1) == (step == "nothing")
    assert isinstance(got, dict)
    for name, values in want.items():
        assert got[name].tobytes() == values.tobytes()


@pytest.mark.slow
def test_results_in_a_file_are_the_same_bytes(path, teams, how, tmp_path):
    case = CASES["two strips"]
    finite(path, case)
    made = set()
    for load in loads(open_source(f"{path}::x")):
        how(load)
        for run in ({"engine": "serial"}, {"team": teams[2]}, {"team": teams[5]}):
            out = tmp_path / "out.h5"
            sc.map("gaussian", f"{path}::x", out, sigma=1.0, overwrite=True, **run)
            made.add(out.read_bytes())
    assert len(made) == 1


@pytest.mark.slow
def test_a_job_goes_on_where_one_that_decoded_nothing_first_was_stopped(path, how, tmp_path):
    class Stopped(Exception):
        pass

    def stop(event):
        if isinstance(event, events.BlockDone) and event.block == 3:
            raise Stopped

    finite(path, TALL)
    job = {"sigma": 1.0, "engine": "serial", "block_rows": 50, "chunks": "contiguous"}
    how(None)
    sc.map("gaussian", f"{path}::x", tmp_path / "whole.h5", **job)
    for number, load in enumerate(loads(open_source(f"{path}::x"))):
        out, heard = tmp_path / f"out{number}.h5", []
        how(None)
        with pytest.raises(Stopped):
            sc.map("gaussian", f"{path}::x", out, listen=stop, **job)
        how(load)
        sc.map("gaussian", f"{path}::x", out, resume=True, listen=heard.append, **job)
        assert any(isinstance(event, events.BlocksRestored) for event in heard)
        assert out.read_bytes() == (tmp_path / "whole.h5").read_bytes()


def test_rows_that_were_held_are_in_the_output_alone(path, monkeypatch):
    want = finite(path, TALL)
    monkeypatch.chdir(path.parent)
    step = '[[steps]]\nop = "scale"\nparams = { factor = 2.0 }\nsave = "/y"\n'
    Path("job.toml").write_text('input = "in.h5::/x"\noutput = "out.h5"\n' + step)
    honest = staging.staged_for
    plans = []
    monkeypatch.setattr(build, "staged_for", lambda *args: plans.append(honest(*args)) or plans[-1])
    assert sc.run("job.toml", engine="serial") == (None,)
    assert plans[-1].held == ("memory",)
    with h5py.File("out.h5") as file:
        np.testing.assert_array_equal(file["y"], want * 2)


@pytest.mark.parametrize("into", ["memory", "file"])
def test_nothing_stays_behind(path, teams, how, into, monkeypatch, tmp_path):
    finite(path, CASES["two strips"])
    scratch = tmp_path / "scratch"
    scratch.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(scratch))
    how(load_of(into, ((0, 80),)))
    mine = {block.name for block in arrays.list_blocks() if block.pid == os.getpid()}
    files = len(list(Path("/proc/self/fd").iterdir()))
    for run in ({"engine": "serial"}, {"team": teams[2]}):
        sc.reduce("mean", f"{path}::x", **run)
    assert list(scratch.iterdir()) == []
    assert len(list(Path("/proc/self/fd").iterdir())) == files
    left = {block.name for block in arrays.list_blocks() if block.pid == os.getpid()}
    # A pool keeps what was freed for the next array; it is not more for each job.
    sc.reduce("mean", f"{path}::x", team=teams[2])
    again = {block.name for block in arrays.list_blocks() if block.pid == os.getpid()}
    assert len(again) <= max(len(left), len(mine) + 4)


@pytest.mark.parametrize("into", ["memory", "file"])
@pytest.mark.parametrize("engine", ["serial", "team"])
def test_a_damaged_chunk_is_named_and_nothing_stays(path, team, how, into, engine, tmp_path):
    finite(path, CASES["two strips"])
    with h5py.File(path, "r+") as file:
        mask, data = file["x"].id.read_direct_chunk((151, 32))
        file["x"].id.write_direct_chunk((151, 32), data[: len(data) // 2], mask)
    how(load_of(into, ((0, 80),)))
    run = {"team": team} if engine == "team" else {"engine": "serial"}
    # Not kept: its traceback would hold the shared block for a while.
    with pytest.raises(sc.InputError, match=re.escape(f"(151, 32) of {path}::/x")):
        sc.map("scale", f"{path}::x", tmp_path / "out.h5", factor=2.0, **run)
    assert [item.name for item in tmp_path.iterdir()] == ["in.h5"]


def test_a_file_cut_after_it_was_opened_is_named(path, team):
    finite(path, TALL)
    source = open_source(f"{path}::x")
    with source.open() as reader:
        cut(path, path.stat().st_size // 2)
        with pytest.raises(sc.InputError, match="become shorter"):
            reader.read(0, 10)


def test_chunks_that_blocks_follow_are_not_decoded_first(path, capsys):
    for case in (
        Case((4000, 40), (8, 40), "f4", "gzip"),
        Case((4000, 40), (8, 10), "f4", "gzip"),
        Case((100, 60), (100, 60), "f4", "none"),
        Case((100, 60), None, "f4"),
    ):
        case.write(path)
        assert plan_of(path, capsys)["load"] is None
