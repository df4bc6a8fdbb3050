"""Operations as users give them: by name, of their own, or a kernel."""

from __future__ import annotations

from collections.abc import Iterable

from sharedcompute.api.typing import OperationLike
from sharedcompute.errors import InputError
from sharedcompute.operations.catalogue import expect, find
from sharedcompute.operations.declarations import Map, Operation, Reduce, Scan


def operation(op: OperationLike, *kinds: str) -> Operation:
    """Return an operation of one of some kinds.

    Raises
    ------
    InputError
        There is none of that name, or it is of another kind.
    """
    if isinstance(op, str):
        return find(op, *kinds)
    if isinstance(op, Map | Reduce | Scan):
        return expect(op, *kinds)
    if callable(op) and "map" in kinds:
        return Map(getattr(op, "__name__", "kernel"), op)
    raise InputError(f"expected an operation or its name, got {op!r}")


def reductions(op: OperationLike | Iterable[OperationLike]) -> tuple[tuple[Operation, ...], bool]:
    """Return one or several reductions, and whether one alone was named."""
    if isinstance(op, str | Reduce) or not isinstance(op, Iterable):
        return (operation(op, "reduce"),), True
    several = tuple(operation(o, "reduce") for o in op)
    if not several:
        raise InputError("expected at least one reduction, got none: name one")
    return several, False
