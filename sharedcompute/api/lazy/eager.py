"""What has no lazy form: operands are computed, and NumPy's function is called in this process."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

import numpy as np

from sharedcompute.api.lazy.memory import check_memory
from sharedcompute.api.lazy.operands import Operand, node_of_array, plain
from sharedcompute.api.lazy.running import in_memory
from sharedcompute.graph.node import Node


def call(
    kind: type[Operand],
    name: str,
    function: Callable[..., Any],
    args: tuple[Any, ...],
    keywords: Mapping[str, Any],
) -> Any:
    """Return what a function of NumPy's returns for lazy arrays, which are computed first.

    Parameters
    ----------
    kind : type
        Of the lazy arrays, which arrays in the result become.
    name : str
        Of the function, for people.
    function : callable
    args, keywords
        May hold lazy arrays, in lists and tuples too.

    Raises
    ------
    MemoryBudgetError
        The arrays do not fit the memory.
    """
    nodes = list(_nodes((args, tuple(keywords.values()))))
    check_memory(name, nodes)
    arrays = {id(node): array for node, array in zip(nodes, in_memory(nodes), strict=True)}

    def filled(value: Any) -> Any:
        if isinstance(value, Operand):
            return arrays[id(value.node)]
        if isinstance(value, list | tuple):
            return type(value)(map(filled, value)) if type(value) in (list, tuple) else value
        return value

    found = function(*map(filled, args), **{key: filled(v) for key, v in keywords.items()})
    return _lazy(kind, found)


def _nodes(value: Any) -> Iterator[Node]:
    if isinstance(value, Operand):
        yield value.node
    elif type(value) in (list, tuple):
        for item in value:
            yield from _nodes(item)


def _lazy(kind: type[Operand], found: Any) -> Any:
    """Return a result with lazy arrays in place of arrays."""
    if isinstance(found, np.ndarray) and found.dtype.kind in "biufc" and found.dtype.itemsize <= 16:
        return kind(node_of_array(plain(found)))
    if isinstance(found, np.generic) and found.dtype.kind in "biufc":
        return kind(node_of_array(np.asarray(found)))
    if isinstance(found, tuple) and hasattr(found, "_fields"):
        return type(found)(*(_lazy(kind, item) for item in found))
    if type(found) in (list, tuple):
        return type(found)(_lazy(kind, item) for item in found)
    return found
