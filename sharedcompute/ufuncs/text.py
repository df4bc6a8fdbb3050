"""Expressions as text, as one would write them in Python with NumPy's names."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

Call = tuple[str, tuple[int, ...], tuple[tuple[str, object], ...]]
"""A function's name, the numbers of its operands, its attributes."""

LONGEST = 160
"""Characters of an expression that is written without names for what occurs more than once."""

# Python's operators: how tightly they bind.
OPERATORS = {
    "bitwise_or": ("|", 1),
    "bitwise_xor": ("^", 2),
    "bitwise_and": ("&", 3),
    "equal": ("==", 0),
    "not_equal": ("!=", 0),
    "less": ("<", 0),
    "less_equal": ("<=", 0),
    "greater": (">", 0),
    "greater_equal": (">=", 0),
    "left_shift": ("<<", 4),
    "right_shift": (">>", 4),
    "add": ("+", 5),
    "subtract": ("-", 5),
    "multiply": ("*", 6),
    "divide": ("/", 6),
    "floor_divide": ("//", 6),
    "remainder": ("%", 6),
}
PREFIXES = {"negative": "-", "invert": "~"}
PREFIX, ATOM = 7, 9


@dataclass(frozen=True)
class Piece:
    """Text, and how tightly its outermost operator binds."""

    text: str
    binds: int = ATOM

    def inside(self, binds: int) -> str:
        """Return the text for a place in which an operator binds so tightly."""
        return self.text if self.binds >= binds else f"({self.text})"


def write(leaves: Sequence[str], calls: Sequence[Call]) -> str:
    """Return an expression as text.

    Parameters
    ----------
    leaves : sequence of str
        Names of inputs, and constants.
    calls : sequence of tuple
        Functions of leaves and earlier calls; the last is the result.
    """
    lengths = [len(leaf) for leaf in leaves]
    for name, operands, _ in calls:
        lengths.append(len(name) + sum(lengths[operand] + 2 for operand in operands))
    named = _shared(len(leaves), calls) if lengths[-1] > LONGEST else frozenset[int]()
    pieces = [leaf_of(leaf) for leaf in leaves]
    statements: list[str] = []
    for call in calls:
        name, operands, attributes = call
        piece = call_of(name, [pieces[operand] for operand in operands], attributes)
        if len(pieces) in named:
            statements.append(f"t{len(statements)} = {piece.text}; ")
            piece = Piece(f"t{len(statements) - 1}")
        pieces.append(piece)
    return "".join(statements) + pieces[-1].text


def _shared(leaves: int, calls: Sequence[Call]) -> frozenset[int]:
    """Return the calls whose results are used more than once."""
    uses = Counter(operand for _, operands, _ in calls for operand in operands)
    return frozenset(value for value, times in uses.items() if times > 1 and value >= leaves)


def leaf_of(text: str) -> Piece:
    """Return a name or a constant; a negative number stands in brackets in a product."""
    return Piece(text, PREFIX if text.startswith("-") else ATOM)


def call_of(
    name: str, given: Sequence[Piece], attributes: Sequence[tuple[str, object]] = ()
) -> Piece:
    """Return the call of a function: with an operator, where Python has one for it."""
    if name in OPERATORS:
        sign, binds = OPERATORS[name]
        # Comparisons in a row mean something else in Python.
        left = given[0].inside(binds + (binds == 0))
        return Piece(f"{left} {sign} {given[1].inside(binds + 1)}", binds)
    if name in PREFIXES:
        return Piece(PREFIXES[name] + given[0].inside(PREFIX + 1), PREFIX)
    if name == "square":
        return Piece(f"{given[0].inside(ATOM)}**2", PREFIX + 1)
    said = [piece.text for piece in given] + [_attribute(value) for _, value in attributes]
    return Piece(f"{name}({', '.join(said)})")


def _attribute(value: Any) -> str:
    return str(value) if isinstance(value, np.dtype) else repr(value)
