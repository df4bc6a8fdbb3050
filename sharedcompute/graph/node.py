"""Nodes: an operation on the arrays that other nodes stand for.

A graph is immutable and says nothing about how it is computed. Nodes of the same content are one
node wherever a graph is lowered: they are found by their keys.
"""

from __future__ import annotations

import dataclasses
import functools
import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from sharedcompute.graph.ports import Source
from sharedcompute.operations.declarations import Reduce as Reduction
from sharedcompute.operations.specs import ArraySpec, Params, Scalar
from sharedcompute.operations.stages import Stage

Attributes = tuple[tuple[str, Any], ...]
"""What an elementwise function takes beside arrays, as of ``astype``, in order."""


@dataclass(frozen=True)
class Read:
    """The rows of a source. It has no inputs.

    Parameters
    ----------
    source : Source
    name : str
        What the user calls it, for people alone; may be empty.
    """

    source: Source
    name: str = field(default="", compare=False)


@dataclass(frozen=True)
class Constant:
    """A number: of Python, whose dtype follows the arrays beside it, or of NumPy."""

    value: Scalar


@dataclass(frozen=True)
class Elementwise:
    """A function of single elements, of inputs that are broadcast against each other.

    Parameters
    ----------
    function : str
        A name of `sharedcompute.ufuncs.functions.FUNCTIONS`.
    attributes : tuple of (str, object)
    """

    function: str
    attributes: Attributes = ()


@dataclass(frozen=True)
class Call:
    """The operation that one or several kernels, each of the rows of that before it, are made of.

    Parameters
    ----------
    name : str
    params : tuple of (str, object)
        Those that differ from their defaults.
    kernels : int
    """

    name: str
    params: Attributes
    kernels: int


@dataclass(frozen=True)
class Rowwise:
    """A kernel that gives rows for rows: a map, a stencil, a scan, a fit's result for each row.

    Parameters
    ----------
    stage : Stage
        Its `Argument` entries stand for the inputs after the first `rows`.
    rows : int
        How many inputs it takes row by row; the others it gets whole.
    result : int
        Which of its results this is, where a kernel has several.
    call : Call or None
        The operation whose result this is; None for kernels on the way to it. For people.
    """

    stage: Stage
    rows: int = 1
    result: int = 0
    call: Call | None = field(default=None, compare=False)


@dataclass(frozen=True)
class Gather:
    """Any number of rows that a kernel returns for rows, one after the other in their order.

    Its shape has no rows: how many there are is known once all are there.

    Parameters
    ----------
    stage : Stage
        Its `Argument` entries stand for the inputs after the first `rows`.
    rows : int
        How many inputs it takes row by row; the others it gets whole.
    result : int
        Which of its results this is, where a kernel has several.
    call : Call or None
        The operation whose result this is. For people.
    """

    stage: Stage
    rows: int = 1
    result: int = 0
    call: Call | None = field(default=None, compare=False)


@dataclass(frozen=True)
class Reduce:
    """A reduction of its input along some axes.

    Parameters
    ----------
    operation : sharedcompute.operations.declarations.Reduce
    params : mapping
        Bound.
    axes : tuple of int
        Sorted, from 0 on.
    keepdims : bool
    exact : bool
        In full precision, one flat array: what a kernel of ours takes. Else cast as NumPy does.
    running : bool
        Of the rows before each block: what a scan begins a block with. Always exact.
    """

    operation: Reduction
    params: Params
    axes: tuple[int, ...]
    keepdims: bool = False
    exact: bool = False
    running: bool = False


@dataclass(frozen=True)
class Select:
    """A box of its input, by NumPy's basic indexing.

    Parameters
    ----------
    keys : tuple of (slice or int)
        One for each axis: slices of whole numbers with a step, none of them open; whole numbers
        drop their axis.
    """

    keys: tuple[slice | int, ...]


@dataclass(frozen=True)
class Reshape:
    """Its input in another shape, in C order."""

    shape: tuple[int, ...]


@dataclass(frozen=True)
class Permute:
    """Its input with other order of axes."""

    axes: tuple[int, ...]


@dataclass(frozen=True)
class Join:
    """Its inputs one after the other along an axis."""

    axis: int


@dataclass(frozen=True)
class Model:
    """An array of the model that a fit ends with. Its input are the rows that the fit sees."""

    name: str


Op = (
    Read
    | Constant
    | Elementwise
    | Rowwise
    | Gather
    | Reduce
    | Select
    | Reshape
    | Permute
    | Join
    | Model
)


@dataclass(eq=False, slots=True)
class Node:
    """An operation on the arrays of other nodes. Do not change one.

    Parameters
    ----------
    op : Op
    inputs : tuple of Node
    spec : ArraySpec
        Shape and dtype of the result; a number has the shape ().
    """

    op: Op
    inputs: tuple[Node, ...]
    spec: ArraySpec
    _key: str = field(default="", repr=False)

    @property
    def key(self) -> str:
        """A digest of the operation and all that it works on."""
        left = [] if self._key else [self]
        while left:
            node = left[-1]
            unknown = [given for given in node.inputs if not given._key]
            left += unknown
            if not unknown:
                node._key = node._key or _digest(node)
                left.pop()
        return self._key


def is_running(node: Node) -> bool:
    """Return whether a node is a reduction of the rows before each block."""
    return isinstance(node.op, Reduce) and node.op.running


def ordered(results: Iterable[Node]) -> list[Node]:
    """Return all nodes that results need, each once, inputs first.

    Without recursion: a loop of a user may add up thousands of arrays.
    """
    found: list[Node] = []
    seen: set[int] = set()
    left = list(results)[::-1]
    while left:
        node = left[-1]
        before = [i for i in node.inputs if id(i) not in seen] if id(node) not in seen else ()
        if before:
            left += before[::-1]
            continue
        left.pop()
        if id(node) not in seen:
            seen.add(id(node))
            found.append(node)
    return found


def reads(results: Iterable[Node]) -> tuple[Source, ...]:
    """Return the sources that results are computed from, in the order in which they come up."""
    found = {n.key: n.op.source for n in ordered(results) if isinstance(n.op, Read)}
    return tuple(found.values())


def unified(results: Iterable[Node]) -> list[Node]:
    """Return the same results with one node for all of the same content."""
    results = list(results)
    one: dict[str, Node] = {}
    for node in ordered(results):
        if node.key not in one:
            inputs = tuple(one[i.key] for i in node.inputs)
            same = all(a is b for a, b in zip(inputs, node.inputs, strict=True))
            one[node.key] = node if same else Node(node.op, inputs, node.spec, node.key)
    return [one[result.key] for result in results]


PLAIN = (str, bytes, int, float, complex, slice, np.dtype, type(None), type(...))
"""Types whose values are what their text is."""


def _digest(node: Node) -> str:
    digest = hashlib.blake2b(digest_size=12)
    digest.update(repr((node.spec.shape, node.spec.dtype.str, _content(node.op))).encode())
    for given in node.inputs:
        digest.update(given.key.encode())
    return digest.hexdigest()


def _content(value: object) -> object:
    """Return what tells a value from others while both exist, as far as it has a ``repr``."""
    found: object = (type(value).__qualname__, id(value))
    if isinstance(value, np.generic):
        found = (value.dtype.str, value.tobytes())
    elif isinstance(value, functools.partial):
        found = ("partial", *map(_content, (value.func, value.args, value.keywords)))
    elif isinstance(value, Mapping):
        found = [(name, _content(v)) for name, v in sorted(value.items(), key=repr)]
    elif isinstance(value, tuple | list):
        found = list(map(_content, value))
    elif dataclasses.is_dataclass(value) and not isinstance(value, type):
        compared = (f.name for f in dataclasses.fields(value) if f.compare)
        named = ((name, _content(getattr(value, name))) for name in compared)
        found = (type(value).__qualname__, *named)
    elif isinstance(value, PLAIN):
        found = (type(value).__name__, repr(value))
    # Arrays by their places in memory: the graph keeps them there, and to read them takes long.
    return found
