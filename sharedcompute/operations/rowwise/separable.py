"""Separable filters: chains of one-dimensional ones, in SciPy's order of axes."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from sharedcompute.errors import InputError
from sharedcompute.kernels import lines as kernels
from sharedcompute.operations.rowwise.lines import (
    WINDOW,
    along_axis,
    axes_of,
    beyond_edges,
    check_window,
    identity,
    line_stage,
    per_axis,
)
from sharedcompute.operations.specs import Array, ArraySpec, Params
from sharedcompute.operations.stages import Stage
from sharedcompute.rows import Mode, extension

Doubles = NDArray[np.float64]

HIGHEST_ORDER = 1000
"""Of a derivative: it is found by matrices of so many rows."""


def gaussian_weights(sigma: float, order: int, truncate: float) -> Array:
    """Return the sampled Gaussian of `scipy.ndimage.gaussian_filter1d`, or its derivative."""
    radius = int(min(truncate * sigma, WINDOW) + 0.5)
    check_window("gaussian", 2 * radius + 1)
    _check_order(order <= HIGHEST_ORDER, order)
    x = np.arange(-radius, radius + 1)
    phi: Doubles = np.exp(-0.5 / (sigma * sigma) * x**2)
    phi = phi / phi.sum()
    if order == 0:
        return phi[::-1].copy()
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


def _correlate(label: str, axis: int, weights: Array, params: Params, spec: ArraySpec) -> Stage:
    radius = len(weights) // 2
    return line_stage(label, kernels.correlate_lines, axis, radius, radius, weights, params, spec)


def gaussian(params: Params, spec: ArraySpec) -> tuple[Stage, ...]:
    """Lower `scipy.ndimage.gaussian_filter` to a stage for each axis."""
    axes = axes_of("gaussian", params, spec)
    sigmas: tuple[float, ...] = per_axis("gaussian", "sigma", params["sigma"], axes)
    orders: tuple[int, ...] = per_axis("gaussian", "order", params["order"], axes)
    return tuple(
        _correlate("gaussian", axis, gaussian_weights(s, o, params["truncate"]), params, spec)
        for axis, s, o in zip(axes, sigmas, orders, strict=True)
        if s > 1e-15
    ) or (identity(spec),)


def uniform(params: Params, spec: ArraySpec) -> tuple[Stage, ...]:
    """Lower `scipy.ndimage.uniform_filter` to a stage for each axis."""
    axes = axes_of("uniform", params, spec)
    sizes: tuple[int, ...] = per_axis("uniform", "size", params["size"], axes)
    check_window("uniform", max(sizes, default=1))
    return tuple(
        line_stage(
            "uniform",
            kernels.uniform_lines,
            axis,
            size // 2,
            size - 1 - size // 2,
            size,
            params,
            spec,
        )
        for axis, size in zip(axes, sizes, strict=True)
        if size > 1
    ) or (identity(spec),)


def sobel(params: Params, spec: ArraySpec) -> tuple[Stage, ...]:
    """Lower `scipy.ndimage.sobel` to a stage for each axis."""
    (axis,) = axes_of("sobel", {"axes": params["axis"]}, spec)
    slope, smooth = np.array([-1.0, 0.0, 1.0]), np.array([1.0, 2.0, 1.0])
    others = [other for other in range(len(spec.shape)) if other != axis]
    return (
        _correlate("sobel", axis, slope, params, spec),
        *(_correlate("sobel smoothing", other, smooth, params, spec) for other in others),
    )


def second_derivatives(x: Array, out: Array, tables: tuple[Array | None, ...], cval: float) -> None:
    """Add up [1, -2, 1] along some axes; `tables` has one per axis, None for axes left out."""
    weights = np.array([1.0, -2.0, 1.0])
    halo = (len(x) - len(out)) // 2
    inner = x[halo : halo + len(out)]
    part = np.empty_like(out)
    first = True
    for axis, table in enumerate(tables):
        if table is None:
            continue
        whole = x if axis == 0 else inner
        along_axis(
            kernels.correlate_lines, axis, whole, out if first else part, weights, table, cval
        )
        if not first:
            with np.errstate(all="ignore"):  # inf - inf is NaN, as in SciPy, and no news
                np.add(out, part, out=out)
        first = False


def laplace(params: Params, spec: ArraySpec) -> tuple[Stage, ...]:
    """Lower `scipy.ndimage.laplace` to one stage."""
    axes = axes_of("laplace", params, spec)
    if not axes:
        raise InputError("laplace: expected at least one axis, got none")
    mode: Mode = params["mode"]
    fill, cval = beyond_edges("laplace", params, spec)
    no_rows = np.zeros(0, dtype=np.int64)  # a range of rows brings its halo along
    tables = tuple(
        None if axis not in axes else (extension(-1, n + 1, n, mode) if axis and n else no_rows)
        for axis, n in enumerate(spec.shape)
    )
    halo = 1 if 0 in axes else 0
    args = (tables, cval)
    return (Stage("laplace", second_derivatives, args, spec.dtype, halo, mode, fill),)
