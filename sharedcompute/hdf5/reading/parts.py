"""Parts of datasets that consist of boxes of others: covered, overlapping, merged."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace

from sharedcompute.hdf5.reading.stored import Part


def cover(parts: Sequence[Part], shape: Sequence[int]) -> bool:
    """Return whether parts that do not overlap leave nothing of `shape` out."""
    return sum(math.prod(part.shape) for part in parts) == math.prod(shape)


def overlap(parts: Sequence[Part]) -> bool:
    """Return whether any two parts have an element in common.

    Each part is compared with those that share rows with it: time goes by the parts times the most
    of them in one row, and a stack of 10,000 frames takes no longer than 10,000 steps.
    """
    active: list[Part] = []
    for part in sorted(parts, key=lambda part: part.corner):
        active = [other for other in active if other.stop > part.corner[0]]
        if any(other.shared(part.corner, part.shape) for other in active):
            return True
        active.append(part)
    return False


def merge(parts: Sequence[Part]) -> tuple[Part, ...]:
    """Return the same boxes, those that go on along rows of one source as one.

    A stack whose frames were mapped one by one from one array is that array again.
    """
    made: list[Part] = []
    for part in sorted(parts, key=lambda part: (part.corner[1:], part.corner[0])):
        if made and _goes_on(made[-1], part):
            sides = (made[-1].shape[0] + part.shape[0], *part.shape[1:])
            made[-1] = replace(made[-1], shape=sides, source_shape=sides)
        else:
            made.append(part)
    return tuple(made)


def _goes_on(part: Part, other: Part) -> bool:
    """Return whether `other` follows `part` in the whole as it does in the source of both."""
    if part.source is not other.source or part.shape[1:] != other.shape[1:]:
        return False
    if part.shape != part.source_shape or other.shape != other.source_shape:
        return False
    here, there = (part.stop, *part.corner[1:]), list(part.source_corner)
    there[0] += part.shape[0]
    return other.corner == here and other.source_corner == tuple(there)


def read_paths(parts: Sequence[Part]) -> str:
    """Return the read paths that the parts take, for a person."""
    return ", ".join(dict.fromkeys(d.read_path for part in parts for d in part.source.datasets))
