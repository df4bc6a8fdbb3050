"""Functions that return their rows: what these are is found by calling them on the first ones."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from sharedcompute.errors import InputError
from sharedcompute.graph.node import Node, Read, Rowwise
from sharedcompute.graph.ports import Source
from sharedcompute.hdf5.reading.source import DatasetSource
from sharedcompute.hdf5.rehearsal import read_box
from sharedcompute.operations.declarations import Map
from sharedcompute.operations.specs import Array, Params, same
from sharedcompute.operations.stages import is_ours
from sharedcompute.planning.in_memory import ArraySource
from sharedcompute.rows import CONSTANT, extension
from sharedcompute.validation.arrays import plain_array
from sharedcompute.validation.returned import TRIED, as_results, returned_rows

TRIED_FOR_ANY = (2, 64, 4096)
"""The rows on which a function is tried, one after the other, that may give none for some."""


def tried(operation: Map, params: Params, inputs: Sequence[Node], *, count: bool = True) -> Map:
    """Return a map with dtype and row shape as its function returns them.

    As it is where it fills outputs, or declares what they are.

    Parameters
    ----------
    operation : Map
    params : mapping
        Bound.
    inputs : sequence of Node
    count : bool
        It must return as many results as are declared.

    Raises
    ------
    InputError
        It returns no rows, or another number of results.
    """
    specs = [given.spec for given in inputs]
    kernel = operation.kernel
    if kernel is None or is_ours(kernel) or operation.build or len(specs) != operation.inputs:
        return operation
    if operation.dtype is not same or operation.row_shape is not None:
        return operation
    args = operation.arguments_for(params, *specs)
    if not operation.is_returning(len(args)):
        return operation
    found = (
        _variable(operation, args, inputs) if operation.variable else _rows(operation, args, inputs)
    )
    if not found or (count and len(found) != operation.outputs):
        raise InputError(
            f"{operation.name} returned {len(found)} results: expected "
            f"{operation.outputs if count else 'one or a tuple of them'}"
        )
    return _declared(operation, found)


def _rows(operation: Map, args: Sequence[Any], inputs: Sequence[Node]) -> Sequence[Array]:
    """Return what a function returns for the first rows."""
    groups = min(TRIED, inputs[0].spec.rows // operation.ratio[1])
    rows, given = (groups * count for count in operation.ratio)
    returned = _called(operation, args, inputs, given)
    return [returned_rows(each, rows, 0, operation.name) for each in as_results(returned)]


def _variable(operation: Map, args: Sequence[Any], inputs: Sequence[Node]) -> Sequence[Array]:
    """Return the first rows that a function gives, of whatever number."""
    n = inputs[0].spec.rows
    for rows in dict.fromkeys(min(n, rows) for rows in TRIED_FOR_ANY):
        returned = _called(operation, args, inputs, rows)
        for value in returned if isinstance(returned, Iterator) else (returned,):
            results = () if value is None else as_results(value)
            found = [plain_array(result) for result in results]
            # An empty list shows neither dtype nor shape.
            shown = zip(results, found, strict=True)
            if any(each.ndim == 0 for each in found):
                raise InputError(f"{operation.name} gave a single value: expected an array of rows")
            if found and all(isinstance(r, np.ndarray) or each.size for r, each in shown):
                return found
    raise InputError(
        f"{operation.name} gave no rows for the first {min(n, TRIED_FOR_ANY[-1])}, which show what "
        "they are: declare dtype and row_shape"
    )


def _called(operation: Map, args: Sequence[Any], inputs: Sequence[Node], rows: int) -> Any:
    """Call a function on the first rows, and return what it returns."""
    given = [_with_halo(operation, node, rows) for node in inputs]
    kernel: Any = operation.kernel
    # It warns of these rows when they are computed.
    with np.errstate(all="ignore"):
        return kernel(*given, *args, *((0,) if operation.rows else ()))


def _declared(operation: Map, found: Sequence[Array]) -> Map:
    """Return a map that gives rows such as these."""
    dtypes = tuple(rows.dtype.newbyteorder("=") for rows in found)
    for dtype in dtypes:
        if dtype.kind not in "biufc":
            raise InputError(f"{operation.name} returned {dtype}: expected arrays of numbers")
    shapes = tuple(rows.shape[1:] for rows in found)
    one = len(found) == 1
    return replace(
        operation,
        outputs=len(found),
        dtype=lambda *_: dtypes[0] if one else dtypes,
        row_shape=lambda *_: shapes[0] if one else shapes,
    )


def _with_halo(operation: Map, node: Node, count: int) -> Array:
    """Return the first rows of a node with those around them, as if no others followed these."""
    halo = operation.halo
    rows = first_rows(node, count + halo)
    if halo and len(rows):
        at = extension(-halo, count + halo, len(rows), operation.mode)
        outside = at == CONSTANT
        rows = rows[at]
        rows[outside] = operation.cval
    elif halo:
        rows = np.zeros((2 * halo, *rows.shape[1:]), rows.dtype)
    rows = np.ascontiguousarray(rows[: count + 2 * halo])
    if operation.matrix:
        rows = rows.reshape(len(rows), node.spec.row_size)
    rows = rows.view()
    rows.flags.writeable = False
    return rows


def first_rows(node: Node, count: int) -> Array:
    """Return the first rows of a node: those that are read, unpacked; for others zeros."""
    op = node.op
    if isinstance(op, Read):
        return _read(op.source, count)
    if isinstance(op, Rowwise) and op.stage.elementwise and len(node.inputs) == 1:
        x = first_rows(node.inputs[0], count)
        out = np.empty((len(x), *node.spec.shape[1:]), node.spec.dtype)
        op.stage.kernel(x, out, *op.stage.args)
        return out
    return np.zeros((min(count, node.spec.rows), *node.spec.shape[1:]), node.spec.dtype)


def _read(source: Source, count: int) -> Array:
    shape = (min(count, source.shape[0]), *source.shape[1:])
    if isinstance(source, DatasetSource):
        return read_box(source, (0,) * len(shape), shape)
    assert isinstance(source, ArraySource)
    assert isinstance(source.array, np.ndarray)
    return source.array[: shape[0]].view(np.ndarray)
