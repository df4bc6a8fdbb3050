"""Laws, losses and advice on made-up timings, whose answers are known."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import pytest
from scipy import optimize

from sharedcompute.cli.scaling.bottleneck import advice, bottleneck, past_cores
from sharedcompute.cli.scaling.laws import PARTS, Run, Scaling, job_parts, program_parts
from sharedcompute.events import BlockDone, PassStarted
from sharedcompute.report.totals import Totals

QUIET = (1.0, 1.001, 0.999)
"""What three rounds of a quiet machine do to a time."""

Parts = dict[str, float]


def timed(
    parts: Callable[[int], Parts],
    counts: Sequence[int] = (1, 2, 4, 8),
    noise: Sequence[float] = QUIET,
    cores: int = 8,
    weak: bool = False,
) -> Scaling:
    """Jobs whose workers spend so many seconds on each part."""
    runs = []
    for factor in noise:
        for p in counts:
            spent = {name: factor * seconds for name, seconds in parts(p).items()}
            runs.append(Run(p, sum(spent.values()) / p, spent))
    return Scaling(tuple(runs), cores, weak)


def job(**more: Callable[[int], float]) -> Callable[[int], Parts]:
    """Ten seconds of computing, and other parts by the number of workers."""
    given = {"compute": lambda p: 10.0, **more}
    return lambda p: {name: given[name](p) if name in given else 0.0 for name in PARTS}


def program(seconds: Callable[[int], float], busy: Callable[[int], float]) -> Scaling:
    runs = [
        Run(p, factor * seconds(p), program_parts(p, factor * seconds(p), factor * busy(p)))
        for factor in QUIET
        for p in (1, 2, 4)
    ]
    return Scaling(tuple(runs), 4)


def test_perfect_scaling_has_no_serial_part_and_no_bottleneck() -> None:
    perfect = timed(job())
    assert [perfect.speedup(p) for p in (1, 2, 4, 8)] == pytest.approx([1, 2, 4, 8])
    assert [perfect.efficiency(p) for p in (1, 8)] == pytest.approx([1, 1])
    fit = perfect.amdahl()
    assert fit is not None
    assert (fit.serial, fit.misfit) == pytest.approx((0, 0), abs=1e-9)
    assert bottleneck(perfect).name == "none"
    assert (advice(perfect).workers, advice(perfect).sure) == (8, True)


def test_amdahls_law_is_found_again() -> None:
    """s = 0.1: one second in which one process works, nine that are shared."""
    law = timed(job(compute=lambda p: 9.0, serial=lambda p: 1.0 * p))
    fit = law.amdahl()
    assert fit is not None
    assert (fit.serial, fit.misfit) == pytest.approx((0.1, 0), abs=1e-9)
    assert fit.low == pytest.approx(fit.high)
    assert law.speedup(8) == pytest.approx(1 / (0.1 + 0.9 / 8))
    assert law.gustafson() is None


def test_the_fit_of_amdahls_law_is_scipys() -> None:
    times = {1: 10.3, 2: 5.9, 4: 3.1, 8: 2.4}
    measured = Scaling(tuple(Run(p, t, {"busy": t, "idle": 0}) for p, t in times.items()), 8)
    p, t = np.array(list(times)), np.array(list(times.values()))
    (a, b), misses = optimize.nnls(np.stack([1 / t, 1 / (p * t)], axis=1), np.ones(4))
    fit = measured.amdahl()
    assert fit is not None
    assert fit.serial == pytest.approx(a / (a + b))
    assert fit.misfit == pytest.approx(misses / np.sqrt(4))


@pytest.mark.parametrize(
    ("times", "serial"), [({1: 8, 2: 3.5, 4: 1.6}, 0.0), ({1: 1, 2: 1.2, 4: 1.3}, 1.0)]
)
def test_a_serial_fraction_stays_within_0_and_1(times: dict[int, float], serial: float) -> None:
    measured = Scaling(tuple(Run(p, t, {"busy": t, "idle": 0}) for p, t in times.items()), 4)
    fit = measured.amdahl()
    assert fit is not None
    assert fit.serial == serial


def test_one_slow_run_does_not_move_the_law_but_its_range() -> None:
    runs = list(timed(job(compute=lambda p: 9.0, serial=lambda p: 1.0 * p)).runs)
    runs[2] = Run(4, 5 * runs[2].seconds, {name: 5 * s for name, s in runs[2].parts.items()})
    fit = Scaling(tuple(runs), 8).amdahl()
    assert fit is not None
    assert fit.serial == pytest.approx(0.1, abs=1e-3)
    assert fit.high > 0.11


def test_gustafsons_law_is_found_again() -> None:
    """Work that grows: each worker 9 s of its own, and one second that no worker shortens."""
    s = 0.1
    grown = timed(lambda p: {"busy": p * 10 * p / (p - s * (p - 1)), "idle": 0.0}, weak=True)
    fit = grown.gustafson()
    assert fit is not None
    assert (fit.serial, fit.misfit) == pytest.approx((s, 0), abs=1e-9)
    assert grown.speedup(8) == pytest.approx(8 - s * 7)
    assert grown.amdahl() is None
    assert advice(grown).workers == 8


def test_what_is_lost_adds_up() -> None:
    grows = timed(job(start=lambda p: 0.3 * p, wait=lambda p: 0.1 * (p - 1)), noise=(1.0,))
    lost = grows.lost(8)
    assert sum(lost.values()) == pytest.approx(8 * grows.median(8) - grows.median(1))
    assert lost["start"] == pytest.approx(0.3 * 7)
    assert lost["compute"] == 0


@pytest.mark.parametrize(
    ("part", "seconds", "name", "figures"),
    [
        ("start", lambda p: 2.0 * p, "start-up", ["2 s"]),
        ("serial", lambda p: 2.0 * p, "serial part", ["2 s"]),
        ("read", lambda p: 2.0 * p, "reading", ["2 s", "16 s"]),
        ("compute", lambda p: 10 + 3.0 * (p - 1), "memory bandwidth", ["10 s", "31 s"]),
        ("write", lambda p: 2.0 * p, "writing", ["2 s", "16 s"]),
        ("wait", lambda p: 2.0 * (p - 1), "waiting", ["58%"]),
    ],
)
def test_the_bottleneck_is_what_grows_and_its_figures_are_told(
    part: str, seconds: Callable[[int], float], name: str, figures: list[str]
) -> None:
    beside: dict[str, Callable[[int], float]] = {"wait": lambda p: 0.02 * p}
    found = bottleneck(timed(job(**{**beside, part: seconds})))
    assert found.name == name
    assert all(figure in found.reason for figure in figures)
    assert "not certain" not in found.reason


def test_a_program_is_judged_by_its_processors_time() -> None:
    half_serial = program(lambda p: 5 + 5 / p, lambda p: 10)
    assert bottleneck(half_serial).name == "serial part, or waiting"
    starved = program(lambda p: 10 * (1 + 0.5 * (p - 1)) / p, lambda p: 10 * (1 + 0.5 * (p - 1)))
    assert bottleneck(starved).name.startswith("memory bandwidth")
    deaf = program(lambda p: 10, lambda p: 10)
    assert "SHAREDCOMPUTE_WORKERS" in bottleneck(deaf).reason


def test_more_workers_than_cores_are_seen_to_be_slower() -> None:
    crowded = timed(job(compute=lambda p: 10 if p <= 2 else 26), (1, 2, 4), cores=2)
    said = "with 4 workers it is 30% slower than with 2, past the 2 cores: over-subscribed"
    assert past_cores(crowded) == said
    assert advice(crowded).workers == 2
    # They are no points of the law.
    fit = crowded.amdahl()
    assert fit is not None
    assert fit.counts == (1, 2)


def test_no_more_workers_than_cores_are_recommended_even_if_they_gain() -> None:
    sleepy = timed(job(), (1, 2, 4), cores=2)
    assert advice(sleepy).workers == 2
    assert "50% faster" in str(past_cores(sleepy))


def test_noise_is_not_taken_for_a_gain() -> None:
    noisy = timed(job(compute=lambda p: {1: 10.0, 2: 18.4}[p]), (1, 2), (1.0, 1.4, 0.8), cores=2)
    found = advice(noisy)
    assert (found.workers, found.sure) == (2, False)
    assert "cannot tell" in found.reason
    assert "not certain" in bottleneck(noisy).reason


def test_the_fewest_workers_that_do_as_well_are_recommended() -> None:
    saturated = timed(job(compute=lambda p: 10 if p < 4 else 10 * p / 2 * 0.98))
    assert (advice(saturated).workers, advice(saturated).sure) == (2, True)
    assert "2% at most" in advice(saturated).reason


def test_one_run_of_each_is_never_sure() -> None:
    found = advice(timed(job(), noise=(1.0,)))
    assert (found.workers, found.sure) == (8, False)
    assert "--repeats" in found.reason
    slow = timed(job(start=lambda p: 3.0 * p), noise=(1.0,))
    assert "not certain with fewer than 3 runs" in bottleneck(slow).reason


def test_one_core_tells_nothing_of_several() -> None:
    single = timed(job(), (1, 2), cores=1)
    assert single.amdahl() is None
    assert bottleneck(single).name == "unknown"
    assert advice(single).workers == 1


def test_events_tell_the_start_the_parallel_part_and_what_is_left() -> None:
    totals = Totals()
    for number, begins in ((1, 100.0), (2, 110.0)):
        totals(PassStarted(number, 2, "pass", 10, 80))
        for rank in (0, 1):
            totals(BlockDone(rank, rank, 0, 5, 40, begins + rank, read=1, compute=2, write=0))
    assert totals.parallel_seconds == 8
    record = {
        "seconds": 20.0, "start_seconds": 2.0, "parallel_seconds": totals.parallel_seconds,
        "worker_seconds": totals.seconds,
    }  # fmt: skip
    parts = job_parts(2, 25.0, record)
    assert parts == {
        "start": 14, "serial": 20, "read": 4, "compute": 8, "write": 0, "wait": 4,
    }  # fmt: skip
    assert sum(parts.values()) == 2 * 25


def test_the_start_ends_with_the_first_block(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("time.monotonic", lambda: 90.0)
    totals = Totals()
    assert (totals.start_seconds, totals.parallel_seconds) == (0, 0)
    totals(PassStarted(1, 1, "pass", 10, 80))
    totals(BlockDone(1, 1, 5, 10, 40, 101.0, 1, 1, 1))
    totals(BlockDone(0, 0, 0, 5, 40, 100.0, 1, 1, 1))
    assert (totals.start_seconds, totals.parallel_seconds) == (10, 4)
