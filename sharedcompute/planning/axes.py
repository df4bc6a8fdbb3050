"""The axes of its input that a result still has: scales and coordinates hold for these."""

from __future__ import annotations

from collections.abc import Sequence

from sharedcompute.graph.node import (
    Elementwise,
    Node,
    Permute,
    Read,
    Reduce,
    Reshape,
    Rowwise,
    Select,
    ordered,
    reads,
)
from sharedcompute.graph.ports import Source
from sharedcompute.hdf5.format.dimensions import Axes, axes_that_stay
from sharedcompute.hdf5.reading.source import DatasetSource
from sharedcompute.operations.fits.declaration import Iterative


def primary(node: Node) -> DatasetSource | None:
    """Return the dataset that a result is like: the first that it is computed from, by its rows."""
    datasets = [source for source in reads([node]) if isinstance(source, DatasetSource)]
    alike = [s for s in datasets if s.shape == node.spec.shape]
    same_rows = [s for s in datasets if s.shape[:1] == node.spec.shape[:1]]
    return next(iter((*alike, *same_rows, *datasets)), None)


def axes_of(node: Node, source: Source | None) -> Axes:
    """Return the axes of `source` that a result still has; None for each that it has not."""
    known: dict[str, Axes] = {}
    for n in ordered([node]):
        known[n.key] = _axes(n, [known[i.key] for i in n.inputs], source)
    return known[node.key]


def _axes(node: Node, given: Sequence[Axes], source: Source | None) -> Axes:
    op, shape = node.op, node.spec.shape
    found: Axes = [None] * len(shape)
    if isinstance(op, Read) and op.source is source:
        found = list(range(len(shape)))
    elif isinstance(op, Rowwise):
        found = _after(op, node, given)
    elif isinstance(op, Elementwise):
        found = _together(node, given)
    elif isinstance(op, Reduce):
        axes = [None if axis in op.axes else known for axis, known in enumerate(given[0])]
        found = axes if op.keepdims else [a for n, a in enumerate(axes) if n not in op.axes]
    elif isinstance(op, Select):
        whole = [slice(0, n, 1) for n in node.inputs[0].spec.shape]
        pairs = zip(op.keys, whole, given[0], strict=True)
        found = [a if key == full else None for key, full, a in pairs if isinstance(key, slice)]
    elif isinstance(op, Permute):
        found = [given[0][axis] for axis in op.axes]
    elif isinstance(op, Reshape):
        found = _in_groups(node.inputs[0].spec.shape, op.shape, given[0])
    return found


def _in_groups(before: tuple[int, ...], after: tuple[int, ...], axes: Axes) -> Axes:
    """Return the axes of rows that are put in groups, or taken out of them."""
    if after[2:] == before[1:]:
        return [None, None, *axes[1:]][: len(after)]
    if after[1:] == before[2:]:
        return [None, *axes[2:]][: len(after)]
    return [None] * len(after)


def _after(op: Rowwise, node: Node, given: Sequence[Axes]) -> Axes:
    """Return the axes that rows have after a kernel: of the first input that has some."""
    pairs = list(zip(node.inputs[: op.rows], given, strict=False))
    first, axes = next((p for p in pairs if any(a is not None for a in p[1])), pairs[0])
    stage = op.stage
    # Groups of rows have an axis for the rows in them.
    out, inside = (min(count, 2) for count in stage.ratio)
    before, after = first.spec.shape[inside:], node.spec.shape[out:]
    ahead = [axes[0] if stage.ratio == (1, 1) else None, *[None] * (out - 1)]
    if before == after and (stage.row_shape is None or not stage.new_axes):
        return [*ahead, *axes[inside:]]
    found = axes_that_stay(before, after)
    gone = stage.new_axes
    return [*ahead, *(None if gone or a is None else axes[inside + a] for a in found)]


def _together(node: Node, given: Sequence[Axes]) -> Axes:
    """Return the axes of arrays that are broadcast: each of the first input that has it whole."""
    found: list[int | None] = [None] * len(node.spec.shape)
    for given_node, axes in zip(node.inputs, given, strict=True):
        ahead = len(found) - len(axes)
        for axis, known in enumerate(axes):
            whole = given_node.spec.shape[axis] == node.spec.shape[ahead + axis]
            if found[ahead + axis] is None and whole:
                found[ahead + axis] = known
    return found


def axes_of_fit(
    fit: Iterative, name: str, axes: Axes, row: Sequence[int], shape: Sequence[int]
) -> Axes:
    """Return the axes that a result of a fit has.

    Parameters
    ----------
    name : str
        The result's.
    axes, row
        The input's axes that the rows have which the fit sees, and the shape of such a row.
    shape : sequence of int
        The result's.
    """
    new: list[int | None] = [None] * len(shape)
    if name in fit.like_input and len(shape) == len(axes):
        return axes
    ahead = len(shape) - len(row)
    if name in fit.like_row and ahead >= 0 and tuple(shape[ahead:]) == tuple(row):
        return [*new[:ahead], *axes[1:]]
    return new
