"""The program of `Team.map` for several inputs and outputs, and for functions that return rows."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from sharedcompute.shm.shared_array import expect_shared
from sharedcompute.team.messaging.callables import is_dispatcher
from sharedcompute.team.programs.mapping import MapOptions, extended, function_name, pieces
from sharedcompute.team.programs.worker import Worker
from sharedcompute.validation.kernels import check_written
from sharedcompute.validation.returned import check_nothing_returned, store_returned

Array = NDArray[Any]


class CallForm(NamedTuple):
    """How a function is called.

    Parameters
    ----------
    returns : bool
        It returns its rows. Otherwise it fills the outputs, which it gets after the inputs.
    rows : bool
        Its last argument is the number of the first row.
    """

    returns: bool = False
    rows: bool = False


def map_several(
    worker: Worker,
    f: Callable[..., object],
    inputs: tuple[Array, ...],
    outs: tuple[Array, ...],
    params: tuple[object, ...],
    as_options: tuple[tuple[Any, ...], tuple[bool, bool]],
) -> None:
    """Call ``f(*input_rows, *out_rows, *params)`` on this worker's rows.

    `as_options` is a `MapOptions` and a `CallForm` made plain tuples, which pickle faster.
    """
    options, form = MapOptions(*as_options[0]), CallForm(*as_options[1])
    for out in outs:
        expect_shared(out)
    outs = tuple(out.view(np.ndarray) for out in outs)
    inputs = as_read(f, inputs)
    name = function_name(f)
    n = len(inputs[0])
    for block in worker.claim_agreed(n, options.block_rows, options.schedule):
        for start, stop in pieces(block, n, options.halo):
            given = [extended(x, start, stop, options) for x in inputs]
            rows = [out[start:stop] for out in outs]
            last = (*params, start) if form.rows else params
            if form.returns:
                store_returned(f(*given, *last), rows, start, name)
                continue
            check_nothing_returned(f(*given, *rows, *last), rows, name)
            if options.verify and block.start == 0:
                kernel = _OnRows(f, given, start, form.rows)
                numbers = np.arange(len(given[0]))
                check_written(kernel, numbers, rows[0], params, options.halo, name)


def as_read(f: Callable[..., object], inputs: Sequence[Array]) -> tuple[Array, ...]:
    """Return inputs as plain arrays, read-only unless `f` has signatures that do not allow it."""
    plain = tuple(x.view(np.ndarray) for x in inputs)
    if not (is_dispatcher(f) and not f._can_compile):
        for x in plain:
            x.flags.writeable = False
    return plain


@dataclass(frozen=True)
class _OnRows:
    """A function of several inputs as one of a single input: the numbers of its rows."""

    f: Callable[..., object]
    inputs: list[Array]
    start: int
    rows: bool

    def __call__(self, numbers: Array, out: Array, *params: object) -> object:
        first = int(numbers[0])
        given = [x[first : first + len(numbers)] for x in self.inputs]
        return self.f(*given, out, *params, *((self.start + first,) if self.rows else ()))

    @property
    def _can_compile(self) -> bool:
        return bool(getattr(self.f, "_can_compile", True))

    @property
    def py_func(self) -> _OnRows:
        """The same in plain Python."""
        return _OnRows(getattr(self.f, "py_func", self.f), self.inputs, self.start, self.rows)
