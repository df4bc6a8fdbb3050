"""The claims of one rank during one program: which blocks of rows it works on next."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from functools import partial
from typing import Literal

from sharedcompute.rows import Blocks, Rows, Schedule, share
from sharedcompute.sync import Control
from sharedcompute.sync.claims import check_blocks, check_steal

_FIRST = 64
"""The first block that is measured is this part of a static share."""
_BLOCK_SECONDS = 2e-3
"""What a block should take: 500 times what a claim costs in Python, and so little that the last
blocks end close to each other."""


class RowClaims:
    """The claims of a rank, numbered from 1 in the order of the calls: see `Worker.claim`."""

    def __init__(self, control: Control) -> None:
        self._control = control
        self._rank = control.block.rank
        self._claims = 0
        self._steals = 0

    def claim(
        self, n: int, block_rows: int | Literal["auto"] | None, schedule: Schedule
    ) -> Iterator[Rows]:
        """Check that all ranks claim alike, then iterate over the blocks of this one.

        Raises
        ------
        InputError
            Another rank claims other rows, in other blocks or by another schedule.
        """
        self._control.agree(self._claims + 1, n, block_rows, schedule)
        return self.claim_agreed(n, block_rows, schedule)

    def claim_agreed(
        self, n: int, block_rows: int | Literal["auto"] | None, schedule: Schedule
    ) -> Iterator[Rows]:
        """Iterate as `claim`, where all ranks are known to claim alike."""
        # Here and not in a generator, so that the order of the calls numbers the claims.
        self._claims += 1
        number, size = self._claims, self._control.size
        if block_rows == "auto":
            check_blocks(n)
            return self._adaptive(n, number)
        if schedule == "static":
            return self._hold(self._static(n, block_rows))
        blocks = Blocks(n, block_rows or max(1, n // (8 * size)))
        if schedule == "stealing":
            self._steals += 1
            check_steal(self._steals, len(blocks))
            return self._dynamic(blocks, partial(self._control.claim_or_steal, self._steals))
        check_blocks(len(blocks))
        guided = schedule == "guided"
        return self._dynamic(blocks, partial(self._control.claim, number, guided=guided))

    def _static(self, n: int, block_rows: int | None) -> list[Rows]:
        if block_rows is None:
            own = share(n, self._control.size, self._rank)
            return [own] if own.size else []
        blocks = Blocks(n, block_rows)
        return [blocks[k] for k in range(*share(len(blocks), self._control.size, self._rank))]

    def _hold(self, blocks: list[Rows]) -> Iterator[Rows]:
        for block in blocks:
            self._control.check()
            self._control.at(*block)
            yield block

    def _dynamic(self, blocks: Blocks, claim: Callable[[int], tuple[int, int]]) -> Iterator[Rows]:
        while True:
            first, end = claim(len(blocks))
            if first == end:
                return
            yield from self._hold([blocks[k] for k in range(first, end)])

    def _adaptive(self, n: int, number: int) -> Iterator[Rows]:
        """Measure each block, and claim as many rows next as take `_BLOCK_SECONDS`."""
        most = max(1, n // (_FIRST * self._control.size))
        while True:
            start, stop = self._control.claim_up_to(number, n, most)
            if start == stop:
                return
            began = time.perf_counter()
            yield from self._hold([Rows(start, stop)])
            seconds = time.perf_counter() - began
            # At most eight times more at a time: a clock's grain, or one cheap row, may mislead.
            most = max(1, min(8 * (stop - start), int(_BLOCK_SECONDS / seconds * (stop - start))))
