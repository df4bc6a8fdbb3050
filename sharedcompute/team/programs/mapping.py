"""The program behind `Team.map`: a function over row ranges, with halo."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from sharedcompute.rows import CONSTANT, Mode, Rows, Schedule, extension
from sharedcompute.shm.shared_array import expect_shared
from sharedcompute.team.messaging.callables import is_dispatcher
from sharedcompute.team.programs.worker import Worker
from sharedcompute.validation.kernels import check_returned, check_written


class Cut(NamedTuple):
    """How the rows are dealt out and extended.

    With `judge` who has the first rows looks whether `f` writes them.
    """

    halo: int = 0
    mode: Mode = "reflect"
    schedule: Schedule = "static"
    block_rows: int | None = None
    judge: bool = False


def map_rows(
    worker: Worker,
    f: Callable[..., Any],
    x: NDArray[Any],
    out: NDArray[Any],
    params: tuple[Any, ...],
    as_cut: tuple[int, Mode, Schedule, int | None, bool],
) -> None:
    """Call ``f(x_rows, out_rows, *params)`` on this worker's rows.

    `as_cut` is a `Cut` made a plain tuple, which pickles faster.
    """
    cut = Cut(*as_cut)
    expect_shared(out)
    # Plain arrays: numba knows their type by a fast path that subclasses miss (1 us, not 20).
    x, out = x.view(np.ndarray), out.view(np.ndarray)
    # An explicit signature says nothing of read-only arrays and would not match one.
    if not (is_dispatcher(f) and not f._can_compile):  # type: ignore[attr-defined]
        x.flags.writeable = False
    n = len(x)
    for block in worker.agreed(n, cut.block_rows, cut.schedule):
        for start, stop in pieces(block, n, cut.halo):
            given, rows = extended(x, start, stop, cut), out[start:stop]
            returned = f(given, rows, *params)
            if returned is not None:
                check_returned(returned, rows, name_of(f))
            if cut.judge and block.start == 0:
                check_written(f, given, rows, params, cut.halo, name_of(f))


def name_of(f: Callable[..., Any]) -> str:
    """What errors call a function."""
    return getattr(f, "__name__", "the function")


def pieces(block: Rows, n: int, halo: int) -> Iterator[Rows]:
    """Cut a block so that only the few rows at the array's ends need a copy of their halo."""
    low, high = max(block.start, halo), min(block.stop, n - halo)
    if halo == 0 or low >= high:
        yield block
        return
    for piece in (Rows(block.start, low), Rows(low, high), Rows(high, block.stop)):
        if piece.size:
            yield piece


def extended(x: NDArray[Any], start: int, stop: int, cut: Cut) -> NDArray[Any]:
    """Rows `start` to `stop` with their halo: a view where the array has it, else a copy."""
    first, end = start - cut.halo, stop + cut.halo
    if first >= 0 and end <= len(x):
        return x[first:end]
    at = extension(first, end, len(x), cut.mode)
    rows = x[at]
    rows[at == CONSTANT] = np.zeros((), x.dtype)
    rows.flags.writeable = x.flags.writeable
    return rows
