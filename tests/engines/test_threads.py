"""Several units at a time in one process: the same bits, and the same manners in failure."""

from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest

import sharedcompute as sc
from sharedcompute.engines.claims import Claims
from sharedcompute.engines.units import threads as engine_threads
from sharedcompute.rows import Rows
from sharedcompute.system.threads import side_by_side
from tests.engines.cases import REDUCTIONS, data
from tests.engines.stopping import JOBS
from tests.engines.test_resume import failing

__all__ = ["failing"]

PAIRS = [(1, 2), (1, 3), (2, 1), (2, 2), (3, 2)]
Array = np.ndarray[Any, Any]


@pytest.fixture(scope="module")
def hybrid() -> Iterator[dict[tuple[int, int], sc.Team]]:
    """Teams by their workers and threads."""
    made = {pair: sc.Team(*pair) for pair in PAIRS}
    yield made
    for team in made.values():
        team.close()


def ways(hybrid: dict[tuple[int, int], sc.Team]) -> Iterator[dict[str, Any]]:
    """How a job may be run: threads alone, and every team."""
    yield {"engine": "serial", "threads": 2}
    yield {"engine": "serial", "threads": 3}
    for team in hybrid.values():
        yield {"team": team}


@pytest.mark.sample(2)
@pytest.mark.parametrize(
    ("name", "params"),
    [("anomaly", {}), ("scale", {"factor": 3.0}), ("gaussian", {"sigma": 1.5}), ("median", {})],
)
def test_rows_have_the_same_bits_for_any_threads(
    name: str, params: dict[str, Any], hybrid: dict[tuple[int, int], sc.Team]
) -> None:
    x = data((83, 7))
    want = sc.map(name, x, engine="serial", block_rows=3, **params)
    for how in ways(hybrid):
        assert sc.map(name, x, block_rows=3, **how, **params).tobytes() == want.tobytes()


@pytest.mark.sample(1)
@pytest.mark.parametrize("dtype", ["f4", "f8", "u2"])
@pytest.mark.parametrize("axis", ["rows", "all"])
def test_reductions_have_the_same_bits_for_any_threads(
    dtype: str, axis: str, hybrid: dict[tuple[int, int], sc.Team]
) -> None:
    x = data((83, 7), dtype)
    want = sc.reduce(REDUCTIONS, x, axis=axis, engine="serial", block_rows=3)
    for how in ways(hybrid):
        got = sc.reduce(REDUCTIONS, x, axis=axis, block_rows=3, **how)
        for name in REDUCTIONS:
            assert got[name].tobytes() == want[name].tobytes(), name


def test_what_many_threads_hand_over_now_and_then_is_all_there(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(engine_threads, "TAKE_SECONDS", 0.0)
    x = data((400, 5), "u2")
    got = sc.reduce(["sum", "argmax"], x, engine="serial", threads=4, block_rows=1)
    np.testing.assert_array_equal(got["sum"], x.sum(0))
    np.testing.assert_array_equal(got["argmax"], x.argmax(0))


def test_a_scan_has_the_same_bits_for_any_threads(hybrid: dict[tuple[int, int], sc.Team]) -> None:
    x = data((83, 7))
    want = sc.scan("cumsum", x, engine="serial", block_rows=3)
    for how in ways(hybrid):
        assert sc.scan("cumsum", x, block_rows=3, **how).tobytes() == want.tobytes()


@pytest.mark.parametrize("filter", ["gzip:4", "isal:1", "lz4", "zstd:3", "blosc2-zstd:5", "none"])
@pytest.mark.slow
def test_files_have_the_same_bytes_for_any_threads(
    filter: str, hybrid: dict[tuple[int, int], sc.Team], tmp_path: Path
) -> None:
    """Chunks with their filters, in place and from one shape to another."""
    with h5py.File(tmp_path / "in.h5", "w") as file:
        file.create_dataset("x", data=data((120, 30)).cumsum(0), chunks=(4, 30), compression=1)
    store = {"filter": filter, "chunks": "6,15", "overwrite": True}
    source, out = tmp_path / "in.h5", tmp_path / "out.h5"

    def repacked(**how: Any) -> bytes:
        sc.repack(source, out, **store, **how)
        first = out.read_bytes()
        sc.repack(out, tmp_path / "back.h5", filter="gzip:1", chunks="9,30", overwrite=True, **how)
        return first + (tmp_path / "back.h5").read_bytes()

    def mapped(**how: Any) -> bytes:
        sc.map("gaussian", f"{source}::x", out, sigma=1.0, **store, **how)
        return out.read_bytes()

    for job in (repacked, mapped):
        want = job(engine="serial")
        for how in ways(hybrid):
            assert job(**how) == want


def test_a_kernel_of_the_user_is_called_by_one_thread_at_a_time() -> None:
    """numba's own threads end the process where two threads of it enter them at once."""
    callers: set[int] = set()

    def noted(x: Array, out: Array) -> None:
        callers.add(threading.get_ident())
        out[...] = x

    x = data((50, 3))
    np.testing.assert_array_equal(sc.map(noted, x, engine="serial", threads=4, block_rows=1), x)
    assert callers == {threading.get_ident()}


def test_a_parallel_kernel_of_the_user_has_the_threads_of_its_worker(
    hybrid: dict[tuple[int, int], sc.Team],
) -> None:
    def inside(worker: sc.Worker) -> tuple[int, int]:
        import numba

        return numba.config.NUMBA_NUM_THREADS, numba.get_num_threads()  # type: ignore[attr-defined]

    assert hybrid[2, 2].run(inside) == [(2, 2), (2, 2)]


@pytest.mark.parametrize("size", [1, 2])
def test_an_error_in_a_thread_names_its_rows(size: int, tmp_path: Path) -> None:
    with h5py.File(tmp_path / "in.h5", "w") as file:
        x = file.create_dataset("x", data=data((96, 4)), chunks=(8, 4), compression=1)
        offset = x.id.get_chunk_info(5).byte_offset
    raw = bytearray((tmp_path / "in.h5").read_bytes())
    raw[offset : offset + 16] = b"\xff" * 16
    (tmp_path / "in.h5").write_bytes(raw)
    where = f"{tmp_path / 'in.h5'}::x"
    how = {"engine": "serial"} if size == 1 else {"engine": "local", "workers": size}
    with pytest.raises(sc.InputError, match=r"whole chunk at \(40, 0\)") as caught:
        sc.reduce("mean", where, threads=3, block_rows=8, **how)
    assert "on rows 40:48" in caught.value.__notes__[0]


@pytest.mark.parametrize("name", ["gzip", "contiguous", "one state a worker", "repack a file"])
@pytest.mark.parametrize("where", ["unit.7:1:kill", "unit:1:kill unit:9:exit", "units.end:1:kill"])
@pytest.mark.sample(1)
def test_what_dies_with_several_units_in_hand_is_done_again(
    field: Path, failing: Callable[[str], None], name: str, where: str
) -> None:
    JOBS[name](field / "in.h5", field / "whole.h5", engine="serial")
    failing(where)
    with sc.Team(2, 2, start_method="fork") as team:
        JOBS[name](field / "in.h5", field / "out.h5", team=team, retries=2)
    assert (field / "out.h5").read_bytes() == (field / "whole.h5").read_bytes()


def test_a_unit_that_kills_again_and_again_is_named(
    field: Path, failing: Callable[[str], None]
) -> None:
    """Though what else the dead had in hand was another each time."""
    failing("unit.12:*:kill")
    with (
        sc.Team(2, 2, start_method="fork") as team,
        pytest.raises(sc.WorkerDied, match="the last of 4 that died there") as caught,
    ):
        JOBS["gzip"](field / "in.h5", field / "out.h5", team=team, retries=3)
    assert caught.value.rows is not None
    start, stop = caught.value.rows
    assert start <= 120
    assert stop >= 130


def test_the_first_error_of_any_thread_is_raised_when_all_have_ended() -> None:
    ended: list[int] = []
    claims = Claims(iter(range(100)), lambda n: Rows(n, n + 1))

    def body(thread: int) -> None:
        try:
            for number in claims.of(thread):
                if number == 5:
                    claims.blame(thread)
                    raise ValueError("five")
                time.sleep(0.001)
        finally:
            ended.append(thread)

    with pytest.raises(ValueError, match="five"):
        side_by_side(3, body, claims.stop)
    assert sorted(ended) == [0, 1, 2]
    assert claims.failed == Rows(5, 6)


def test_ctrl_c_ends_all_threads() -> None:
    """Wherever the main thread is: at a unit of its own, or waiting for the others."""
    for waits in (False, True):
        stop = threading.Event()
        others: list[threading.Thread] = []

        def body(thread: int) -> None:
            if thread:
                others.append(threading.current_thread())
                stop.wait(20)
                return
            while not others:
                time.sleep(0.001)
            os.kill(os.getpid(), signal.SIGINT)
            if not waits:
                time.sleep(20)

        with pytest.raises(KeyboardInterrupt):
            side_by_side(2, body, stop.set)
        assert stop.is_set()
        assert not others[0].is_alive()
