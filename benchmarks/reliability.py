"""What it costs that a job can be killed and gone on with: the same jobs without journal and CRCs.

There is no such option: the jobs without run on a team of forks of this process, in which the
functions concerned do nothing.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path
from unittest import mock

import sharedcompute as sc
from benchmarks import peers
from benchmarks.chunks import GZIP
from benchmarks.data import climate, normal
from benchmarks.timing import Row, at_most_times, medians
from sharedcompute.engines.durability import in_order
from sharedcompute.engines.durability.journal import Journal
from sharedcompute.engines.units import block, recode


@contextlib.contextmanager
def _without() -> Iterator[None]:
    """No checksum is worked out, and nothing is written to a journal."""
    with (
        mock.patch.object(block, "block_crc", return_value=0),
        mock.patch.object(recode, "block_crc", return_value=0),
        mock.patch.object(in_order.deflate, "crc32", return_value=0),
        mock.patch.object(Journal, "append", return_value=None),
    ):
        yield


def costs(folder: Path, nbytes: int, workers: int, repeats: int) -> list[Row]:
    """A map to contiguous and one to gzip, with and without."""
    plain = normal(folder / "plain.h5", nbytes)
    packed = climate(folder / "gzip.h5", nbytes, **GZIP)
    rows = []
    with contextlib.ExitStack() as stack:
        # The forks are made before numba's threads run here.
        whole = stack.enter_context(sc.Team(workers, start_method="fork"))
        with _without():
            bare = stack.enter_context(sc.Team(workers, start_method="fork"))
        for what, file, bar in (("contiguous", plain, 1.15), ("gzip 4 + shuffle", packed, 1.05)):

            def run(team: sc.Team, file: Path = file) -> None:
                out = folder / "out.h5"
                sc.map("clip", f"{file}::/x", out, lower=250.0, upper=310.0, team=team)
                out.unlink()

            def run_bare(run=run) -> None:
                with _without():
                    run(bare)

            seconds = medians(
                {"sharedcompute": lambda run=run: run(whole), "without": run_bare}, repeats
            )
            title = f"map with journal and checksums, {what} to {what}"
            rows.append(at_most_times(title, seconds, "without", bar))
            file.unlink()
        rows.append(_team_map(whole, repeats))
    return rows


def _team_map(team: sc.Team, repeats: int) -> Row:
    """What every call on arrays in memory costs; the points for failures are in it."""
    x, out = sc.zeros(1000), sc.zeros(1000)
    call = medians(
        {"map": lambda: team.map(peers.axpy, x, out=out, params=(2.0, 1.0))}, 300 * repeats, 0
    )
    return Row("team.map of 1,000 elements, beside it", f"{call['map'] * 1e6:.3g} us", "-", None)
