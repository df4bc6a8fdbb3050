"""Functions that return their rows: what these are is found by calling them on the first ones."""

from __future__ import annotations

from collections.abc import Sequence
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
from sharedcompute.team.programs.several import as_results, returned_rows

TRIED = 2
"""The rows on which a function is tried: with one alone, a row could pass for rows."""


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
    groups = min(TRIED, specs[0].rows // operation.ratio[1])
    rows, given_rows = (groups * count for count in operation.ratio)
    given = [_with_halo(operation, node, given_rows) for node in inputs]
    # It warns of these rows when they are computed.
    with np.errstate(all="ignore"):
        returned: Any = kernel(*given, *args, *((0,) if operation.rows else ()))
    found = [returned_rows(each, rows, 0, operation.name) for each in as_results(returned)]
    if not found or (count and len(found) != operation.outputs):
        raise InputError(
            f"{operation.name} returned {len(found)} results: expected "
            f"{operation.outputs if count else 'one or a tuple of them'}"
        )
    return _declared(operation, found)


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
