"""Detection of deadlocks, by the parent of a team."""

from __future__ import annotations

from sharedcompute.errors import DeadlockError
from sharedcompute.sync.atomics import Words
from sharedcompute.sync.layout import (
    JOB_DONE,
    LINE,
    LOCKS,
    LOOKS,
    NOTE,
    WAITS,
    WAITS_FOR,
    lines_of,
)
from sharedcompute.sync.waiting import BARRIER, EVENT, LOCK, NOTED, SEMAPHORE

_NAMED = 8
"""How many ranks an error names."""


class DeadlockWatch:
    """Detects ranks of a job that wait for each other.

    It takes two looks at least. All waits at the second are those of the first, so nobody has done
    anything between the two; and each rank has begun and ended a check of its own in between,
    without success. So nothing that a rank waits for has happened, and no rank is left that could
    do it: this is a proof, however slow the machine is, for waits that only ranks can end.

    Parameters
    ----------
    words : ndarray of int64
        The control block.
    job : int
        The job's number.
    """

    def __init__(self, words: Words, job: int) -> None:
        self._words = words
        self._lines = lines_of(words)
        self._job = job
        self._waits: dict[int, tuple[int, ...]] = {}
        self._looks: dict[int, int] = {}

    def look(self) -> None:
        """Compare the waits of all ranks with those of the last call.

        Raises
        ------
        DeadlockError
            All wait for each other; it says what each rank waits for.
        """
        lines = self._lines.copy()
        running = [rank for rank, line in enumerate(lines) if line[JOB_DONE] != self._job]
        waits = {rank: tuple(lines[rank, WAITS_FOR : WAITS + 1].tolist()) for rank in running}
        looks = {rank: int(lines[rank, LOOKS]) for rank in running}
        if waits != self._waits or not all(what for what, *_ in waits.values()):
            self._waits, self._looks = waits, looks
        # The check that a rank was in at the first look may have begun before: the next one counts.
        elif waits and all(looks[rank] >= self._looks[rank] + 2 for rank in running):
            raise DeadlockError(self._message(waits))

    def _message(self, waits: dict[int, tuple[int, ...]]) -> str:
        said = [f"rank {r} waits for {self._what(r, *w[:2])}" for r, w in waits.items()]
        rest = f"; and {len(said) - _NAMED} more" if len(said) > _NAMED else ""
        left = len(self._lines) - len(waits)
        gone = f"; {left} have returned from the program" if left else ""
        return (
            "expected ranks that go on, all that still run wait for each other: "
            f"{'; '.join(said[:_NAMED])}{rest}{gone}. Let every rank come to the same barriers, "
            "and release what it holds before it waits"
        )

    def _what(self, rank: int, what: int, number: int) -> str:
        if what == LOCK:
            holder = int(self._words[LOCKS + LINE * number]) // 2 - 1
            return f"lock {number}, which rank {holder} holds"
        if what == NOTED:
            text = self._lines[rank, NOTE : NOTE + LINE].tobytes()
            return text.rstrip(b"\0").decode(errors="ignore")
        return {
            BARRIER: "the barrier",
            SEMAPHORE: f"a semaphore of {number}",
            EVENT: f"event {number}",
        }[what]
