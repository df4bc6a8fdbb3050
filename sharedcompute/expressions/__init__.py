"""Expressions of NumPy as text: ``sqrt(u**2 + v**2)``, read by a whitelist, never by ``eval``.

`grammar` reads a text and refuses what is none, `tables` has the operators and names, `evaluation`
applies them to arrays. Arrays are whatever has NumPy's operators; functions come from the caller.
"""

from sharedcompute.expressions.evaluation import check, parse, several
from sharedcompute.expressions.grammar import checked_input, is_expression, names_in, outputs_in

__all__ = ["check", "checked_input", "is_expression", "names_in", "outputs_in", "parse", "several"]
