"""NumPy's functions on lazy arrays, with NumPy's arguments: what each of them is as a node.

An argument that is missing here has no lazy form; a call with it is computed at once.
"""

from __future__ import annotations

import operator
from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType
from typing import Any, SupportsIndex

import numpy as np
from numpy.lib.array_utils import normalize_axis_index
from numpy.typing import DTypeLike

from sharedcompute.api.lazy import (
    choosing,
    elementwise,
    indexing,
    products,
    reductions,
    scans,
    shapes,
    weighing,
)
from sharedcompute.api.lazy.elementwise import call
from sharedcompute.api.lazy.operands import Operand, node_of
from sharedcompute.api.lazy.plain_reductions import Axes, axes_of
from sharedcompute.errors import InputError
from sharedcompute.graph.node import Node
from sharedcompute.operations.specs import Array, DType

Nodes = Sequence[object]


def _reduction(name: str, skipna: bool = False) -> Callable[..., Node]:
    def function(
        a: object,
        axis: Axes = None,
        dtype: DTypeLike | None = None,
        out: None = None,
        keepdims: bool = False,
        *,
        where: object = True,
    ) -> Node:
        """Return a reduction along some axes."""
        del out
        return reductions.reduce(
            name, node_of(a), axis, dtype=dtype, keepdims=keepdims, where=where, skipna=skipna
        )

    return function


def _deviation(name: str, skipna: bool = False) -> Callable[..., Node]:
    def function(
        a: object,
        axis: Axes = None,
        dtype: DTypeLike | None = None,
        out: None = None,
        ddof: float = 0,
        keepdims: bool = False,
        *,
        where: object = True,
        correction: float | None = None,
    ) -> Node:
        """Return a variance or a standard deviation along some axes."""
        del out
        return reductions.reduce(
            name,
            node_of(a),
            axis,
            dtype=dtype,
            keepdims=keepdims,
            where=where,
            ddof=ddof if correction is None else correction,
            skipna=skipna,
        )

    return function


def _place(name: str, skipna: bool = False) -> Callable[..., Node]:
    def function(a: object, axis: Axes = None, out: None = None, keepdims: bool = False) -> Node:
        """Return where the least or the greatest element is along an axis."""
        del out
        return reductions.reduce(name, node_of(a), axis, keepdims=keepdims, skipna=skipna)

    return function


def _end(name: str, skipna: bool = False) -> Callable[..., Node]:
    def function(
        a: object,
        axis: Axes = None,
        out: None = None,
        keepdims: bool = False,
        initial: object = None,
        where: object = True,
    ) -> Node:
        """Return the least or the greatest element along some axes."""
        del out
        return choosing.extreme(
            name,
            node_of(a),
            axis,
            keepdims=keepdims,
            initial=initial,
            where=where,
            skipna=skipna,
        )

    return function


def _test(name: str) -> Callable[..., Node]:
    def function(
        a: object,
        axis: Axes = None,
        out: None = None,
        keepdims: bool = False,
        *,
        where: object = True,
    ) -> Node:
        """Return whether any or all elements along some axes are true."""
        del out
        return reductions.reduce(name, node_of(a), axis, keepdims=keepdims, where=where)

    return function


def _scan(name: str) -> Callable[..., Node]:
    def function(
        a: object,
        axis: SupportsIndex | None = None,
        dtype: DTypeLike | None = None,
        out: None = None,
    ) -> Node:
        """Return what accumulates along an axis."""
        del out
        return scans.scan(name, node_of(a), axis, dtype)

    return function


def _cumulative(name: str) -> Callable[..., Node]:
    def function(
        x: object,
        /,
        *,
        axis: SupportsIndex | None = None,
        dtype: DTypeLike | None = None,
        include_initial: bool = False,
    ) -> Node:
        """Return what accumulates along an axis, as the Array API has it."""
        node = node_of(x)
        if axis is None and len(node.spec.shape) != 1:
            raise ValueError(f"axis: expected one of the axes of shape {node.spec.shape}, got none")
        at = normalize_axis_index(0 if axis is None else operator.index(axis), len(node.spec.shape))
        made = scans.scan(name, node, at, dtype)
        if not include_initial:
            return made
        sides = tuple(1 if a == at else n for a, n in enumerate(node.spec.shape))
        first = np.full(sides, name == "cumprod", made.spec.dtype)
        return shapes.concatenate([node_of(first), made], at)

    return function


def _where(condition: object, x: object, y: object) -> Node:
    return call("where", condition, x, y)


def _select(condlist: Nodes, choicelist: Nodes, default: object = 0) -> Node:
    return elementwise.chosen(
        [node_of(c) for c in condlist], [node_of(c) for c in choicelist], node_of(default)
    )


def _average(
    a: object,
    axis: Axes = None,
    weights: object = None,
    returned: bool = False,
    *,
    keepdims: bool = False,
) -> Node | tuple[Node, Node] | None:
    node = node_of(a)
    given = np.ones((), node.spec.dtype) if weights is None else weights
    if weights is None and not returned:
        return reductions.reduce("mean", node, axis, keepdims=keepdims)
    if weights is None:
        given = np.ones(node.spec.shape, node.spec.dtype)
    found, total = weighing.average(node, axis, node_of(given), keepdims)
    if not returned:
        return found
    return (found, total) if found.spec == total.spec else None


def _spread(a: object, axis: Axes = None, out: None = None, keepdims: bool = False) -> Node:
    del out
    return reductions.spread(node_of(a), axis, keepdims)


def _nonzero(a: object, axis: Axes = None, *, keepdims: bool = False) -> Node:
    return reductions.nonzero(node_of(a), axis, keepdims)


def _clip(
    a: object,
    a_min: object = None,
    a_max: object = None,
    out: None = None,
    *,
    min: object = None,
    max: object = None,
) -> Node:
    del out
    low, high = (a_min if min is None else min), (a_max if max is None else max)
    return elementwise.clipped(node_of(a), low, high)


def _round(a: object, decimals: int = 0, out: None = None) -> Node:
    del out
    return elementwise.rounded(node_of(a), decimals)


def _close(
    a: object, b: object, rtol: float = 1e-5, atol: float = 1e-8, equal_nan: bool = False
) -> Node:
    return elementwise.close(node_of(a), node_of(b), rtol, atol, equal_nan)


def _nan_to_num(
    x: object,
    copy: bool = True,
    nan: float = 0.0,
    posinf: float | None = None,
    neginf: float | None = None,
) -> Node:
    del copy
    return elementwise.nan_to_num(node_of(x), nan, posinf, neginf)


def _real(val: object) -> Node:
    return elementwise.part("real", node_of(val))


def _imag(val: object) -> Node:
    return elementwise.part("imag", node_of(val))


def _astype(x: object, dtype: DTypeLike, /, *, copy: bool = True, device: object = None) -> Node:
    del copy, device
    return elementwise.astype(node_of(x), np.dtype(dtype))


def _copy(a: object, order: str = "K", subok: bool = False) -> Node:
    del order, subok
    return node_of(a)


def _expand_dims(a: object, axis: shapes.Axes) -> Node:
    return shapes.expand_dims(node_of(a), axis)


def _squeeze(a: object, axis: shapes.Axes | None = None) -> Node:
    return shapes.squeeze(node_of(a), axis)


def _reshape(a: object, /, shape: int | Sequence[int]) -> Node:
    return shapes.reshape(node_of(a), shape)


def _ravel(a: object) -> Node:
    return shapes.reshape(node_of(a), -1)


def _moveaxis(a: object, source: shapes.Axes, destination: shapes.Axes) -> Node:
    return shapes.moveaxis(node_of(a), source, destination)


def _transpose(a: object, axes: Sequence[SupportsIndex] | None = None) -> Node:
    return shapes.transpose(node_of(a), axes)


def _matrix_transpose(x: object, /) -> Node:
    return shapes.swapaxes(node_of(x), -1, -2)


def _swapaxes(a: object, axis1: SupportsIndex, axis2: SupportsIndex) -> Node:
    return shapes.swapaxes(node_of(a), axis1, axis2)


def _broadcast_to(array: object, shape: int | Sequence[int], subok: bool = False) -> Node | None:
    del subok
    return shapes.broadcast_to(node_of(array), shape)


def _concatenate(arrays: Nodes, /, axis: SupportsIndex | None = 0, out: None = None) -> Node:
    del out
    return shapes.concatenate([node_of(a) for a in arrays], axis)


def _stack(arrays: Nodes, axis: SupportsIndex = 0, out: None = None) -> Node:
    del out
    return shapes.stack([node_of(a) for a in arrays], axis)


def _flip(m: object, axis: Axes = None) -> Node:
    node = node_of(m)
    axes = axes_of(axis, len(node.spec.shape))
    back, as_is = slice(None, None, -1), slice(None)
    key = tuple(back if a in axes else as_is for a in range(len(node.spec.shape)))
    return indexing.basic(node, key)


def _along(axis: int, key: object) -> tuple[object, ...]:
    return (*(slice(None),) * axis, key)


def _roll(a: object, shift: Any, axis: Any) -> Node | None:
    if isinstance(axis, tuple | None) or not isinstance(shift, int):
        return None
    node = node_of(a)
    at = normalize_axis_index(axis, len(node.spec.shape))
    n = node.spec.shape[at]
    cut = -shift % n if n else 0
    parts = [indexing.basic(node, _along(at, key)) for key in (slice(cut, None), slice(0, cut))]
    return shapes.concatenate(parts, at)


def _diff(a: object, n: int = 1, axis: SupportsIndex = -1) -> Node:
    node = node_of(a)
    if n < 0:
        raise InputError(f"diff: expected n from 0 on, got {n}")
    at = normalize_axis_index(axis, len(node.spec.shape))  # type: ignore[arg-type]
    name = "not_equal" if node.spec.dtype == bool else "subtract"
    for _ in range(n):
        after = indexing.basic(node, _along(at, slice(1, None)))
        node = call(name, after, indexing.basic(node, _along(at, slice(None, -1))))
    return node


def _unstack(x: object, /, *, axis: SupportsIndex = 0) -> tuple[Node, ...]:
    node = node_of(x)
    at = normalize_axis_index(axis, len(node.spec.shape))  # type: ignore[arg-type]
    return tuple(indexing.basic(node, _along(at, k)) for k in range(node.spec.shape[at]))


def _dot(a: object, b: object, out: None = None) -> Node | None:
    del out
    # Here NumPy takes numbers of Python as arrays, which have a dtype.
    left, right = (node_of(x if isinstance(x, Operand) else np.asarray(x)) for x in (a, b))
    if not left.spec.shape or not right.spec.shape:
        return call("multiply", left, right)
    return products.matmul(left, right) if len(right.spec.shape) <= 2 else None


def _tensordot(a: object, b: object, axes: Any = 2) -> Node | None:
    left, right = node_of(a), node_of(b)
    if axes == 1 and len(right.spec.shape) <= 2:
        return products.matmul(left, right)
    return None


def _shape(a: object) -> tuple[int, ...]:
    return node_of(a).spec.shape


def _ndim(a: object) -> int:
    return len(node_of(a).spec.shape)


def _size(a: object, axis: SupportsIndex | None = None) -> int:
    shape = node_of(a).spec.shape
    return int(np.prod(shape, dtype=int)) if axis is None else shape[axis]


def _like(fill: object) -> Callable[..., Array]:
    def function(
        a: object, dtype: DTypeLike | None = None, order: str = "K", subok: bool = True
    ) -> Array:
        """Return an array in memory of the same shape."""
        del order, subok
        spec = node_of(a).spec
        return np.full(spec.shape, fill, spec.dtype if dtype is None else dtype)

    return function


def _full_like(a: object, fill_value: Any, dtype: DTypeLike | None = None) -> Array:
    spec = node_of(a).spec
    return np.full(spec.shape, fill_value, spec.dtype if dtype is None else dtype)


def _result_type(*given: Any) -> DType:
    return np.result_type(
        *(np.empty(0, g.node.spec.dtype) if isinstance(g, Operand) else g for g in given)
    )


def _is_complex(x: object) -> bool:
    return node_of(x).spec.dtype.kind == "c"


def _is_real(x: object) -> bool:
    return not _is_complex(x)


def _all_close(
    a: object, b: object, rtol: float = 1e-5, atol: float = 1e-8, equal_nan: bool = False
) -> Node:
    near = elementwise.close(node_of(a), node_of(b), rtol, atol, equal_nan)
    return reductions.reduce("all", near)


def _equal(a1: object, a2: object) -> Node | bool:
    a, b = node_of(a1), node_of(a2)
    return a.spec.shape == b.spec.shape and reductions.reduce("all", call("equal", a, b))


def _named(names: Mapping[str, Callable[..., Any]]) -> dict[Callable[..., Any], Callable[..., Any]]:
    """Return the functions by those of NumPy, as far as this version has them."""
    return {getattr(np, name): ours for name, ours in names.items() if hasattr(np, name)}


PREDICATES: Mapping[Callable[..., Any], Callable[..., Any]] = MappingProxyType(
    {np.allclose: _all_close, np.array_equal: _equal}
)
"""Functions that return a truth value of Python: it is computed at once."""

FUNCTIONS: Mapping[Callable[..., Any], Callable[..., Any]] = MappingProxyType(
    _named(
        {
            "sum": _reduction("sum"),
            "prod": _reduction("prod"),
            "mean": _reduction("mean"),
            "nansum": _reduction("sum", skipna=True),
            "nanprod": _reduction("prod", skipna=True),
            "nanmean": _reduction("mean", skipna=True),
            "std": _deviation("std"),
            "var": _deviation("var"),
            "nanstd": _deviation("std", skipna=True),
            "nanvar": _deviation("var", skipna=True),
            "min": _end("min"),
            "max": _end("max"),
            "amin": _end("min"),
            "amax": _end("max"),
            "nanmin": _end("min", skipna=True),
            "nanmax": _end("max", skipna=True),
            "argmin": _place("argmin"),
            "argmax": _place("argmax"),
            "nanargmin": _place("argmin", skipna=True),
            "nanargmax": _place("argmax", skipna=True),
            "any": _test("any"),
            "all": _test("all"),
            "cumsum": _scan("cumsum"),
            "cumprod": _scan("cumprod"),
            "cumulative_sum": _cumulative("cumsum"),
            "cumulative_prod": _cumulative("cumprod"),
            "where": _where,
            "select": _select,
            "average": _average,
            "ptp": _spread,
            "count_nonzero": _nonzero,
            "clip": _clip,
            "round": _round,
            "around": _round,
            "isclose": _close,
            "nan_to_num": _nan_to_num,
            "real": _real,
            "imag": _imag,
            "astype": _astype,
            "copy": _copy,
            "expand_dims": _expand_dims,
            "squeeze": _squeeze,
            "reshape": _reshape,
            "ravel": _ravel,
            "moveaxis": _moveaxis,
            "transpose": _transpose,
            "permute_dims": _transpose,
            "matrix_transpose": _matrix_transpose,
            "swapaxes": _swapaxes,
            "broadcast_to": _broadcast_to,
            "concatenate": _concatenate,
            "stack": _stack,
            "flip": _flip,
            "roll": _roll,
            "diff": _diff,
            "unstack": _unstack,
            "dot": _dot,
            "tensordot": _tensordot,
            "shape": _shape,
            "ndim": _ndim,
            "size": _size,
            "zeros_like": _like(0),
            "ones_like": _like(1),
            "empty_like": _like(0),
            "full_like": _full_like,
            "result_type": _result_type,
            "iscomplexobj": _is_complex,
            "isrealobj": _is_real,
        }
    )
)
"""Each gives a node, several of them, or what is known without computing; None: no lazy form."""
