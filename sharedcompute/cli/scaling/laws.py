"""Laws of how the time of a job changes with its workers, and its shares.

Arithmetic on timings; what runs and measures is in the command line.

References
----------
.. [1] G. M. Amdahl, "Validity of the single processor approach to achieving large scale computing
   capabilities", AFIPS Spring Joint Computer Conference, 1967.
.. [2] J. L. Gustafson, "Reevaluating Amdahl's law", Communications of the ACM 31 (5), 1988.
.. [3] K. O. McGraw, S. P. Wong, "A common language effect size statistic", Psychological Bulletin
   111 (2), 1992.
"""

from __future__ import annotations

import math
import statistics
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property

SURE = 0.9
"""Two settings differ where so many of the pairs of their runs say the same."""

LEAST_RUNS = 3
"""With two runs of each, one setting is ahead in all pairs by chance once in six times."""

START, SERIAL, READ, COMPUTE, WRITE, WAIT = PARTS = (
    "start", "serial", "read", "compute", "write", "wait",
)  # fmt: skip
"""Parts of the seconds of a job's workers."""

BUSY, IDLE = PROGRAM_PARTS = ("busy", "idle")
"""Parts of a program's, which reports nothing."""


@dataclass(frozen=True)
class Run:
    """One run.

    Parameters
    ----------
    workers : int
    seconds : float
        Of the whole process, from its start to its end.
    parts : mapping of str to float
        Seconds of all workers together, by what they went to: `PARTS` or `PROGRAM_PARTS`. They add
        up to ``workers * seconds``, or to more where workers have threads.
    job_seconds : float or None
        What the job itself took, without the start of the process; None for a program.
    """

    workers: int
    seconds: float
    parts: Mapping[str, float]
    job_seconds: float | None = None


def job_parts(workers: int, seconds: float, record: Mapping[str, object]) -> dict[str, float]:
    """Return the parts of the workers' seconds, by the ``--json`` record of a job.

    Parameters
    ----------
    workers : int
    seconds : float
        Of the whole process.
    record : mapping
        With ``seconds``, ``start_seconds``, ``parallel_seconds`` and ``worker_seconds``.
    """

    def number(name: str) -> float:
        value = record[name]
        assert isinstance(value, int | float)
        return value

    own = record["worker_seconds"]
    assert isinstance(own, Mapping)
    parallel = number("parallel_seconds")
    start = max(0.0, seconds - number("seconds")) + number("start_seconds")
    return {
        START: workers * start,
        SERIAL: workers * max(0.0, seconds - start - parallel),
        READ: float(own[READ]),
        COMPUTE: float(own[COMPUTE]),
        WRITE: float(own[WRITE]),
        WAIT: max(0.0, workers * parallel - sum(own.values())),
    }


def program_parts(workers: int, seconds: float, cpu_seconds: float) -> dict[str, float]:
    """Return the parts of a program's seconds, by the processors' time of it and its children."""
    return {BUSY: cpu_seconds, IDLE: max(0.0, workers * seconds - cpu_seconds)}


@dataclass(frozen=True)
class Fit:
    """A law with one serial fraction, fitted to times.

    Parameters
    ----------
    serial : float
        The fraction of the time with one worker that more workers do not shorten, 0 to 1.
    low, high : float
        The least and the greatest that one round of runs gives for itself.
    misfit : float
        Root mean square of the relative deviations of the median times from the law.
    counts : tuple of int
        The numbers of workers that it was fitted to. Two are met exactly, and test nothing.
    """

    serial: float
    low: float
    high: float
    misfit: float
    counts: tuple[int, ...]


@dataclass(frozen=True)
class Scaling:
    """Runs with several numbers of workers, one among them.

    Parameters
    ----------
    runs : tuple of Run
        In the order of their rounds, each of which has every number of workers once.
    cores : int
        That the runs could use.
    weak : bool
        The work grew with the workers, so that times are compared for each worker's share.
    """

    runs: tuple[Run, ...]
    cores: int
    weak: bool = False

    @cached_property
    def counts(self) -> tuple[int, ...]:
        """The numbers of workers, ascending."""
        return tuple(sorted({run.workers for run in self.runs}))

    @property
    def within(self) -> tuple[int, ...]:
        """Those that the cores suffice for."""
        return tuple(p for p in self.counts if p <= self.cores)

    def seconds(self, workers: int) -> list[float]:
        """Return the times with a number of workers, ascending."""
        return sorted(run.seconds for run in self.runs if run.workers == workers)

    def median(self, workers: int) -> float:
        """Return the median time."""
        return statistics.median(self.seconds(workers))

    def speedup(self, workers: int) -> float:
        """Return how much more is done in a second than with one worker."""
        return self.cost(1) / self.cost(workers)

    def efficiency(self, workers: int) -> float:
        """Return the speed-up for each worker; 1 is ideal."""
        return self.speedup(workers) / workers

    def parts(self, workers: int) -> Mapping[str, float]:
        """Worker seconds by what they went to, of the run with the median time."""
        return self._typical(workers).parts

    def shares(self, workers: int) -> dict[str, float]:
        """Return the parts as fractions of all worker seconds."""
        parts = self.parts(workers)
        return {name: value / sum(parts.values()) for name, value in parts.items()}

    def job_seconds(self, workers: int) -> float | None:
        """Return the time of the job itself, in the same run."""
        return self._typical(workers).job_seconds

    def lost(self, workers: int) -> dict[str, float]:
        """Worker seconds more than with one worker, for the same work, by what they went to.

        They add up to ``workers * T(workers) - T(1)``, which is 0 with ideal workers.
        """
        alone, now = self.parts(1), self.parts(workers)
        return {name: now[name] / self.work(workers) - alone[name] for name in now}

    def slower(self, workers: int, than: int) -> bool:
        """Return whether all runs agree that one number of workers is slower than another."""
        slow = [t / self.work(workers) for t in self.seconds(workers)]
        fast = [t / self.work(than) for t in self.seconds(than)]
        ahead = statistics.fmean(a > b for a in slow for b in fast)
        return min(len(slow), len(fast)) >= LEAST_RUNS and ahead >= SURE

    def amdahl(self) -> Fit | None:
        """Amdahl's law, ``T(p) = T1 (s + (1 - s) / p)``, up to the cores, for fixed work [1]_."""
        return None if self.weak else self._fit(_amdahl)

    def gustafson(self) -> Fit | None:
        """Gustafson's law, ``S(p) = p - s (p - 1)``, up to the cores, for work that grew [2]_."""
        return self._fit(_gustafson) if self.weak else None

    def _fit(self, law: Law) -> Fit | None:
        """Fit a law to the medians, and to each round for itself."""
        if len(self.within) < 2:
            return None
        medians = {p: self.median(p) for p in self.within}
        times = [[r.seconds for r in self.runs if r.workers == p] for p in self.within]
        rounds = [law(dict(zip(self.within, t, strict=True)))[0] for t in zip(*times, strict=True)]
        serial, fitted = law(medians)
        misses = statistics.fmean((fitted[p] / medians[p] - 1) ** 2 for p in self.within)
        return Fit(serial, min(rounds), max(rounds), math.sqrt(misses), self.within)

    def _typical(self, workers: int) -> Run:
        """Return one run, as figures of several need not agree: the median, the faster of two."""
        runs = sorted((r for r in self.runs if r.workers == workers), key=lambda r: r.seconds)
        return runs[(len(runs) - 1) // 2]

    def work(self, workers: int) -> int:
        """Return how many times the work of one worker's run is done."""
        return workers if self.weak else 1

    def cost(self, workers: int) -> float:
        """Return the median time for the work of one worker's run."""
        return self.median(workers) / self.work(workers)


Law = Callable[[Mapping[int, float]], tuple[float, dict[int, float]]]
"""Fits times by the number of workers: a serial fraction, and the times that it gives."""


def _amdahl(times: Mapping[int, float]) -> tuple[float, dict[int, float]]:
    """Least squares of relative deviations in ``a = T1 s`` and ``b = T1 (1 - s)``, both >= 0."""
    rows = [(1 / t, 1 / (p * t)) for p, t in times.items()]
    aa, ab, bb = (sum(r[i] * r[j] for r in rows) for i, j in ((0, 0), (0, 1), (1, 1)))
    ay, by = (sum(r[i] for r in rows) for i in (0, 1))
    determinant = aa * bb - ab * ab
    a, b = (ay * bb - by * ab) / determinant, (by * aa - ay * ab) / determinant
    if a < 0:
        a, b = 0.0, by / bb
    elif b < 0:
        a, b = ay / aa, 0.0
    return a / (a + b), {p: a + b / p for p in times}


def _gustafson(times: Mapping[int, float]) -> tuple[float, dict[int, float]]:
    """Least squares of the scaled speed-ups, ``p T(1) / T(p)``."""
    alone = times[1]
    slower = sum((p - 1) * (p - p * alone / t) for p, t in times.items())
    serial = min(1.0, max(0.0, slower / sum((p - 1) ** 2 for p in times)))
    return serial, {p: p * alone / (p - serial * (p - 1)) for p in times}
