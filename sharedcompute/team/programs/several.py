"""The program of `Team.map` for several inputs and outputs, and for functions that return rows."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from sharedcompute.errors import InputError
from sharedcompute.shm.shared_array import expect_shared
from sharedcompute.team.messaging.callables import is_dispatcher
from sharedcompute.team.programs.mapping import MapOptions, extended, function_name, pieces
from sharedcompute.team.programs.worker import Worker
from sharedcompute.validation.arrays import plain_array
from sharedcompute.validation.kernels import check_written

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


def as_results(returned: object) -> tuple[object, ...]:
    """Return what a function has returned as several results: a tuple is several, else one."""
    return returned if isinstance(returned, tuple) else (returned,)


def returned_rows(value: object, count: int, start: int, name: str) -> Array:
    """Return a result as an array of `count` rows.

    Raises
    ------
    InputError
        It has another number of rows.
    """
    expected = f"expected {count} rows, as many as it was given from row {start} on"
    if value is None:
        raise InputError(
            f"{name} returned None: {expected}, or a function that fills outputs, which it takes "
            "after its inputs"
        )
    rows = plain_array(value)
    if rows.ndim == 0 or len(rows) != count:
        got = "a single value" if rows.ndim == 0 else f"{len(rows)}"
        raise InputError(f"{name} returned {got}: {expected}")
    return rows


def store_returned(returned: object, outs: Sequence[Array], start: int, name: str) -> None:
    """Copy returned rows to the outputs."""
    results = as_results(returned)
    if len(results) != len(outs):
        raise InputError(
            f"{name} returned {len(results)} results: expected {len(outs)}, one for each output"
        )
    for value, out in zip(results, outs, strict=True):
        rows = returned_rows(value, len(out), start, name)
        if rows.shape != out.shape or not np.can_cast(rows.dtype, out.dtype, "same_kind"):
            raise InputError(
                f"{name} returned rows of shape {rows.shape[1:]} and dtype {rows.dtype} from row "
                f"{start} on: expected {out.shape[1:]} and {out.dtype}, as out has; convert them"
            )
        np.copyto(out, rows, casting="same_kind")


def check_nothing_returned(returned: object, outs: Sequence[Array], name: str) -> None:
    """Refuse a function that returns results, as it has not written them to its outputs."""
    for value in as_results(returned):
        is_out = isinstance(value, np.ndarray) and any(np.may_share_memory(value, o) for o in outs)
        if value is not None and not is_out:
            raise InputError(
                f"{name} returned a value: expected a function that writes into its outputs, which "
                "it takes after its inputs; or omit them from its parameters"
            )


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
