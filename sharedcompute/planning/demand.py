"""What of a graph is computed row by row and what as a whole, and in which pass.

An array is computed by rows where its first axis is that of the data it is read from: strips of it
then go from kernel to kernel. A result of a reduction over rows, a map of weights or a number is
there as a whole, before the pass begins in which rows need it. The number of passes is the length
of the longest chain of reductions that rows need, and one.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from functools import cached_property

from sharedcompute.graph.node import (
    Constant,
    Elementwise,
    Gather,
    Join,
    Model,
    Node,
    Permute,
    Read,
    Reduce,
    Reshape,
    Rowwise,
    Select,
    is_running,
    ordered,
)


def has_rows(node: Node, known: dict[str, bool]) -> bool:
    """Return whether a node's first axis is that of data which are read; `known` has its inputs."""
    op, inputs = node.op, node.inputs
    if not node.spec.shape or isinstance(op, Constant | Model):
        return False
    if isinstance(op, Read | Rowwise) or is_read_in_groups(node):
        return True
    if isinstance(op, Elementwise):
        return any(known[i.key] and is_aligned(i, node) for i in inputs)
    if isinstance(op, Reduce):
        return 0 not in op.axes and not op.exact and known[inputs[0].key]
    return _keeps_rows(node) and all(known[i.key] for i in inputs)


def is_read_in_groups(node: Node) -> bool:
    """Return whether a node is what is read, with several rows of it as one."""
    op = node.op
    if not isinstance(op, Reshape) or not isinstance(node.inputs[0].op, Read):
        return False
    given, made = node.inputs[0].spec.shape, op.shape
    return made[2:] == given[1:] and made[:1] != given[:1] and math.prod(made[:2]) == given[0]


def rows_in_groups(node: Node) -> Node | None:
    """Return the node whose rows are groups of rows of another one; None where there is none."""
    if not isinstance(node.op, Reshape):
        return None
    given, made = node.inputs[0].spec.shape, node.op.shape
    is_so = given[2:] == made[1:] and given[:1] != made[:1] and math.prod(given[:2]) == made[0]
    return node.inputs[0] if is_so else None


def is_aligned(given: Node, node: Node) -> bool:
    """Return whether an input of an elementwise function has a row for each row of the result."""
    shape = given.spec.shape
    return len(shape) == len(node.spec.shape) and shape[0] == node.spec.shape[0]


def _keeps_rows(node: Node) -> bool:
    """Return whether a change of shape leaves the first axis as it is."""
    op, given = node.op, node.inputs[0].spec
    if isinstance(op, Select):
        return op.keys[0] == slice(0, given.shape[0], 1)
    if isinstance(op, Reshape):
        return given.shape[:1] == op.shape[:1]
    if isinstance(op, Permute):
        return op.axes[0] == 0
    return isinstance(op, Join) and op.axis > 0


def rows_given(node: Node) -> int:
    """Return how many of a row-shaped node's inputs, from the first on, it may take by rows."""
    return node.op.rows if isinstance(node.op, Rowwise) else len(node.inputs)


class Demand:
    """Decide how each node of a graph is computed.

    Parameters
    ----------
    rows, wholes : sequence of Node
        The results that have rows, and those that are wanted as a whole. Unified.
    fitted : Node or None
        The rows that a fit sees.

    Attributes
    ----------
    by_rows, whole : dict of str to Node
        The nodes that are computed row by row, and as a whole, by their keys; inputs first.
    kept : dict of str to Node
        Those of both whose rows a pass keeps until all are there.
    level : dict of str to int
        The first pass, from 0 on, in which a row-shaped node can be computed.
    ready : dict of str to int
        How many passes must have run before a whole node is there.
    """

    def __init__(
        self, rows: Sequence[Node], wholes: Sequence[Node], fitted: Node | None = None
    ) -> None:
        results = (*rows, *wholes, *([] if fitted is None else [fitted]))
        self._order = ordered(results)
        self._natural: dict[str, bool] = {}
        for node in self._order:
            self._natural[node.key] = has_rows(node, self._natural)
        wanted_rows = {n.key for n in rows} | ({fitted.key} if fitted is not None else set())
        self._mark(wanted_rows, {n.key for n in wholes})
        self._count()

    def by_row(self, given: Node, node: Node) -> bool:
        """Return whether a row-shaped node takes an input row by row."""
        if isinstance(node.op, Elementwise):
            lone = node.spec.shape[0] == 1 and not self._natural[given.key]
            return bool(given.spec.shape) and is_aligned(given, node) and not lone
        return any(given is i for i in node.inputs[: rows_given(node)])

    def row_inputs(self, node: Node) -> list[Node]:
        """Return the inputs that a row-shaped node takes row by row."""
        return [i for i in node.inputs if self.by_row(i, node)]

    def is_fed(self, node: Node) -> bool:
        """Return whether a row-shaped node is a feed: read, or computed as a whole before."""
        read = isinstance(node.op, Read) or is_read_in_groups(node)
        return read or not self._natural[node.key]

    def _mark(self, rows: set[str], wholes: set[str]) -> None:
        for node in reversed(self._order):
            key, natural = node.key, self._natural[node.key]
            if key in wholes and self._is_kept(node):
                rows.add(key)
            if key in rows and not natural:
                wholes.add(key)
            if key in rows and not self.is_fed(node):
                for given in node.inputs:
                    (rows if self.by_row(given, node) else wholes).add(given.key)
            if key in wholes and not self._is_kept(node):
                for given in node.inputs:
                    (rows if self.goes_over(given, node) else wholes).add(given.key)
        self.by_rows = {n.key: n for n in self._order if n.key in rows}
        self.whole = {n.key: n for n in self._order if n.key in wholes}
        self.kept = {k: n for k, n in self.whole.items() if self._is_kept(n)}

    def goes_over(self, given: Node, node: Node) -> bool:
        """Return whether a node that is there as a whole needs a pass over the rows of an input."""
        if isinstance(node.op, Gather):
            return any(given is i for i in node.inputs[: node.op.rows])
        if is_running(node):
            # One result for each block: there is none without a pass.
            return True
        return isinstance(node.op, Reduce | Model) and self._natural[given.key]

    def _is_kept(self, node: Node) -> bool:
        """Return whether a node that is wanted as a whole is computed by rows nevertheless."""
        return self._natural[node.key] and isinstance(node.op, Rowwise | Reduce)

    def _count(self) -> None:
        self.level: dict[str, int] = {}
        self.ready: dict[str, int] = {}
        for node in self._order:
            key = node.key
            if key in self.by_rows and not self.is_fed(node):
                self.level[key] = self._after(node)
            if key in self.whole:
                self.ready[key] = self._ready(node)
            if key in self.by_rows and self.is_fed(node):
                self.level[key] = 0 if self._natural[key] else self.ready[key]

    def _after(self, node: Node) -> int:
        levels = [
            self.level[i.key] if self.by_row(i, node) else self.ready[i.key] for i in node.inputs
        ]
        return max([0, *levels])

    def _ready(self, node: Node) -> int:
        if self._is_kept(node):
            return self.level[node.key] + 1
        if isinstance(node.op, Gather):
            return self.gathered_at(node) + 1
        if isinstance(node.op, Reduce | Model) and self.goes_over(node.inputs[0], node):
            return self.level[node.inputs[0].key] + 1
        return max([0, *(self.ready[i.key] for i in node.inputs)])

    def gathered_at(self, node: Node) -> int:
        """Return the first pass in which rows can be gathered."""
        over = (self.goes_over(i, node) for i in node.inputs)
        pairs = zip(node.inputs, over, strict=True)
        return max(self.level[i.key] if rows else self.ready[i.key] for i, rows in pairs)

    @property
    def gathered(self) -> list[Node]:
        """The nodes whose rows are gathered."""
        return [node for node in self.whole.values() if isinstance(node.op, Gather)]

    @cached_property
    def used(self) -> frozenset[str]:
        """The keys of the whole nodes that rows need, directly or by other whole nodes."""
        used = {
            i.key
            for node in self.by_rows.values()
            if not self.is_fed(node)
            for i in node.inputs
            if not self.by_row(i, node)
        }
        used |= {k for k, n in self.by_rows.items() if self.is_fed(n)}
        for node in self.gathered:
            used.update(i.key for i in node.inputs if not self.goes_over(i, node))
        for node in reversed(self.whole.values()):
            if node.key in used:
                used.update(i.key for i in node.inputs)
        return frozenset(used)

    @property
    def reduced(self) -> list[Node]:
        """The reductions that passes compute, with the rows that they reduce."""
        return [
            n
            for n in self.whole.values()
            if isinstance(n.op, Reduce)
            and n.key not in self.kept
            and self.goes_over(n.inputs[0], n)
        ]


def spaces(nodes: Iterable[Node]) -> list[int]:
    """Return the different numbers of rows that nodes have, in order of appearance."""
    return list(dict.fromkeys(node.spec.shape[0] for node in nodes))
