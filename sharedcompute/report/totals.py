"""Totals of a run."""

from __future__ import annotations

import math
import time

from sharedcompute.events import BlockDone, BlocksRestored, Event, PassStarted, WorkerReplaced


class Totals:
    """Totals of the events of a run.

    Attributes
    ----------
    nbytes, blocks, restored, replaced : int
    ranks : set of int
        The workers that have finished blocks.
    seconds : dict of str to float
        Of all workers together, for reading, computing and writing.
    """

    def __init__(self) -> None:
        self.nbytes = 0
        self.blocks = 0
        self.restored = 0
        self.replaced = 0
        self.ranks: set[int] = set()
        self.seconds = {"read": 0.0, "compute": 0.0, "write": 0.0}
        self._began = math.inf
        # Of each pass: when its first block was taken, and when its last one was done.
        self._spans: list[tuple[float, float]] = []

    @property
    def start_seconds(self) -> float:
        """Time from the beginning to the first block: kernels are compiled, workers start."""
        first = min((first for first, _ in self._spans), default=math.inf)
        return max(0.0, first - self._began) if math.isfinite(first) else 0.0

    @property
    def parallel_seconds(self) -> float:
        """Time with blocks in work, of all passes; in the rest only the parent works."""
        return sum(last - first for first, last in self._spans if last > first)

    def __call__(self, event: Event) -> None:
        """Add an event."""
        if isinstance(event, PassStarted):
            self._began = min(self._began, time.monotonic())
            self._spans.append((math.inf, -math.inf))
        elif isinstance(event, BlockDone):
            first, last = self._spans.pop() if self._spans else (math.inf, -math.inf)
            ended = event.began + event.read + event.compute + event.write
            self._spans.append((min(first, event.began), max(last, ended)))
            self.nbytes += event.nbytes
            self.blocks += 1
            self.ranks.add(event.rank)
            self.seconds["read"] += event.read
            self.seconds["compute"] += event.compute
            self.seconds["write"] += event.write
        elif isinstance(event, BlocksRestored):
            self.restored += event.blocks
        elif isinstance(event, WorkerReplaced):
            self.replaced += 1
