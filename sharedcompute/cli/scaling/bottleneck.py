"""Bottlenecks of a job with more workers, and the number that it should have.

Sentences for people, each with the figures that it comes from. Nothing is stated about numbers of
workers that were not tried, and what the noise of the runs may have made is called so.
"""

from __future__ import annotations

from dataclasses import dataclass

from sharedcompute.cli.scaling.laws import (
    BUSY,
    COMPUTE,
    IDLE,
    LEAST_RUNS,
    READ,
    SERIAL,
    START,
    WAIT,
    WRITE,
    Scaling,
)

NEAR = 1.05
"""Times within 5 % of the best one are as good as it."""

SCALES = 0.9
"""An efficiency from which on there is no bottleneck to look for."""

SAME = 0.1
"""A program whose time and use of processors change by less takes no notice of its workers."""


@dataclass(frozen=True)
class Verdict:
    """A bottleneck, with its reason.

    Parameters
    ----------
    name : str
        A word or two.
    reason : str
        The figures.
    """

    name: str
    reason: str


@dataclass(frozen=True)
class Advice:
    """A number of workers.

    Parameters
    ----------
    workers : int
    sure : bool
        Whether the runs differ less among themselves than from those with fewer workers.
    reason : str
    """

    workers: int
    sure: bool
    reason: str


def bottleneck(timed: Scaling) -> Verdict:
    """Return what costs most of what more workers should have gained, up to the cores."""
    most = timed.within[-1]
    if most == 1:
        why = "there is 1 core" if timed.cores == 1 else "none were tried"
        return Verdict("unknown", f"it takes several workers within the cores to tell, and {why}")
    if _ignored(timed, most):
        return Verdict(
            "serial part, or workers that are not asked for",
            f"{many(most, 'worker')} change neither the time nor the use of the processors: does "
            "the program take their number? ({workers} in its words, or SHAREDCOMPUTE_WORKERS)",
        )
    efficiency = timed.efficiency(most)
    if efficiency >= SCALES:
        return Verdict("none", f"{efficiency:.0%} of ideal with {many(most, 'worker')}")
    lost = timed.lost(most)
    name = max(lost, key=lambda part: lost[part])
    share = lost[name] / sum(value for value in lost.values() if value > 0)
    reason = f"{_TOLD[name].format(**_figures(timed, name, most))}; {share:.0%} of what is lost"
    if min(len(timed.seconds(1)), len(timed.seconds(most))) < LEAST_RUNS:
        reason += f"; not certain with fewer than {LEAST_RUNS} runs of each"
    elif lost[name] < _noise(timed, most):
        reason += ", but the repeats differ by more than that: not certain"
    return Verdict(_NAMES[name], reason)


def past_cores(timed: Scaling) -> str | None:
    """Render what more workers than cores do; None where none were tried."""
    beyond = [p for p in timed.counts if p > timed.cores]
    if not beyond:
        return None
    last, best = beyond[-1], min(timed.within, key=timed.cost)
    change = timed.cost(last) / timed.cost(best) - 1
    against = f"than with {best}, past the {many(timed.cores, 'core')}"
    if timed.slower(last, best):
        return f"with {last} workers it is {change:.0%} slower {against}: over-subscribed"
    if timed.slower(best, last):
        return f"with {last} workers it is {-change:.0%} faster {against}: workers wait a lot"
    return f"with {last} workers it is neither surely faster nor slower {against}"


def advice(timed: Scaling) -> Advice:
    """Return the smallest number of workers within 5 % of the best median time, up to the cores."""
    within = timed.within
    best = min(map(timed.cost, within))
    chosen = next(p for p in within if timed.cost(p) <= NEAR * best)
    if len(within) == 1:
        why = f"nothing else within {many(timed.cores, 'core')} was tried"
        return Advice(chosen, False, why)
    repeats = min(len(timed.seconds(p)) for p in within)
    if repeats < LEAST_RUNS:
        why = f"{many(repeats, 'run')} of each cannot be distinguished from noise: give --repeats 3"
        return Advice(chosen, False, why)
    unclear = [p for p in within if p < chosen and not timed.slower(p, chosen)]
    if unclear:
        why = f"cannot tell: the repeats differ by more than the gain over {unclear[0]}"
        return Advice(chosen, False, f"{why}; give more --repeats, or a quieter machine")
    more = [timed.cost(p) for p in within if p > chosen]
    if more:
        gain = timed.cost(chosen) / min(more) - 1
        gains = f"gain {gain:.0%} at most" if gain > 0 else "gain nothing"
        return Advice(chosen, True, f"more workers {gains}")
    return Advice(chosen, True, f"the fastest of {', '.join(map(str, within))}")


def many(number: int, noun: str) -> str:
    """Render a number and its noun: ``2 cores``."""
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


def _ignored(timed: Scaling, workers: int) -> bool:
    """Return whether a program does the same whatever number of workers it is given."""
    alone, now = timed.parts(1), timed.parts(workers)
    if timed.weak or BUSY not in now or not alone[BUSY]:
        return False
    changes = timed.median(workers) / timed.median(1), now[BUSY] / alone[BUSY]
    return all(abs(change - 1) < SAME for change in changes)


def _noise(timed: Scaling, workers: int) -> float:
    """Return what the runs differ by among themselves, in worker seconds."""
    few, most = timed.seconds(1), timed.seconds(workers)
    return few[-1] - few[0] + workers * (most[-1] - most[0]) / timed.work(workers)


def _figures(timed: Scaling, name: str, workers: int) -> dict[str, str]:
    """Return the figures that a reason names."""
    alone, now = timed.parts(1)[name], timed.parts(workers)[name] / timed.work(workers)
    whole = sum(timed.parts(workers).values()) / timed.work(workers)
    return {
        "workers": str(workers),
        "alone": f"{alone:.3g}",
        "now": f"{now:.3g}",
        "each": f"{now * timed.work(workers) / workers:.3g}",
        "share": f"{now / whole:.0%}",
    }


_NAMES = {
    START: "start-up",
    SERIAL: "serial part",
    READ: "reading",
    COMPUTE: "memory bandwidth",
    WRITE: "writing",
    WAIT: "waiting",
    BUSY: "memory bandwidth, or work that every worker repeats",
    IDLE: "serial part, or waiting",
}

_TOLD = {
    START: "imports, kernels and the start of workers take {each} s ({share} of the time) with "
    "{workers} workers, whatever the data",
    SERIAL: "for {each} s ({share} of the time) no worker has a block: one process combines or "
    "writes results",
    READ: "reading takes {alone} s with 1 worker, and {now} s of all {workers} together: the disk, "
    "or the memory, gives no more",
    COMPUTE: "computing takes {alone} s with 1 worker, and {now} s of all {workers} together: "
    "they share memory, caches or cores",
    WRITE: "writing takes {alone} s with 1 worker, and {now} s of all {workers} together: the "
    "disk, or the one writer, takes no more",
    WAIT: "of their time {share} goes to waiting for others that are at their last blocks: blocks "
    "are few or uneven",
    BUSY: "the processors' time grows from {alone} s with 1 worker to {now} s with {workers}",
    IDLE: "with {workers} workers {share} of the time of as many cores is idle",
}
