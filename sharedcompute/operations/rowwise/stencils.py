"""Stencils: `scipy.ndimage`'s filters with its names, modes and results.

A separable filter is lowered to a chain of one-dimensional stages, one per axis, in SciPy's
order and with SciPy's intermediate dtype. The stage along axis 0 has a halo; the others have not.
"""

from __future__ import annotations

import functools
import math
from typing import Any

import numpy as np

from sharedcompute.errors import InputError
from sharedcompute.kernels import lines, windows
from sharedcompute.operations.declarations import Map
from sharedcompute.operations.keys import from_keys, to_keys
from sharedcompute.operations.kinds import (
    choice,
    count,
    digits,
    integer,
    not_negative,
    order,
    positive,
    sequence,
)
from sharedcompute.operations.parameters import Parameter
from sharedcompute.operations.rowwise.elementwise import convert, exactly
from sharedcompute.operations.specs import Array, ArraySpec, Params
from sharedcompute.operations.stages import Stage
from sharedcompute.rows import CONSTANT, MODES, extension

BISECTED = 25
"""Elements in a window, for each byte of one, from which on bisecting keys beats sorting: measured
for 1, 2 and 4 bytes. For 8 bytes it never did."""

WINDOW = 2**24
"""Elements of a filter's window at most: its tables would take more memory than any block."""

HIGHEST_ORDER = 1000
"""Of a derivative: it is found by matrices of so many rows."""

AXES = Parameter("axes", sequence(integer), "the axes to filter along (default: all)", None)
AXIS = Parameter("axis", integer, "the axis of the derivative", -1)
MODE = Parameter("mode", choice(*MODES), "how edges are extended", "reflect")
CVAL = Parameter("cval", digits, "the value beyond the edges in mode constant", 0.0)


def _axes(name: str, params: Params, spec: ArraySpec) -> tuple[int, ...]:
    ndim = len(spec.shape)
    given = params["axes"]
    chosen = range(ndim) if given is None else (given,) if isinstance(given, int) else given
    for axis in chosen:
        if not -ndim <= axis < ndim:
            raise InputError(f"{name}: axis {axis} is not one of the {ndim} axes of {spec.shape}")
    result = tuple(axis % ndim for axis in chosen)
    if len(set(result)) != len(result):
        raise InputError(f"{name}: expected different axes, got {tuple(chosen)}")
    return result


def _per_axis(name: str, what: str, value: Any, axes: tuple[int, ...]) -> tuple[Any, ...]:
    values = value if isinstance(value, tuple) else (value,) * len(axes)
    if len(values) != len(axes):
        raise InputError(f"{name}: expected {len(axes)} values of {what}, one per axis: {value}")
    return values


def _lines(x: Array, axis: int, length: int) -> Array:
    """`x` as (outer, length, inner) around `axis`, without a copy."""
    return x.reshape(math.prod(x.shape[:axis]), length, math.prod(x.shape[axis + 1 :]))


def along_axis(kernel: Any, axis: int, x: Array, out: Array, *args: Any) -> None:
    """Run a line kernel along one axis of a range of rows.

    Along axis 0 `x` brings its halo along, so the table that says where a line continues is the
    identity; along the others it is the last-but-one argument, made when the plan was.
    """
    lead, table, cval = args
    if axis == 0:
        taps = lead if isinstance(lead, int) else len(lead)
        table = np.arange(len(out) + taps - 1, dtype=np.int64)
    made = out
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


def _line_stage(
    label: str,
    kernel: Any,
    axis: int,
    before: int,
    after: int,
    lead: Any,
    params: Params,
    spec: ArraySpec,
) -> Stage:
    """A stage that filters along `axis` with `before` and `after` neighbours."""
    mode, (fill, cval) = params["mode"], _beyond(label, params, spec)
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


def gaussian_weights(sigma: float, order: int, truncate: float) -> Array:
    """The sampled Gaussian of `scipy.ndimage.gaussian_filter1d`, or its derivative."""
    radius = int(min(truncate * sigma, WINDOW) + 0.5)
    _check_window("gaussian", 2 * radius + 1)
    _check_order(order <= HIGHEST_ORDER, order)
    x = np.arange(-radius, radius + 1)
    phi = np.exp(-0.5 / (sigma * sigma) * x**2)
    phi = phi / phi.sum()
    if order == 0:
        smooth: Array = phi[::-1].copy()
        return smooth
    # f(x) = q(x) * phi(x), and q'(x) follows from q by a matrix; see SciPy's _gaussian_kernel1d.
    q = np.zeros(order + 1)
    q[0] = 1
    step = np.diag(np.arange(1, order + 1), 1) + np.diag(np.ones(order) / -(sigma * sigma), -1)
    with np.errstate(all="ignore"):
        for _ in range(order):
            q = step.dot(q)
        weights: Array = (np.power.outer(x, np.arange(order + 1)).dot(q) * phi)[::-1].copy()
    _check_order(bool(np.isfinite(weights).all()), order)
    return weights


def _check_order(held: bool, order: int) -> None:
    if not held:
        raise InputError(f"gaussian: order {order} is beyond double precision: choose a lower one")


def _check_window(name: str, elements: int) -> None:
    if elements > WINDOW:
        raise InputError(
            f"{name}: expected a window of at most {WINDOW} elements, got more: make it smaller"
        )


def _correlate(label: str, axis: int, weights: Array, params: Params, spec: ArraySpec) -> Stage:
    radius = len(weights) // 2
    return _line_stage(label, lines.correlate_lines, axis, radius, radius, weights, params, spec)


def _gaussian(params: Params, spec: ArraySpec) -> tuple[Stage, ...]:
    axes = _axes("gaussian", params, spec)
    sigmas = _per_axis("gaussian", "sigma", params["sigma"], axes)
    orders = _per_axis("gaussian", "order", params["order"], axes)
    return tuple(
        _correlate("gaussian", axis, gaussian_weights(s, o, params["truncate"]), params, spec)
        for axis, s, o in zip(axes, sigmas, orders, strict=True)
        if s > 1e-15
    ) or (_identity(spec),)


def _uniform(params: Params, spec: ArraySpec) -> tuple[Stage, ...]:
    axes = _axes("uniform", params, spec)
    sizes = _per_axis("uniform", "size", params["size"], axes)
    _check_window("uniform", max(sizes, default=1))
    return tuple(
        _line_stage(
            "uniform",
            lines.uniform_lines,
            axis,
            size // 2,
            size - 1 - size // 2,
            size,
            params,
            spec,
        )
        for axis, size in zip(axes, sizes, strict=True)
        if size > 1
    ) or (_identity(spec),)


def _identity(spec: ArraySpec) -> Stage:
    """What is left of a filter that no axis takes part in."""
    return Stage("identity", copy_rows, (), spec.dtype)


def copy_rows(x: Array, out: Array) -> None:
    """The rows as they are."""
    np.copyto(out, x)


def _sobel(params: Params, spec: ArraySpec) -> tuple[Stage, ...]:
    (axis,) = _axes("sobel", {"axes": params["axis"]}, spec)
    slope, smooth = np.array([-1.0, 0.0, 1.0]), np.array([1.0, 2.0, 1.0])
    others = [other for other in range(len(spec.shape)) if other != axis]
    return (
        _correlate("sobel", axis, slope, params, spec),
        *(_correlate("sobel smoothing", other, smooth, params, spec) for other in others),
    )


def second_derivatives(x: Array, out: Array, tables: tuple[Array, ...], cval: float) -> None:
    """The sum of [1, -2, 1] along some axes; `tables` has one per axis, None for axes left out."""
    weights = np.array([1.0, -2.0, 1.0])
    halo = (len(x) - len(out)) // 2
    inner = x[halo : halo + len(out)]
    part = np.empty_like(out)
    first = True
    for axis, table in enumerate(tables):
        if table is None:
            continue
        whole = x if axis == 0 else inner
        along_axis(lines.correlate_lines, axis, whole, out if first else part, weights, table, cval)
        if not first:
            with np.errstate(all="ignore"):  # inf - inf is NaN, as in SciPy, and no news
                np.add(out, part, out=out)
        first = False


def _laplace(params: Params, spec: ArraySpec) -> tuple[Stage, ...]:
    axes = _axes("laplace", params, spec)
    if not axes:
        raise InputError("laplace: expected at least one axis, got none")
    mode, (fill, cval) = params["mode"], _beyond("laplace", params, spec)
    no_rows = np.zeros(0, dtype=np.int64)  # a range of rows brings its halo along
    tables = tuple(
        None if axis not in axes else (extension(-1, n + 1, n, mode) if axis and n else no_rows)
        for axis, n in enumerate(spec.shape)
    )
    halo = 1 if 0 in axes else 0
    args = (tables, cval)
    return (Stage("laplace", second_derivatives, args, spec.dtype, halo, mode, fill),)


def rank_filter(x: Array, out: Array, size: tuple[int, ...], tables: Any, fill: Any) -> None:
    """The element of middle rank of each window of `size`; `x` brings the halo of axis 0."""
    # SciPy centres a window of even size half a step early, so the last row of the halo is unused.
    padded = x[: len(out) + size[0] - 1]
    for axis, table in enumerate(tables[1:], start=1):
        if size[axis] > 1:
            taken = np.take(padded, table, axis=axis)  # CONSTANT, -1, takes the last: mended next
            if (table == CONSTANT).any():
                where: list[Any] = [slice(None)] * x.ndim
                where[axis] = table == CONSTANT
                taken[tuple(where)] = fill
            padded = taken
    padded = np.ascontiguousarray(padded)
    strides = np.array(padded.strides, dtype=np.int64) // padded.itemsize
    steps = [np.arange(n) * s for n, s in zip(size, strides.tolist(), strict=True)]
    offsets = functools.reduce(np.add.outer, steps).reshape(-1).astype(np.int64)
    shape, rank = np.array(out.shape, dtype=np.int64), len(offsets) // 2
    if padded.itemsize <= 4 and len(offsets) > BISECTED * padded.itemsize:
        found = np.empty(out.shape, f"u{padded.itemsize}")
        keys = to_keys(padded)
        windows.rank_keys(keys.reshape(-1), found.reshape(-1), offsets, shape, strides, rank)
        out[...] = from_keys(found, out.dtype)
        return
    windows.rank_window(padded.reshape(-1), out.reshape(-1), offsets, shape, strides, rank)


def _median(params: Params, spec: ArraySpec) -> tuple[Stage, ...]:
    axes = _axes("median", params, spec)
    chosen = dict(zip(axes, _per_axis("median", "size", params["size"], axes), strict=True))
    size = tuple(chosen.get(axis, 1) for axis in range(len(spec.shape)))
    _check_window("median", math.prod(size))
    mode, (fill, _) = params["mode"], _beyond("median", params, spec)
    # None for rows: a range of them brings its halo along, and there may be billions.
    tables = (
        None,
        *(
            extension(-(s // 2), n + s - 1 - s // 2, n, mode) if n else np.zeros(0, dtype=np.int64)
            for s, n in zip(size[1:], spec.shape[1:], strict=True)
        ),
    )
    args = (size, tables, fill)
    # Padded along two axes at a time; then the keys, and those found.
    return (Stage("median", rank_filter, args, spec.dtype, size[0] // 2, mode, fill, copies=3),)


def _beyond(label: str, params: Params, spec: ArraySpec) -> tuple[Any, float]:
    """The value beyond the edges, in the dtype of the data and in double precision.

    SciPy's filters take the latter. Rows along axis 0 hold the former. 0 where no mode asks for it.
    """
    if params["mode"] != "constant":
        return spec.dtype.type(0), 0.0
    fill = exactly(f"{label}: cval", params["cval"], spec.dtype)
    return fill, float(params["cval"])


STENCILS: tuple[Map, ...] = (
    Map(
        "gaussian",
        kinds="biuf",
        summary="Gaussian smoothing, as scipy.ndimage.gaussian_filter",
        parameters=(
            Parameter("sigma", sequence(not_negative), "standard deviation in elements"),
            Parameter("order", sequence(order), "order of the derivative", 0),
            AXES,
            MODE,
            CVAL,
            Parameter("truncate", positive, "radius in standard deviations", 4.0),
        ),
        build=_gaussian,
    ),
    Map(
        "uniform",
        kinds="biuf",
        summary="mean over a window, as scipy.ndimage.uniform_filter",
        parameters=(
            Parameter("size", sequence(count), "elements in the window", 3),
            AXES,
            MODE,
            CVAL,
        ),
        build=_uniform,
    ),
    Map(
        "median",
        kinds="biuf",
        summary="median over a window, as scipy.ndimage.median_filter",
        parameters=(
            Parameter("size", sequence(count), "elements in the window", 3),
            AXES,
            MODE,
            CVAL,
        ),
        build=_median,
    ),
    Map(
        "sobel",
        kinds="biuf",
        summary="Sobel derivative, as scipy.ndimage.sobel",
        parameters=(AXIS, MODE, CVAL),
        build=_sobel,
        units="difference",
    ),
    Map(
        "laplace",
        kinds="biuf",
        summary="Laplace filter of second derivatives, as scipy.ndimage.laplace",
        parameters=(AXES, MODE, CVAL),
        build=_laplace,
        units="difference",
    ),
)
