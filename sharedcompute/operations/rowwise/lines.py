"""Filters along one axis: what all stencils share, and the stage that runs a kernel along lines.

Axes, modes and window sizes are `scipy.ndimage`'s. The stage along axis 0 has a halo; the others
have a table of where each line continues beyond its edges.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Sequence
from typing import TypeVar

import numpy as np

from sharedcompute.errors import InputError
from sharedcompute.operations.kinds import choice, digits, integer, sequence
from sharedcompute.operations.parameters import Parameter
from sharedcompute.operations.rowwise.elementwise import convert, exactly
from sharedcompute.operations.specs import Array, ArraySpec, Kernel, Params, Scalar
from sharedcompute.operations.stages import Stage
from sharedcompute.rows import MODES, Mode, extension

T = TypeVar("T")
Lead = int | Array
"""Of a kernel: the length of its window, or the weights."""

WINDOW = 2**24
"""Elements of a filter's window at most: its tables would take more memory than any block."""

AXES = Parameter("axes", sequence(integer), "the axes to filter along (default: all)", None)
AXIS = Parameter("axis", integer, "the axis of the derivative", -1)
MODE = Parameter("mode", choice(*MODES), "how edges are extended", "reflect")
CVAL = Parameter("cval", digits, "the value beyond the edges in mode constant", 0.0)


def axes_of(name: str, params: Params, spec: ArraySpec) -> tuple[int, ...]:
    """Return the axes to filter along, from zero on.

    Raises
    ------
    InputError
        There is no such axis, or one is named twice.
    """
    ndim = len(spec.shape)
    given: int | tuple[int, ...] | None = params["axes"]
    every = range(ndim) if given is None else given
    chosen: Sequence[int] = (every,) if isinstance(every, int) else every
    for axis in chosen:
        if not -ndim <= axis < ndim:
            raise InputError(f"{name}: axis {axis} is not one of the {ndim} axes of {spec.shape}")
    result = tuple(axis % ndim for axis in chosen)
    if len(set(result)) != len(result):
        raise InputError(f"{name}: expected different axes, got {tuple(chosen)}")
    return result


def per_axis(
    name: str, what: str, value: T | tuple[T, ...], axes: tuple[int, ...]
) -> tuple[T, ...]:
    """Return a value for each axis, from one for all or from as many."""
    values: tuple[T, ...] = value if isinstance(value, tuple) else (value,) * len(axes)
    if len(values) != len(axes):
        raise InputError(f"{name}: expected {len(axes)} values of {what}, one per axis: {value}")
    return values


def check_window(name: str, elements: int) -> None:
    """Refuse a window of too many elements."""
    if elements > WINDOW:
        raise InputError(
            f"{name}: expected a window of at most {WINDOW} elements, got more: make it smaller"
        )


def beyond_edges(label: str, params: Params, spec: ArraySpec) -> tuple[Scalar, float]:
    """Return the value beyond the edges, in the dtype of the data and in double precision.

    SciPy's filters take the latter. Rows along axis 0 hold the former. 0 where no mode asks for it.
    """
    if params["mode"] != "constant":
        return spec.dtype.type(0), 0.0
    fill = exactly(f"{label}: cval", params["cval"], spec.dtype)
    return fill, float(params["cval"])


def _lines(x: Array, axis: int, length: int) -> Array:
    """Return `x` as (outer, length, inner) around `axis`, without a copy."""
    return x.reshape(math.prod(x.shape[:axis]), length, math.prod(x.shape[axis + 1 :]))


def along_axis(
    kernel: Kernel, axis: int, x: Array, out: Array, lead: Lead, table: Array, cval: float
) -> None:
    """Run a line kernel along one axis of a range of rows.

    Along axis 0 `x` brings its halo along, so the table that says where a line continues is the
    identity; along the others it is the last-but-one argument, made when the plan was.
    """
    if axis == 0:
        taps = lead if isinstance(lead, int) else len(lead)
        table = np.arange(len(out) + taps - 1, dtype=np.int64)
    made: Array = out
    if out.dtype == np.bool_:
        # SciPy cuts off the fraction and then asks for truth: a mean of 0.9 is false.
        made = np.empty(out.shape, np.int8)
    elif out.dtype.kind == "u" and out.itemsize >= 4:
        made = np.empty(out.shape)
    elif out.dtype.kind in "iu" and out.itemsize <= 2:
        # Doubles to 16 bits at once: to LLVM what does not fit is anything, and not the low bits.
        made = np.empty(out.shape, np.int32)
    kernel(_lines(x, axis, x.shape[axis]), _lines(made, axis, out.shape[axis]), lead, table, cval)
    if made is not out:
        convert(made, out)


def line_stage(
    label: str,
    kernel: Kernel,
    axis: int,
    before: int,
    after: int,
    lead: Lead,
    params: Params,
    spec: ArraySpec,
) -> Stage:
    """Return a stage that filters along `axis` with `before` and `after` neighbours."""
    mode: Mode = params["mode"]
    fill, cval = beyond_edges(label, params, spec)
    halo = max(before, after) if axis == 0 else 0
    table = np.zeros(0, dtype=np.int64)
    if axis > 0 and spec.shape[axis]:
        n = spec.shape[axis]
        table = extension(-before, n + after, n, mode)
    return Stage(
        f"{label} along axis {axis}",
        functools.partial(along_axis, kernel, axis),
        (lead, table, cval),
        spec.dtype,
        halo,
        mode,
        fill,
    )


def identity(spec: ArraySpec) -> Stage:
    """Return the stage of a filter that no axis takes part in."""
    return Stage("identity", copy_rows, (), spec.dtype)


def copy_rows(x: Array, out: Array) -> None:
    """Copy the rows."""
    np.copyto(out, x)
