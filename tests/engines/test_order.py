"""Files have the same bytes whichever worker is done first."""

from __future__ import annotations

import random
from pathlib import Path

import h5py
import numpy as np
import pytest

import sharedcompute as sc
from sharedcompute.engines.durability import in_order
from sharedcompute.engines.durability.in_order import InOrder
from sharedcompute.engines.durability.runs import runs
from sharedcompute.engines.durability.sections import Progress
from sharedcompute.hdf5.writing.row_writer import EncodedChunk


def chunk(block: int, part: int) -> EncodedChunk:
    return EncodedChunk((block, part), 0, b"%d %d " % (block, part) * 1000)


@pytest.mark.parametrize("limit", [0, 10_000, 10**9])
@pytest.mark.parametrize("seed", range(5))
def test_chunks_are_stored_in_the_order_of_their_blocks(
    limit: int, seed: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(in_order, "HELD_BYTES", limit)
    stored: list[tuple[int, EncodedChunk]] = []
    header = {"identity": {}, "what": "a job", "overwrite": False}
    progress = Progress(tmp_path, header, resume=False, in_place=False)
    section = progress.section("1", 12)
    ordered = InOrder(lambda n, chunks: stored.extend((n, c) for c in chunks), section)
    # Three workers with blocks of their own, in step with nobody.
    left = [[(b, part) for b in range(w, 12, 3) for part in (0, 1, None)] for w in range(3)]
    rng = random.Random(seed)
    while any(left):
        block, part = rng.choice([steps for steps in left if steps]).pop(0)
        if part is None:
            ordered.done(block)
        else:
            ordered.add(block, part, [chunk(block, part)])
    ordered.close()
    assert stored == [(part, chunk(block, part)) for block in range(12) for part in (0, 1)]
    progress.close()
    (run,) = runs(tmp_path)
    assert [record["kept"] for record in run.of("1", "kept") if record["where"] == "output"] == [
        *range(12)
    ]


@pytest.mark.parametrize("schedule", ["static", "dynamic", "guided"])
@pytest.mark.sample(1)
def test_a_compressed_file_has_the_same_bytes_for_any_team(
    schedule: str, tmp_path: Path, teams: dict[int, sc.Team]
) -> None:
    x = np.random.default_rng(0).integers(0, 50, (300, 40)).astype("f4")
    with h5py.File(tmp_path / "in.h5", "w") as file:
        file.create_dataset("x", data=x, chunks=(10, 40), compression="gzip", shuffle=True)
    made = set()
    for name, how in (
        ("serial", {"engine": "serial"}),
        *((n, {"team": t}) for n, t in teams.items()),
    ):
        out = tmp_path / f"{name}.h5"
        sc.map("zscore", f"{tmp_path}/in.h5::/x", out, block_rows=10, schedule=schedule, **how)
        made.add(out.read_bytes())
    assert len(made) == 1
