"""Compressed and chunked datasets: decoding, encoding, repacking, against the peers."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import deflate
import h5py
import hdf5plugin
import numpy as np

import sharedcompute as sc
from benchmarks import peers
from benchmarks.data import climate, counts
from benchmarks.timing import Row, at_most_times, medians, ratio
from sharedcompute.kernels.filters import shuffle, unshuffle

WORKERS = 2
GZIP: dict[str, Any] = {"compression": "gzip", "compression_opts": 4, "shuffle": True}


def decoding(folder: Path, nbytes: int, team: sc.Team, pool: Any, repeats: int) -> list[Row]:
    """Mean and std over rows of compressed data."""
    gz = climate(folder / "gzip.h5", nbytes, **GZIP)
    lz4 = counts(folder / "lz4.h5", nbytes, **hdf5plugin.Bitshuffle(cname="lz4"))
    rows = []
    for what, file, bar, codec in (
        ("gzip 4 + shuffle, climate f4", gz, (3.5, 1.6), "libdeflate and unshuffle alone"),
        ("bitshuffle-LZ4, detector u2", lz4, (6, None), None),
    ):
        contenders: dict[str, Callable[[], object]] = {
            "sharedcompute": lambda f=file: sc.reduce(["mean", "std"], f"{f}::/x", team=team),
            "dask.array, 2 threads": lambda f=file: peers.dask_threads(f, WORKERS),
            "h5py in 2 processes": lambda f=file: peers.joblib_processes(f, pool),
        }
        if codec:
            contenders[codec] = lambda f=file: team.run(decode_alone, f)
        seconds = medians(contenders, repeats)
        title = f"reduce mean,std of {what}"
        rows.append(ratio(title, seconds, "dask.array, 2 threads", bar[0]))
        rows.append(ratio(title, seconds, "h5py in 2 processes", bar[1]))
        if codec:
            rows.append(at_most_times(title, seconds, codec, 1.15))
        file.unlink()
    return rows


def decode_alone(worker: sc.Worker, file: Path) -> None:
    """What the codec takes for this worker's share of the chunks, and nothing else."""
    with h5py.File(file) as opened:
        x = opened["x"].id
        for row in range(*worker.rows(opened["x"].shape[0])):
            raw = x.read_direct_chunk((row, 0, 0))[1]
            nbytes = int(np.prod(opened["x"].chunks)) * 4
            out = np.empty(nbytes, np.uint8)
            unshuffle(np.frombuffer(deflate.zlib_decompress(raw, nbytes), np.uint8), 4, out)


def encode_alone(worker: sc.Worker, file: Path) -> None:
    """What libdeflate takes to encode this worker's share of the rows."""
    with h5py.File(file) as opened:
        rows = worker.rows(opened["x"].shape[0])
        block = opened["x"][rows.start : rows.start + 64]
    out = np.empty(block[0].nbytes, np.uint8)
    for row in range(rows.size):
        shuffle(block[row % len(block)].reshape(-1).view(np.uint8), 4, out)
        deflate.zlib_compress(out, 5)


def small_chunks(folder: Path, team: sc.Team, repeats: int) -> list[Row]:
    """10,000 chunks of 4 KB, against h5py's own loop over them."""
    values = np.round(np.random.default_rng(0).normal(size=(10_000, 1024)), 2).astype("f4")
    rows = []
    for what, storage in (("gzip 4 + shuffle", GZIP), ("no filter", {})):
        file = folder / "small.h5"
        with h5py.File(file, "w") as opened:
            opened.create_dataset("x", data=values, chunks=(1, 1024), **storage)
        seconds = medians(
            {
                "sharedcompute": lambda f=file: sc.reduce("mean", f"{f}::/x", team=team),
                "h5py, row by row": lambda f=file: peers.h5py_rows(f, 1),
                "h5py, 1,000 rows at a time": lambda f=file: peers.h5py_rows(f, 1000),
            },
            repeats,
        )
        title = f"reduce mean of 10,000 chunks of 4 KB, {what}"
        rows.append(ratio(title, seconds, "h5py, row by row", 1))
        rows.append(ratio(title, seconds, "h5py, 1,000 rows at a time", 1))
    return rows


def mapping(folder: Path, nbytes: int, team: sc.Team, repeats: int) -> list[Row]:
    """A map from gzip to gzip, against the slower of its two ends alone.

    That end is encoding and storing: the same map from an array in shared memory. libdeflate, with
    nothing stored, stands beside it.
    """
    file, out = climate(folder / "gzip.h5", nbytes, **GZIP), folder / "out.h5"
    array = sc.asarray(sc.open(f"{file}::/x").compute())
    end = {"lower": 250.0, "upper": 310.0, "team": team, "overwrite": True}
    stored = {"filter": "gzip:4", "chunks": (1, 144, 192)}
    seconds = medians(
        {
            "sharedcompute": lambda: sc.map("clip", f"{file}::/x", out, **end),
            "writing alone": lambda: sc.map("clip", array, out, **end, **stored),
            "libdeflate alone": lambda: team.run(encode_alone, file),
            "decoding alone": lambda: team.run(decode_alone, file),
        },
        max(1, repeats // 2),
    )
    file.unlink()
    what = "map clip from gzip 4 to gzip 4"
    return [
        at_most_times(what, seconds, "writing alone", 1.3),
        at_most_times(what, seconds, "libdeflate alone", None),
        at_most_times(what, seconds, "decoding alone", None),
    ]


def repacking(folder: Path, nbytes: int, team: sc.Team, repeats: int) -> list[Row]:
    """repack against h5repack: compressing, and rechunking."""
    if shutil.which("h5repack") is None:
        return [Row("repack", "h5repack is not installed (Debian: hdf5-tools)", "-", None)]
    plain, gz = climate(folder / "plain.h5", nbytes), climate(folder / "gzip.h5", nbytes, **GZIP)
    ours, theirs = folder / "ours.h5", folder / "theirs.h5"

    def run(file: Path, **storage: Any) -> Callable[[], None]:
        return lambda: sc.repack(file, ours, overwrite=True, team=team, **storage)

    rows = []
    for what, file, storage, options, bar in (
        ("to gzip 4 + shuffle", plain, {"filter": "gzip:4"}, ("-f", "SHUF", "-f", "GZIP=4"), 5),
        ("to isal:1 + shuffle", plain, {"filter": "isal:1"}, ("-f", "SHUF", "-f", "GZIP=4"), 15),
        (
            "gzip from (1,144,192) to (64,36,48)",
            gz,
            {"chunks": (64, 36, 48)},
            ("-l", "CHUNK=64x36x48"),
            6,
        ),
    ):
        command = ["h5repack", *options, str(file), str(theirs)]
        peer = medians({"h5repack": lambda c=command: _run(c)}, 0)
        # h5repack leaves its output to the page cache: the disk would still be busy with that.
        os.sync()
        seconds = peer | medians({"sharedcompute": run(file, **storage)}, max(1, repeats // 2))
        rows.append(ratio(f"repack {what}", seconds, "h5repack", bar))
        sizes = ours.stat().st_size / theirs.stat().st_size
        most, met = ("at most 1", sizes <= 1) if bar == 5 else ("-", None)
        rows.append(Row(f"size {what}, by h5repack's", f"{sizes:.4f}", most, met))
    for file in (plain, gz, ours, theirs):
        file.unlink()
    return rows


def _run(command: list[str]) -> None:
    Path(command[-1]).unlink(missing_ok=True)
    subprocess.run(command, check=True)
