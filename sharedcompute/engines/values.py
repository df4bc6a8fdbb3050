"""What phases have computed as a whole: results of reductions, and what is made of them."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping

import numpy as np

from sharedcompute.graph.node import Node
from sharedcompute.operations.specs import Array
from sharedcompute.planning.evaluation import evaluate


class Values(Mapping[str, Array]):
    """The arrays of nodes that are wanted as a whole, by their keys.

    What no phase computes is made of the others when it is asked for.

    Parameters
    ----------
    nodes : mapping of str to Node
    share : callable
        Puts an array where workers reach it at little cost.
    """

    def __init__(self, nodes: Mapping[str, Node], share: Callable[[Array], Array]) -> None:
        self._nodes = nodes
        self._share = share
        self._found: dict[str, Array] = {}
        self._shared: dict[str, Array] = {}

    def put(self, key: str, values: Array) -> None:
        """Put the values of a node."""
        self._found[key] = values

    def shared(self, key: str) -> Array:
        """Return the values of a node where workers reach them."""
        if key not in self._shared:
            self._shared[key] = self._share(self[key])
        return self._shared[key]

    def add(self, key: str, values: Array) -> None:
        """Put the values of a node, or those of one more stripe of its columns after the others."""
        have = self._found.get(key)
        self.put(key, values if have is None else np.concatenate([have, values]))

    def __getitem__(self, key: str) -> Array:
        if key not in self._found:
            self.put(key, evaluate(self._nodes[key], self._found))
        return self._found[key]

    def __iter__(self) -> Iterator[str]:
        return iter(self._nodes)

    def __len__(self) -> int:
        return len(self._nodes)
