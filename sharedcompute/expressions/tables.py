"""The operators, constants, methods and names of dtypes that an expression may have."""

from __future__ import annotations

import ast
import math
import operator
from collections.abc import Callable
from types import MappingProxyType
from typing import Any

import numpy as np

from sharedcompute.errors import InputError

BINARY: MappingProxyType[type[ast.operator], tuple[str, Callable[[Any, Any], Any]]]
BINARY = MappingProxyType(
    {
        ast.Add: ("+", operator.add),
        ast.Sub: ("-", operator.sub),
        ast.Mult: ("*", operator.mul),
        ast.Div: ("/", operator.truediv),
        ast.FloorDiv: ("//", operator.floordiv),
        ast.Mod: ("%", operator.mod),
        ast.Pow: ("**", operator.pow),
        ast.BitAnd: ("&", operator.and_),
        ast.BitOr: ("|", operator.or_),
        ast.BitXor: ("^", operator.xor),
        ast.LShift: ("<<", operator.lshift),
        ast.RShift: (">>", operator.rshift),
    }
)

UNARY: MappingProxyType[type[ast.unaryop], tuple[str, Callable[[Any], Any]]]
UNARY = MappingProxyType(
    {
        ast.USub: ("-", operator.neg),
        ast.UAdd: ("+", operator.pos),
        ast.Invert: ("~", operator.invert),
    }
)

COMPARISONS: MappingProxyType[type[ast.cmpop], tuple[str, Callable[[Any, Any], Any]]]
COMPARISONS = MappingProxyType(
    {
        ast.Lt: ("<", operator.lt),
        ast.LtE: ("<=", operator.le),
        ast.Gt: (">", operator.gt),
        ast.GtE: (">=", operator.ge),
        ast.Eq: ("==", operator.eq),
        ast.NotEq: ("!=", operator.ne),
    }
)

CONSTANTS = MappingProxyType({"pi": math.pi, "e": math.e, "nan": math.nan, "inf": math.inf})

DTYPES: MappingProxyType[str, type[Any]] = MappingProxyType(
    {
        "bool": np.bool_,
        "int": np.int64,
        "float": np.float64,
        "complex": np.complex128,
        **{f"int{bits}": np.dtype(f"i{bits // 8}").type for bits in (8, 16, 32, 64)},
        **{f"uint{bits}": np.dtype(f"u{bits // 8}").type for bits in (8, 16, 32, 64)},
        **{f"float{bits}": np.dtype(f"f{bits // 8}").type for bits in (16, 32, 64)},
        **{f"complex{bits}": np.dtype(f"c{bits // 8}").type for bits in (64, 128)},
    }
)

METHODS = MappingProxyType(
    {
        **dict.fromkeys(("mean", "sum", "prod", "std", "var", "min", "max", "any", "all"), 1),
        **dict.fromkeys(("argmin", "argmax", "cumsum", "cumprod", "astype", "round"), 1),
        **dict.fromkeys(("conj", "conjugate"), 0),
        "clip": 2,
    }
)
"""The methods of arrays, and how many positional arguments they take: one more may be `out`."""

FOREIGN = MappingProxyType(
    {
        "²": "**2",
        "³": "**3",
        "×": "*",
        "·": "*",
        "⋅": "*",
        "÷": "/",
        "−": "-",
        "–": "-",
        "≤": "<=",
        "≥": ">=",
        "≠": "!=",
        "√": "sqrt(...)",
        "∞": "inf",
        "&&": "&",
        "||": "|",
    }
)
"""What formulas are written with elsewhere, and how it is written here."""

LEAST, MOST = -(2**63), 2**64 - 1
"""The whole numbers that arrays can hold."""


def is_number(value: object) -> bool:
    """Return whether a value is a number of Python, which takes the dtype of an array beside it."""
    return type(value) in (bool, int, float, complex)


def fits(value: object) -> bool:
    """Return whether a value is no whole number of Python that is too large for any array."""
    return not isinstance(value, int) or LEAST <= value <= MOST


def check_size(kind: type[ast.operator], a: Any, b: Any) -> None:
    """Refuse an operation on whole numbers of Python whose result would fill the memory.

    Raises
    ------
    InputError
    """
    if type(a) not in (bool, int) or type(b) not in (bool, int):
        return
    bits = abs(a).bit_length()
    power = kind is ast.Pow and b > 0 and abs(a) > 1 and (bits - 1) * b > 64
    shift = kind is ast.LShift and a != 0 and bits + b > 65
    if power or shift:
        sign = BINARY[kind][0]
        number = f"{float(a)} ** {b}" if power else f"{a} * 2.0 ** {b}"
        raise InputError(
            f"expected whole numbers of at most 64 bits, got {a} {sign} {b}; write {number} for a "
            "float"
        )
