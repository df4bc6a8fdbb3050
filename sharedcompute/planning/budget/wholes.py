"""The memory of what is computed as a whole, in the process that runs a job."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from math import prod

from sharedcompute.graph.node import Constant, Model, Node, Permute, Reshape, Select, ordered
from sharedcompute.planning.passes import Pass
from sharedcompute.planning.planned import Computed

VIEWS = (Constant, Model, Permute, Reshape, Select)
"""Operations whose results are views of their inputs, or next to nothing."""


@dataclass(frozen=True)
class Wholes:
    """The bytes of arrays that are computed as a whole.

    Parameters
    ----------
    held : int
        What is there until the job ends.
    shared : int
        The copies of it that workers share.
    working : int
        What is there beside, at most, while one of them is computed.
    """

    held: int = 0
    shared: int = 0
    working: int = 0


def wholes(
    whole: Mapping[str, Node],
    kept: Mapping[str, Node],
    passes: Sequence[Pass],
    results: Iterable[Node],
) -> Wholes:
    """Return what is computed as a whole takes: weights, maps, and what is made of reductions.

    Parameters
    ----------
    whole, kept : mapping of str to Node
        All that is wanted as a whole, and what of it passes keep, by key.
    passes : sequence of Pass
        What they compute themselves is no part of it.
    results : iterable of Node
        The results of the job that are there as a whole.
    """
    made = {*kept, *(output.key for work in passes for output in work.reductions)}
    known = set(made)
    read = dict.fromkeys(key for work in passes for key in work.wanted)
    asked = [key for key in (*read, *(n.key for n in results)) if key in whole]
    held = working = 0
    for key in dict.fromkeys(asked):
        if key not in known:
            node = whole[key]
            computed = _computed(node, known)
            held += nbytes(node)
            working = max(working, computed - (0 if isinstance(node.op, VIEWS) else nbytes(node)))
            known.add(key)
    nodes = [whole[key] for key in read if key in whole and key not in made]
    return Wholes(held + _rearranged(passes, whole), sum(map(nbytes, nodes)), working)


def nbytes(node: Node) -> int:
    """Return the bytes of an array."""
    return prod(node.spec.shape) * node.spec.dtype.itemsize


def _computed(node: Node, known: set[str]) -> int:
    """Return the bytes of all arrays that are made to compute a node."""
    nodes = ordered([node])
    wanted = {node.key}
    for n in reversed(nodes):
        if n.key in wanted and n.key not in known:
            wanted.update(i.key for i in n.inputs)
    made = (n for n in nodes if n.key in wanted - known and not isinstance(n.op, VIEWS))
    return sum(map(nbytes, made))


def _rearranged(passes: Sequence[Pass], whole: Mapping[str, Node]) -> int:
    """Return the bytes of copies in the order in which rows are read."""
    feeds = {feed.key for work in passes for feed in work.feeds if isinstance(feed, Computed)}
    nodes = (whole[key] for key in feeds if key in whole)
    return sum(nbytes(n) for n in nodes if isinstance(n.op, VIEWS))
