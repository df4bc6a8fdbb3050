"""Every file of a folder through info, stats and repack: right, or an error, and never a crash.

``SHAREDCOMPUTE_CORPUS=FOLDER`` names a folder of HDF5 files, good ones and bad ones. Without it
there is a small one that is made here. HDF5 itself, by h5py and in a process of its own, is what
results are compared with.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import h5py
import numpy as np
import pytest

from sharedcompute.cli.main import invoke
from sharedcompute.system import disposable
from tests.hdf5.test_hostile import as_hdf5_reads, virtual, write_small

SECONDS = 60
"""For one command on one file, start-up included. A promise of 5 s on an idle machine."""

STATS = 3
"""Datasets of a file that `stats` is tried on, at most."""

LARGEST = 50_000_000
"""Numbers of a dataset that is compared, at most."""


def files_of(folder):
    """All files below a folder that HDF5, or a person, would take for HDF5."""
    endings = {".h5", ".hdf5", ".hdf", ".nc", ".nc4", ".h5ad", ".mat", ".nxs"}
    found = (path for path in sorted(folder.rglob("*")) if path.is_file())
    return [p for p in found if p.suffix in endings or p.read_bytes()[:4] == b"\x89HDF"]


def pytest_generate_tests(metafunc):
    if "corpus_file" in metafunc.fixturenames:
        named = os.environ.get("SHAREDCOMPUTE_CORPUS")
        files = files_of(Path(named)) if named else []
        metafunc.parametrize("corpus_file", files, ids=[str(f.name) for f in files])


def process(words):
    """A command as a process of its own that ends in time: exit code, stdout and stderr."""
    line = [sys.executable, "-m", "sharedcompute", *words]
    done = subprocess.run(
        line, capture_output=True, text=True, timeout=SECONDS, stdin=subprocess.DEVNULL, check=False
    )
    return done.returncode, done.stdout, done.stderr


def ended(run, *words):
    """Exit code and standard output of a command that ends as it should."""
    code, out, err = run([str(word) for word in words])
    assert code in (0, 1, 2, 4), (words, code, err)
    assert "Traceback" not in err, (words, err)
    if code:
        lines = [line for line in err.splitlines() if "note:" not in line]
        assert len(lines) == 1, (words, err)
    return code, out


def check(file, output, run=process):
    """The three commands on one file; how many results were compared."""

    def command(*words):
        return ended(run, *words)

    code, said = command("info", file, "--json")
    found = json.loads(said) if code == 0 else []
    usable = [d for d in found if d["read_path"] and 0 < np.prod(d["shape"], dtype=float) < LARGEST]
    compared = sum(stats_are_right(command, file, d["path"]) for d in usable[:STATS])
    code, _ = command("repack", file, output, "--filter", "gzip:1", "-q")
    if code == 0:
        for d in usable:
            compared += disposable.run(str(file), same, str(file), str(output), d["path"])
        # What was copied is a whole file.
        assert command("info", output)[0] == 0
    return compared


def stats_are_right(command, file, path):
    code, said = command("stats", f"{file}::{path}", "--json", "-q")
    if code:
        return 0
    (ours,) = json.loads(said)["results"]
    theirs = disposable.run(f"{file}::{path}", as_hdf5_reads, str(file), path)
    if theirs is None or "min" not in ours:
        return 0
    found = ours["count"] + ours["nan_count"], ours["min"], ours["max"]
    np.testing.assert_array_equal(np.array(found, float), np.array(theirs, float))
    return 1


def same(file, copy, path):
    """Whether a dataset is the same in both, bit for bit; False where it is behind a link."""
    with h5py.File(file) as old, h5py.File(copy) as new:
        if not isinstance(old.get(path, getlink=True), h5py.HardLink):
            return False
        assert np.array_equal(old[path][()].tobytes(), new[path][()].tobytes()), path
        return True


@pytest.mark.faults
@pytest.mark.timeout(1200)
def test_a_file_of_the_corpus(corpus_file, tmp_path):
    check(corpus_file, tmp_path / "out.h5")


def mutated(whole, seed):
    """A file with a part of it overwritten, or cut off."""
    draw = np.random.default_rng(seed)
    data = bytearray(whole)
    if seed % 3 == 0:
        return bytes(data[: draw.integers(len(data))])
    for place in draw.integers(0, len(data), 2 ** (seed % 5)):
        data[place] ^= int(draw.integers(1, 256))
    return bytes(data)


def write_corpus(folder, mutants):
    for name, how in {"earliest": {}, "latest": {"libver": "latest"}}.items():
        good = folder / f"{name}.h5"
        write_small(good, how)
        for seed in range(mutants):
            (folder / f"{name}_{seed}.h5").write_bytes(mutated(good.read_bytes(), seed))
    virtual(folder / "cycle.h5", "a", ".", "b")
    virtual(folder / "cycle.h5", "b", ".", "a")
    (folder / "text.h5").write_text("not HDF5")


@pytest.mark.slow
@pytest.mark.parametrize("how", ["here", pytest.param("process", marks=pytest.mark.slow)])
def test_a_small_corpus(tmp_path, capfd, how):
    def here(words):
        return invoke(words), *capfd.readouterr()

    (tmp_path / "corpus").mkdir()
    write_corpus(tmp_path / "corpus", 1)
    files = files_of(tmp_path / "corpus")
    assert len(files) == 6
    run = here if how == "here" else process
    results = {f.name: check(f, tmp_path / f"{f.stem}_out.h5", run) for f in files}
    # Three by stats and six by repack.
    assert results["earliest.h5"] == results["latest.h5"] == 9
    assert results["cycle.h5"] == results["text.h5"] == 0


@pytest.mark.faults
@pytest.mark.timeout(3600)
def test_a_corpus_of_mutants(tmp_path):
    (tmp_path / "corpus").mkdir()
    write_corpus(tmp_path / "corpus", 60)
    for file in files_of(tmp_path / "corpus"):
        check(file, tmp_path / f"{file.stem}_out.h5")
