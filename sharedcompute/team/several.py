"""Calls of `Team.map` with several inputs and outputs, or with a function that returns rows."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray

from sharedcompute.errors import InputError
from sharedcompute.rows import Mode, Schedule
from sharedcompute.shm import arrays
from sharedcompute.team.map_arguments import (
    check_map,
    fills,
    input_array,
    is_several,
    native_dtype,
    native_params,
    reachable,
)
from sharedcompute.team.programs.mapping import MapOptions, extended, function_name
from sharedcompute.team.programs.several import CallForm, as_read
from sharedcompute.validation.returned import TRIED, as_results, returned_rows

Array = NDArray[Any]


@dataclass(frozen=True)
class Several:
    """A checked call.

    Parameters
    ----------
    f : callable
    inputs, results : tuple of ndarray
        In shared memory and native byte order.
    targets : tuple of ndarray
        The arrays of the caller, which get the results; the same ones if they are shared.
    params : tuple
    options : MapOptions
    form : CallForm
    as_tuple : bool
        The caller gets a tuple.
    """

    f: Callable[..., Any]
    inputs: tuple[Array, ...]
    results: tuple[Array, ...]
    targets: tuple[Array, ...]
    params: tuple[object, ...]
    options: MapOptions
    form: CallForm
    as_tuple: bool

    @property
    def kinds(self) -> tuple[np.dtype[Any], ...]:
        """The dtypes of the inputs."""
        return tuple(x.dtype for x in self.inputs)

    @property
    def filled(self) -> tuple[Array, ...]:
        """The outputs that `f` is called with."""
        return () if self.form.returns else self.results

    @property
    def others(self) -> tuple[object, ...]:
        """The arguments behind inputs and outputs."""
        return (*self.params, 0) if self.form.rows else self.params

    def message(self, verify: bool) -> tuple[object, ...]:
        """Return the arguments of the program `map_several`; with `verify`, it checks writing."""
        needed = verify and not self.form.returns
        options = (tuple(self.options._replace(verify=needed)), tuple(self.form))
        return self.f, self.inputs, self.results, self.params, options

    def done(self) -> Array | tuple[Array, ...]:
        """Return the results, where the caller wants them."""
        for target, result in zip(self.targets, self.results, strict=True):
            if result is not target:
                np.copyto(target, result)
        return self.targets if self.as_tuple else self.targets[0]


def several(
    f: Callable[..., Any],
    x: Any,
    out: Any,
    params: tuple[object, ...],
    cut: tuple[int, Mode, Schedule, int | None],
    rows: bool,
) -> Several:
    """Check a call, and make the outputs that it lacks. The arguments are those of `Team.map`.

    Raises
    ------
    InputError
        The arguments do not fit each other, or `f` returns no rows.
    """
    sources = tuple(map(input_array, x)) if is_several(x) else (input_array(x),)
    as_tuple = isinstance(out, tuple | list)
    outs = tuple(out) if as_tuple else (out,)
    if not outs or (as_tuple and any(each is None for each in outs)):
        raise InputError(f"expected arrays as outputs, got {out!r}; omit out for new ones")
    for source, each in itertools.product(sources, outs):
        check_map(f, source, each, cut)
    _check_fit(sources, outs)
    form = CallForm(
        not fills(f, len(sources), len(outs) * (out is not None), len(params) + rows), rows
    )
    inputs, native, options = (
        tuple(map(reachable, sources)),
        native_params(params),
        MapOptions(*cut),
    )
    if out is None and form.returns:
        outs, as_tuple = _tried(f, inputs, native, options, form)
    elif out is None:
        outs = (arrays.empty(sources[0].shape, native_dtype(sources[0])),)
    results = tuple(map(reachable, outs))
    return Several(f, inputs, results, outs, native, options, form, as_tuple)


def _check_fit(inputs: tuple[Array, ...], outs: tuple[Any, ...]) -> None:
    n = len(inputs[0])
    for x in inputs:
        if len(x) != n:
            raise InputError(
                f"expected inputs with the same number of rows, got {n} and {len(x)}; give the "
                "rows that belong together"
            )
    for a, b in itertools.combinations(outs, 2):
        if _overlap(a, b):
            raise InputError(
                "expected outputs apart from each other, they share memory; give another array"
            )


def _overlap(a: Array, b: Array) -> bool:
    """Return whether elements of two arrays share memory; columns of one array do not."""
    try:
        return bool(np.shares_memory(a, b, max_work=cast(Any, 10_000)))
    except np.exceptions.TooHardError:
        return True


def _tried(
    f: Callable[..., Any],
    inputs: tuple[Array, ...],
    params: tuple[object, ...],
    options: MapOptions,
    form: CallForm,
) -> tuple[tuple[Array, ...], bool]:
    """Call `f` on the first rows; return new arrays for its results, and whether it has several."""
    n = len(inputs[0])
    count = min(TRIED, n)
    given = [
        extended(x, 0, count, options) if n else np.zeros((2 * options.halo, *x.shape[1:]), x.dtype)
        for x in as_read(f, inputs)
    ]
    # It warns of these rows when they are computed.
    with np.errstate(all="ignore"):
        returned = f(*given, *params, *((0,) if form.rows else ()))
    name = function_name(f)
    found = [returned_rows(each, count, 0, name) for each in as_results(returned)]
    if not found:
        raise InputError(f"{name} returned no result: expected rows, or a tuple of them")
    outs = tuple(arrays.empty((n, *rows.shape[1:]), native_dtype(rows)) for rows in found)
    return outs, isinstance(returned, tuple)
