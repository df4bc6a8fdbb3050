"""Sent chunks on their way through the rings: all of them, whole, in order, of any size."""

from __future__ import annotations

import h5py
import numpy as np
import pytest

import sharedcompute as sc
from sharedcompute.api.jobs import make_plan
from sharedcompute.api.repack import make_repack
from sharedcompute.api.rowwise import map_job
from sharedcompute.api.settings import Settings
from sharedcompute.engines.units.outbox import SENT_NBYTES, Rings
from sharedcompute.hdf5.address import Address
from sharedcompute.hdf5.inspection.inspector import open_source
from sharedcompute.operations.catalogue import find
from sharedcompute.options import groups
from sharedcompute.planning.budget import projection
from sharedcompute.planning.in_memory import RING_NBYTES

ROW = 1024


def incompressible(path, shape, chunks):
    """Random bytes in `path`; gives them."""
    values = np.random.default_rng(1).integers(0, 256, shape, np.uint8)
    with h5py.File(path, "w") as file:
        file.create_dataset("x", data=values, chunks=chunks)
    return values


@pytest.mark.parametrize("chunk_nbytes", [700 * ROW, SENT_NBYTES, RING_NBYTES + ROW])
@pytest.mark.slow
def test_chunks_of_any_size_pass_through_the_rings(tmp_path, team, chunk_nbytes):
    rows = chunk_nbytes // ROW
    # Each worker's share is more than its ring, so that rings wrap round and workers wait.
    count = -(-team.size * 3 * RING_NBYTES // 2 // chunk_nbytes) + 1
    values = incompressible(tmp_path / "in.h5", (rows * count - 1, ROW), (rows, ROW))
    made = set()
    for name, run in {"serial": {"engine": "serial"}, "team": {"team": team}}.items():
        sc.repack(tmp_path / "in.h5", tmp_path / f"{name}.h5", filter="gzip:1", **run)
        made.add((tmp_path / f"{name}.h5").read_bytes())
    assert len(made) == 1
    with h5py.File(tmp_path / "team.h5") as file:
        np.testing.assert_array_equal(file["x"], values)


def test_the_datasets_of_a_file_share_the_rings(tmp_path, team, monkeypatch):
    values = np.arange(6000, dtype="i4").reshape(60, 100)
    with h5py.File(tmp_path / "in.h5", "w") as file:
        for name in "abc":
            file.create_dataset(name, data=values, chunks=(7, 100))
    made = []
    honest = Rings.make
    monkeypatch.setattr(Rings, "make", lambda workers: made.append(workers) or honest(workers))
    sc.repack(tmp_path / "in.h5", tmp_path / "out.h5", filter="gzip:1", team=team)
    assert made == [team.size]
    with h5py.File(tmp_path / "out.h5") as file:
        for name in "abc":
            np.testing.assert_array_equal(file[name], values)


@pytest.mark.parametrize("command", ["map", "repack"])
def test_rings_that_do_not_fit_the_shared_memory_cost_workers(tmp_path, monkeypatch, command):
    # Docker gives 64 MB.
    monkeypatch.setattr(projection, "shm_free", lambda: 5 * RING_NBYTES + 100)
    monkeypatch.setattr(groups, "default_workers", lambda _: 16)
    incompressible(tmp_path / "in.h5", (4000, ROW), (40, ROW))
    source, target = f"{tmp_path}/in.h5", f"{tmp_path}/out.h5"
    settings = Settings.of({"engine": "local", "filter": "gzip:1"})
    if command == "repack":
        plan = make_repack(source, target, settings)
    else:
        wanted = map_job(
            find("scale", "map"), open_source(f"{source}::x"), Address(target), settings, {}
        )
        plan = make_plan(wanted, settings)  # type: ignore[assignment]
    assert plan.workers == 5
