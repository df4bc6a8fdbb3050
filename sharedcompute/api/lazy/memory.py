"""Memory: what fits, and what is said where much of it is taken in this process."""

from __future__ import annotations

import math
from collections.abc import Sequence

from sharedcompute.api.lazy.evaluate import LIMIT
from sharedcompute.api.notices import warn
from sharedcompute.errors import MemoryBudgetError
from sharedcompute.graph.node import Node
from sharedcompute.system.machine import format_size, memory_available
from sharedcompute.wording import option


class ComputedAtOnce(UserWarning):
    """A function has no lazy form: all of its arrays were computed, and it ran in this process."""


def nbytes(node: Node) -> int:
    """Return the bytes of the array of a node."""
    return math.prod(node.spec.shape) * node.spec.dtype.itemsize


def check_memory(name: str, nodes: Sequence[Node]) -> None:
    """Refuse what does not fit the memory, and warn of what is large.

    Raises
    ------
    MemoryBudgetError
        Naming the function and the bytes.
    """
    needed = sum(map(nbytes, nodes))
    if needed <= LIMIT:
        return
    have = memory_available()
    if needed > have:
        raise MemoryBudgetError(
            f"{name} has no lazy form and needs its arrays in memory, {format_size(needed)}, and "
            f"{format_size(have)} is available: select or reduce first"
        )
    warn(
        f"{name} has no lazy form: its arrays are computed now, {format_size(needed)}, and it runs "
        "in this process",
        ComputedAtOnce,
    )


def check_room(nodes: Sequence[Node], memory: int | None = None) -> None:
    """Refuse results that are larger than the memory.

    Raises
    ------
    MemoryBudgetError
    """
    needed = sum(map(nbytes, nodes))
    have = memory_available() if memory is None else memory
    if needed > have:
        given = "is available" if memory is None else "was given"
        raise MemoryBudgetError(
            f"the result needs {format_size(needed)} of memory and {format_size(have)} {given}: "
            f"write it to a file by x.store(ADDRESS), or give more ({option('memory')})"
        )
