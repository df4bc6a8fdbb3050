"""The program of `Team.map`: a function over row ranges, with halo."""

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


class MapOptions(NamedTuple):
    """How rows are assigned to workers and extended beyond the ends.

    With `verify`, the worker with the first rows checks that `f` writes them.
    """

    halo: int = 0
    mode: Mode = "reflect"
    schedule: Schedule = "static"
    block_rows: int | None = None
    verify: bool = False


def map_rows(
    worker: Worker,
    f: Callable[..., object],
    x: NDArray[Any],
    out: NDArray[Any],
    params: tuple[object, ...],
    as_options: tuple[int, Mode, Schedule, int | None, bool],
) -> None:
    """Call ``f(x_rows, out_rows, *params)`` on this worker's rows.

    `as_options` is a `MapOptions` made a plain tuple, which pickles faster.
    """
    options = MapOptions(*as_options)
    expect_shared(out)
    # Plain arrays: numba knows their type by a fast path that subclasses miss (1 us, not 20).
    x, out = x.view(np.ndarray), out.view(np.ndarray)
    # An explicit signature does not allow for read-only arrays and would not match one.
    if not (is_dispatcher(f) and not f._can_compile):
        x.flags.writeable = False
    n = len(x)
    for block in worker.claim_agreed(n, options.block_rows, options.schedule):
        for start, stop in pieces(block, n, options.halo):
            given, rows = extended(x, start, stop, options), out[start:stop]
            returned = f(given, rows, *params)
            if returned is not None:
                check_returned(returned, rows, function_name(f))
            if options.verify and block.start == 0:
                check_written(f, given, rows, params, options.halo, function_name(f))


def function_name(f: Callable[..., object]) -> str:
    """Return the name of a function, for errors."""
    name: str = getattr(f, "__name__", "the function")
    return name


def pieces(block: Rows, n: int, halo: int) -> Iterator[Rows]:
    """Cut a block so that only the few rows at the array's ends need a copy of their halo."""
    low, high = max(block.start, halo), min(block.stop, n - halo)
    if halo == 0 or low >= high:
        yield block
        return
    for piece in (Rows(block.start, low), Rows(low, high), Rows(high, block.stop)):
        if piece.size:
            yield piece


def extended(x: NDArray[Any], start: int, stop: int, options: MapOptions) -> NDArray[Any]:
    """Return rows `start` to `stop` with their halo: a view if the array has it, else a copy."""
    first, end = start - options.halo, stop + options.halo
    if first >= 0 and end <= len(x):
        return x[first:end]
    at = extension(first, end, len(x), options.mode)
    rows = x[at]
    rows[at == CONSTANT] = np.zeros((), x.dtype)
    rows.flags.writeable = x.flags.writeable
    return rows
