"""`repack` lets HDF5 read back what it wrote, and keeps nothing that is not what went in."""

from __future__ import annotations

import json

import h5py
import numpy as np
import pytest

import sharedcompute as sc
from sharedcompute.cli.main import invoke
from sharedcompute.engines.units.proof import Prover
from sharedcompute.hdf5.copying import tree
from sharedcompute.hdf5.copying.storage import Storage
from sharedcompute.hdf5.filters.codecs.scaleoffset import SCALEOFFSET
from sharedcompute.hdf5.filters.encode import OwnEncoder
from sharedcompute.hdf5.filters.library_encoder import LibraryEncoder
from sharedcompute.hdf5.filters.pipeline import Filter
from sharedcompute.hdf5.format.fill_value import Fill
from sharedcompute.hdf5.inspection.inspector import open_source
from sharedcompute.hdf5.writing import row_writer
from sharedcompute.hdf5.writing.sink import Created
from sharedcompute.planning import proof
from sharedcompute.planning.proof import sample_of
from sharedcompute.planning.recode import plan_recoding

X = np.arange(60 * 40, dtype="f4").reshape(60, 40)


@pytest.fixture
def paths(tmp_path):
    with h5py.File(tmp_path / "in.h5", "w") as file:
        file.create_dataset("x", data=X, chunks=(16, 20))
        file.create_dataset("g/y", data=X[:8], chunks=(3, 40))
    return tmp_path / "in.h5", tmp_path / "out.h5"


def lying(monkeypatch):
    """The encoder stores other numbers than it is given, in chunks that are sound."""
    honest = OwnEncoder._encode

    def encode(self, data):
        data = np.array(data)
        data[-1] ^= 1
        return honest(self, data)

    monkeypatch.setattr(OwnEncoder, "_encode", encode)


def test_other_numbers_in_sound_chunks_are_found_and_nothing_is_kept(paths, monkeypatch):
    lying(monkeypatch)
    paths[1].write_text("precious")
    for place in ("", "::/g/y"):
        with pytest.raises(sc.ReadBackError, match="other numbers") as caught:
            sc.repack(f"{paths[0]}{place}", paths[1], filter="gzip:1", overwrite=True)
        assert "\n" not in str(caught.value)
        assert "filter='gzip:4'" in str(caught.value)
    assert paths[1].read_text() == "precious"
    assert sorted(item.name for item in paths[0].parent.iterdir()) == ["in.h5", "out.h5"]
    # Who does not want to know is not told.
    sc.repack(*paths, filter="gzip:1", overwrite=True, check=False)
    with h5py.File(paths[1]) as file:
        assert (file["x"][...] != X).any()


def test_it_is_one_line_and_exit_code_1_on_the_command_line(paths, monkeypatch, capsys):
    lying(monkeypatch)
    words = ["repack", *map(str, paths), "--filter", "gzip:1"]
    assert invoke(words) == 1
    err = capsys.readouterr().err
    assert err.count("\n") == 1
    assert "in.h5::/" in err
    assert "--filter gzip:4" in err
    assert [item.name for item in paths[0].parent.iterdir()] == ["in.h5"]
    assert invoke([*words, "--no-check"]) == 0


@pytest.mark.parametrize("what", ["a chunk that cannot be read", "a chunk elsewhere", "nothing"])
def test_workers_find_what_the_parent_stored_wrongly(paths, team, monkeypatch, what):
    honest = Created.store

    def store(self, encoded):
        for chunk in encoded:
            if what == "a chunk that cannot be read":
                honest(self, [chunk._replace(data=bytes(chunk.data)[:20])])
            elif what == "a chunk elsewhere" and chunk.offset[0]:
                honest(self, [chunk._replace(offset=(0, *chunk.offset[1:]))])

    monkeypatch.setattr(Created, "store", store)
    with pytest.raises(sc.ReadBackError):
        sc.repack(*paths, filter="gzip:1", team=team)
    assert [item.name for item in paths[0].parent.iterdir()] == ["in.h5"]


def test_rows_without_chunks_are_read_back_too(paths, monkeypatch):
    honest = row_writer.write_all

    def write_all(fd, data, place, file):
        honest(fd, memoryview(bytes(len(data))), place, file)

    monkeypatch.setattr(row_writer, "write_all", write_all)
    with pytest.raises(sc.ReadBackError, match="no filter"):
        sc.repack(*paths, chunks="contiguous", engine="serial")


@pytest.mark.slow
def test_the_bytes_do_not_depend_on_the_check(paths, team):
    made = set()
    for run in ({}, {"check": False}, {"team": team}, {"team": team, "check": False}):
        sc.repack(*paths, filter="gzip:1", chunks="8,40", overwrite=True, **run)
        made.add(paths[1].read_bytes())
    assert len(made) == 1


def test_a_lossy_filter_is_held_to_what_it_promises(paths, monkeypatch):
    with h5py.File(paths[0], "w") as file:
        file.create_dataset("x", data=X / 7, chunks=(16, 20), scaleoffset=2)
    with pytest.warns(UserWarning, match="lossy"):
        sc.repack(*paths, chunks="8,40", engine="serial")
    honest = LibraryEncoder.encode

    def encode(self, chunks):
        return honest(self, [chunk + np.float32(0.05) for chunk in chunks])

    monkeypatch.setattr(LibraryEncoder, "encode", encode)
    with pytest.raises(sc.ReadBackError, match="scaleoffset"):
        sc.repack(*paths, chunks="8,40", engine="serial", overwrite=True)


def test_an_encoder_with_another_fill_value_than_the_dataset_is_refused():
    steps = (Filter(SCALEOFFSET, (2, 0)),)
    dtype = np.dtype("i4")
    right = LibraryEncoder(steps, (4,), dtype, Fill(np.int32(-9)))
    right.try_out()
    from sharedcompute.hdf5.filters.pipeline import stored_filters

    stored = stored_filters(right._dataset.get_create_plist())
    wrong = LibraryEncoder(steps, (4,), dtype, Fill(), stored)
    with pytest.raises(sc.InputError, match="choose another filter="):
        wrong.try_out()
    right.close()
    wrong.close()


def sampled(path, chunks, monkeypatch, most):
    monkeypatch.setattr(proof, "ALL_NBYTES", most)
    recoding = plan_recoding(open_source(f"{path}::/x"), Storage(chunks), 1, 1 << 30, 1 << 30)
    return sample_of(recoding)


def test_all_of_a_small_dataset_is_read_and_a_spread_sample_of_a_large_one(paths, monkeypatch):
    with h5py.File(paths[0], "w") as file:
        file.create_dataset("x", data=X, chunks=(2, 5))
    assert sampled(paths[0], (8, 10), monkeypatch, X.nbytes).whole
    few = sampled(paths[0], (2, 5), monkeypatch, X.nbytes - 1)
    assert not few.whole
    grid = few.boxes
    assert grid.chunks == (2, 5)
    # The first, the last, and one at the end of each axis.
    assert {0, len(grid) - 1, grid.counts[1] - 1, len(grid) - grid.counts[1]} <= {*few.numbers}
    # No eighth of them is left out.
    assert {number * 8 // len(grid) for number in few.numbers} == set(range(8))
    assert few == sampled(paths[0], (2, 5), monkeypatch, X.nbytes - 1)
    least = sampled(paths[0], (2, 5), monkeypatch, 1)
    assert least.numbers == (0, len(grid) - 1)


def test_a_fault_in_a_sample_is_found(paths, monkeypatch):
    monkeypatch.setattr(proof, "ALL_NBYTES", 4000)
    lying(monkeypatch)
    with pytest.raises(sc.ReadBackError):
        sc.repack(*paths, filter="gzip:1", engine="serial")


def many(file, count, **stored):
    with h5py.File(file, "w") as made:
        for number in range(count):
            made.create_dataset(f"{number:03}", data=X[:4] + number, chunks=(4, 40), **stored)


def test_of_many_small_datasets_one_in_16_and_the_first_of_each_kind_are_read_back(
    paths, monkeypatch, capsys
):
    many(paths[0], 49)
    with h5py.File(paths[0], "a") as file:
        file.create_dataset("z", data=np.arange(9))
        file.create_dataset("never", (1 << 40,), "f8", chunks=(1 << 20,))
    words = ["repack", *map(str, paths), "--filter", "gzip:1"]
    assert invoke([*words, "--dry-run", "--json"]) == 0
    told = {d["path"]: d["checked"] for d in json.loads(capsys.readouterr().out)["datasets"]}
    assert {path for path, checked in told.items() if checked == "all of it"} == {
        *("/000", "/016", "/032", "/048", "/z")
    }
    assert {*told.values()} == {"all of it", "nothing"}
    honest, read = Prover._compare, []

    def compare(self, made, box):
        read.append(made.path)
        honest(self, made, box)

    monkeypatch.setattr(Prover, "_compare", compare)
    assert invoke(words) == 0
    assert {*read} == {path for path, checked in told.items() if checked != "nothing"}


@pytest.mark.parametrize("spoil", ["other numbers", "a chunk that cannot be read"])
def test_what_hdf5_stored_wrongly_with_the_structure_is_found(paths, monkeypatch, spoil):
    many(paths[0], 40)

    def copy_dataset(old, new):
        values = np.full(old.shape, 7, "f4")
        if spoil == "other numbers":
            new.write(h5py.h5s.ALL, h5py.h5s.ALL, values)
        else:
            new.write_direct_chunk((0, 0), b"no zlib")

    monkeypatch.setattr(tree, "copy_dataset", copy_dataset)
    with pytest.raises(sc.ReadBackError, match="from /000 at"):
        sc.repack(*paths, filter="gzip:1")
    assert [item.name for item in paths[0].parent.iterdir()] == ["in.h5"]


def test_small_datasets_with_a_lossy_filter_are_held_to_its_tolerance(paths):
    many(paths[0], 40, scaleoffset=2)
    with pytest.warns(UserWarning, match="lossy"):
        sc.repack(*paths, chunks="3,40", engine="serial")


def test_the_plan_says_how_much_is_read_back(paths, capsys):
    for words, says in (((), "HDF5 reads back all of it"), (("--no-check",), "")):
        invoke(["repack", *map(str, paths), "--filter", "gzip:1", "--dry-run", *words])
        out = capsys.readouterr().out
        assert ("reads back" in out) == bool(says)
        assert says in out
