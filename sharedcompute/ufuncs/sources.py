"""How functions are written for numba, where IEEE 754 or integer arithmetic fixes their bits.

What is not here NumPy does: complex numbers and float16; conversions of floating to integer
numbers, division and remainders of integers, shifts and powers, which processors, or NumPy and
numba, do differently at the limits; and what libraries of functions compute.
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np

from sharedcompute.ufuncs.promotion import DType, Loop

TYPES = {
    np.dtype(code): code
    for code in ("?", "i1", "i2", "i4", "i8", "u1", "u2", "u4", "u8", "f4", "f8")
}
NAMES = {dtype: code.replace("?", "b1") for dtype, code in TYPES.items()}
"""What numba's types are called in the source."""

ANY = {
    "where": "{1} if {0} else {2}",
    "astype": "{0}",
    "positive": "{0}",
    "conjugate": "{0}",
    "real": "{0}",
    "equal": "{0} == {1}",
    "not_equal": "{0} != {1}",
}
NUMBERS = {
    "add": "{0} + {1}",
    "subtract": "{0} - {1}",
    "multiply": "{0} * {1}",
    "square": "{0} * {0}",
    "less": "{0} < {1}",
    "less_equal": "{0} <= {1}",
    "greater": "{0} > {1}",
    "greater_equal": "{0} >= {1}",
    "logical_and": "({0} != {S}(0)) & ({1} != {S}(0))",
    "logical_or": "({0} != {S}(0)) | ({1} != {S}(0))",
    "logical_xor": "({0} != {S}(0)) != ({1} != {S}(0))",
    "logical_not": "{0} == {S}(0)",
}
LESSER, GREATER = "{0} if {0} < {1} else {1}", "{0} if {0} > {1} else {1}"
CLIP_TO_NUMBERS = "clip to numbers"
"""``clip`` where both bounds are numbers, and not NaN: then NaN and -0.0 stay what they are."""
CLIPPED = "{2} if ({1} if {0} < {1} else {0}) > {2} else ({1} if {0} < {1} else {0})"
INTEGERS = {
    "negative": "{T}(0) - {0}",
    "absolute": "{0} if {0} >= {T}(0) else {T}(0) - {0}",
    "sign": "{T}(1) if {0} > {T}(0) else ({T}(0) if {0} == {T}(0) else {T}(0) - {T}(1))",
    "bitwise_and": "{0} & {1}",
    "bitwise_or": "{0} | {1}",
    "bitwise_xor": "{0} ^ {1}",
    "invert": "~{0}",
    "minimum": LESSER,
    "maximum": GREATER,
    CLIP_TO_NUMBERS: CLIPPED,
    "floor": "{0}",
    "ceil": "{0}",
    "trunc": "{0}",
}
FLOATS = {
    "divide": "{0} / {1}",
    "reciprocal": "{T}(1) / {0}",
    "negative": "-{0}",
    "absolute": "abs({0})",
    "fabs": "abs({0})",
    "sqrt": "math.sqrt({0})",
    "sign": (
        "{T}(1) if {0} > {T}(0) else "
        "({T}(-1) if {0} < {T}(0) else ({T}(0) if {0} == {T}(0) else {0}))"
    ),
    "floor": "np.floor({0})",
    "ceil": "np.ceil({0})",
    "trunc": "np.trunc({0})",
    "rint": "np.rint({0})",
    CLIP_TO_NUMBERS: CLIPPED,
    "isnan": "{0} != {0}",
    "isinf": "abs({0}) == {S}(np.inf)",
    "isfinite": "abs({0}) < {S}(np.inf)",
    "signbit": "math.copysign({S}(1), {0}) < {S}(0)",
    "copysign": "math.copysign({0}, {1})",
}
# NaN of the first operand, then of the second; of two zeros the second. It is what processors of
# this kind have an instruction for, if NumPy uses it: `_extrema_agree` asks.
EXTREMA = {
    "minimum": "{0} if {0} != {0} else ({0} if {0} < {1} else {1})",
    "maximum": "{0} if {0} != {0} else ({0} if {0} > {1} else {1})",
}
BOOLEANS = {
    "add": "{0} | {1}",
    "maximum": "{0} | {1}",
    "bitwise_or": "{0} | {1}",
    "multiply": "{0} & {1}",
    "minimum": "{0} & {1}",
    "bitwise_and": "{0} & {1}",
    "bitwise_xor": "{0} != {1}",
    "invert": "not {0}",
    "absolute": "{0}",
    "logical_and": "{0} & {1}",
    "logical_or": "{0} | {1}",
    "logical_xor": "{0} != {1}",
    "logical_not": "not {0}",
}


def expression(function: str, loop: Loop) -> str | None:
    """Return the source of a function of operands ``{0}``, ``{1}`` ... in a loop, if it has one.

    Parameters
    ----------
    function : str
        Its name.
    loop : Loop
        The dtypes that it computes in.
    """
    if any(dtype not in TYPES for dtype in (*loop.operands, loop.result)):
        return None
    template = _template(function, loop)
    if template is None:
        return None
    operands = ("{0}", "{1}", "{2}")
    names = {"T": NAMES[loop.result], "S": NAMES[loop.operands[0]]}
    source = template.format(*operands, **names)
    return source if loop.result.kind == "b" else f"{names['T']}({source})"


def conversion(operand: str, dtype: DType, wanted: DType) -> str | None:
    """Return the source of an operand converted to a dtype, None where NumPy has to do it."""
    if dtype == wanted:
        return operand
    if dtype not in TYPES or wanted not in TYPES or (dtype.kind, wanted.kind) in FORBIDDEN:
        return None
    if wanted.kind == "b":
        return f"({operand} != {NAMES[dtype]}(0))"
    return f"{NAMES[wanted]}({operand})"


FORBIDDEN = {("f", "i"), ("f", "u")}


def _template(function: str, loop: Loop) -> str | None:
    if function in ("where", "astype"):
        return ANY[function]
    kinds = {dtype.kind for dtype in loop.operands}
    if len(set(loop.operands)) != 1:
        return None
    (kind,) = kinds
    if function in ("minimum", "maximum") and kind == "f":
        agrees = _extrema_agree(function, loop.result)
        return EXTREMA[function] if agrees else None
    of_kind = {"b": BOOLEANS, "i": NUMBERS | INTEGERS, "u": NUMBERS | INTEGERS}
    return of_kind.get(kind, NUMBERS | FLOATS).get(function) or ANY.get(function)


@lru_cache
def _extrema_agree(function: str, dtype: DType) -> bool:
    """Return whether NumPy's extremum of zeros of two signs, and of NaN, is the one written here.

    Its loops take vectors of several lengths, and single numbers: all of them are asked.
    """
    special = np.array([0.0, -0.0, np.nan, -np.nan, 1.0, -1.0, np.inf, -np.inf], dtype)
    x, y = (part.ravel() for part in np.meshgrid(special, special))
    call = np.minimum if function == "minimum" else np.maximum
    beyond = x < y if function == "minimum" else x > y
    wanted = np.where(np.isnan(x) | beyond, x, y)
    with np.errstate(all="ignore"):
        scalars = [call(*pair) for pair in zip(x[:, None], y[:, None], strict=True)]
        found = np.concatenate([call(np.tile(x, 9), np.tile(y, 9)), *scalars])
    return bool(found.tobytes() == np.tile(wanted, 10).tobytes())
