"""Documentation of operations, in numpydoc's sections, from their declarations."""

from __future__ import annotations

import textwrap
from collections.abc import Mapping

from sharedcompute.operations.declarations import Operation
from sharedcompute.operations.fits.declaration import Iterative
from sharedcompute.operations.parameters import Parameter
from sharedcompute.operations.specs import floating, same

WIDTH = 96

DTYPES: Mapping[object, str] = {
    same: "the input's dtype",
    floating: "the input's dtype where it is floating, else float64",
}
"""The dtype of a result, where a declaration has one of the common rules."""


def entry(parameter: Parameter) -> str:
    """Return a parameter's entry of a Parameters section."""
    optional = "optional" if parameter.default is None else f"default: {parameter.default!r}"
    given = "" if parameter.required else f", {optional}"
    return f"{parameter.name} : {parameter.type}{given}\n{_indented(_sentence(parameter.doc))}"


def returned(op: Operation | Iterative) -> str:
    """Return the Returns section: type, shape and dtype."""
    if isinstance(op, Iterative):
        results = textwrap.indent(op.returns, "    ")
        return f"Fitted\n    Results by name, also as attributes.\n\n{results}"
    if op.kind == "reduce":
        shape = 'Of the shape of one row; a number with ``axis="all"``.'
        return f"ndarray\n{_indented(f'{shape} Its dtype: {_result(op)}')}"
    given = "The result; with an address as output, a LazyArray."
    return f"ndarray or LazyArray\n{_indented(f'{given} {_result(op)}')}"


def _result(op: Operation) -> str:
    """Return the shape and dtype of a result: as declared, or by the rule of its dtype."""
    if op.returns:
        return op.returns
    dtype = DTYPES[op.dtype]
    return f"{dtype}." if op.kind == "reduce" else f"Of the input's shape; {dtype}."


def references(op: Operation | Iterative) -> str:
    """Return the References section."""
    marked = (f"- {source}" for source in op.references)
    return "\n".join(textwrap.fill(text, WIDTH, subsequent_indent="  ") for text in marked)


def example(op: Operation | Iterative) -> str:
    """Return the Examples section."""
    setup = ">>> import numpy as np\n>>> import sharedcompute as sc\n"
    return setup + op.example if op.example else ""


def _sentence(text: str) -> str:
    ended = text if text.endswith(".") else f"{text}."
    return ended[:1].upper() + ended[1:]


def _indented(text: str) -> str:
    return textwrap.fill(text, WIDTH, initial_indent="    ", subsequent_indent="    ")
