"""Contenders in turn, medians, ratios: the machine is shared, and an absolute time means little."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass

PAUSE = 0.05
"""Seconds of rest before each run."""

Contenders = Mapping[str, Callable[[], object]]


@dataclass(frozen=True)
class Row:
    """One comparison and its bar.

    `value` is what the bar speaks of: a ratio, seconds or bytes.
    """

    what: str
    measured: str
    bar: str
    met: bool | None


def medians(contenders: Contenders, repeats: int, pause: float = PAUSE) -> dict[str, float]:
    """Median seconds of each, run in turn; one round before does not count, unless it is all."""
    times: dict[str, list[float]] = {name: [] for name in contenders}
    for turn in range(repeats + 1):
        for name, contender in contenders.items():
            # OpenMP's threads go on spinning for a while after a parallel loop.
            if pause:
                time.sleep(pause)
            began = time.perf_counter()
            contender()
            if turn or not repeats:
                times[name].append(time.perf_counter() - began)
    return {name: statistics.median(values) for name, values in times.items()}


def ratio(what: str, seconds: Mapping[str, float], peer: str, bar: float | None) -> Row:
    """How many times faster than `peer` we are."""
    value = seconds[peer] / seconds["sharedcompute"]
    met = None if bar is None else value >= bar
    return Row(
        f"{what}, against {peer}",
        f"{value:.2f} x  ({seconds['sharedcompute']:.4f} s : {seconds[peer]:.4f} s)",
        "-" if bar is None else f"at least {bar:g} x",
        met,
    )


def at_most_times(what: str, seconds: Mapping[str, float], alone: str, bar: float | None) -> Row:
    """How many times as long as one of its stages `alone` we take."""
    value = seconds["sharedcompute"] / seconds[alone]
    return Row(
        f"{what}, against {alone}",
        f"{value:.2g} times  ({seconds['sharedcompute']:.3g} s : {seconds[alone]:.3g} s)",
        "-" if bar is None else f"at most {bar:.2g} times",
        None if bar is None else value <= bar,
    )


def at_most(what: str, value: float, bar: float, unit: str, scale: float) -> Row:
    """A figure that must not be above its bar."""
    return Row(what, f"{value * scale:.4g} {unit}", f"at most {bar * scale:g} {unit}", value <= bar)


def show(rows: list[Row]) -> str:
    """The rows as a Markdown table."""
    words = {None: "", True: "yes", False: "**no**"}
    lines = ["| what | measured | bar | met |", "| --- | --- | --- | --- |"]
    lines += [f"| {r.what} | {r.measured} | {r.bar} | {words[r.met]} |" for r in rows]
    return "\n".join(lines)
