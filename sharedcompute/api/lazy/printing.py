"""Lazy arrays for people: one line, and a small table for notebooks."""

from __future__ import annotations

import html
import math
from collections.abc import Iterator, Sequence

from sharedcompute.api.lazy.opened import chunks_of
from sharedcompute.graph.node import Node, Read, Reduce, ordered
from sharedcompute.graph.text import input_names, inputs_of, text
from sharedcompute.planning.in_memory import ArraySource
from sharedcompute.system.machine import format_size

LONGEST = 72
"""Characters of an expression that are shown; the middle of a longer one is left out."""


def line(node: Node) -> str:
    """Return a lazy array in one line."""
    chunks = chunks_of(node)
    stored = "" if chunks is None else f", chunks {chunks}"
    many = number_of_passes(node)
    return (
        f"<sharedcompute.LazyArray {expression(node)} shape {node.spec.shape} "
        f"{node.spec.dtype}{stored}, {_size(node)}, {many} pass{'es' * (many != 1)}>"
    )


def table(node: Node, dims: Sequence[str | None]) -> str:
    """Return a lazy array as a table in HTML."""
    cell = '<td style="text-align: left">'
    rows = "".join(
        f"<tr>{cell}{html.escape(name)}</td>{cell}{html.escape(said)}</td></tr>"
        for name, said in _lines(node, dims)
    )
    return f"<table><tbody>{rows}</tbody></table>"


def _lines(node: Node, dims: Sequence[str | None]) -> Iterator[tuple[str, str]]:
    yield "expression", expression(node)
    yield from _sources(node)
    sides = zip(dims, node.spec.shape, strict=True)
    yield "shape", ", ".join(f"{name}: {n}" if name else str(n) for name, n in sides) or "a number"
    yield "dtype", str(node.spec.dtype)
    chunks = chunks_of(node)
    if chunks is not None:
        yield "chunks", " x ".join(map(str, chunks))
    yield "size", _size(node)
    yield "passes", str(number_of_passes(node))


def _sources(node: Node) -> Iterator[tuple[str, str]]:
    reads = inputs_of((node,))
    if len(reads) == 1 and reads[0] is node:
        return
    names = input_names([node])
    for found in reads:
        yield names[found.key], _place(found)


def expression(node: Node) -> str:
    """Return what an array is computed from, cut in the middle where it is long."""
    if isinstance(node.op, Read):
        return _place(node)
    whole = text(node, input_names([node]))
    if len(whole) <= LONGEST:
        return whole
    kept = (LONGEST - 5) // 2
    return f"{whole[:kept]} ... {whole[-kept:]}"


def _place(node: Node) -> str:
    assert isinstance(node.op, Read)
    source = node.op.source
    return "an array in memory" if isinstance(source, ArraySource) else str(source)


def _size(node: Node) -> str:
    return format_size(math.prod(node.spec.shape) * node.spec.dtype.itemsize)


def number_of_passes(node: Node) -> int:
    """Return how often rows are gone over until a node is there."""
    passes: dict[int, int] = {}
    for found in ordered((node,)):
        before = max([0, *(passes[id(given)] for given in found.inputs)])
        over_rows = isinstance(found.op, Reduce) and 0 in found.op.axes
        passes[id(found)] = before + over_rows
    return max(1, passes[id(node)] + (not _is_whole(node)))


def _is_whole(node: Node) -> bool:
    """Return whether no rows are gone over after the last reduction over rows."""
    whole: dict[int, bool] = {}
    for found in ordered((node,)):
        over_rows = isinstance(found.op, Reduce) and 0 in found.op.axes
        read = isinstance(found.op, Read)
        whole[id(found)] = over_rows or (not read and all(whole[id(g)] for g in found.inputs))
    return whole[id(node)]
