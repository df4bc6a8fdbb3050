"""Expressions as text on lazy arrays: which functions they may call, and what they are."""

from __future__ import annotations

import functools
import math
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

import numpy as np

from sharedcompute.api.lazy.array import LazyArray
from sharedcompute.api.lazy.functions import FUNCTIONS
from sharedcompute.api.lazy.opening import lazy
from sharedcompute.api.lazy.operands import named
from sharedcompute.api.lazy.operations import applied
from sharedcompute.api.lazy.xp import OLDER
from sharedcompute.api.typing import ArrayInput
from sharedcompute.errors import InputError
from sharedcompute.expressions import check, parse, several
from sharedcompute.expressions.grammar import in_order, statements
from sharedcompute.graph.node import Node
from sharedcompute.graph.text import inputs_of
from sharedcompute.graph.text import text as text_of
from sharedcompute.operations.catalogue import CATALOGUE
from sharedcompute.operations.declarations import Operation, Reduce
from sharedcompute.planning.job import ExpressionStep
from sharedcompute.ufuncs.functions import FUNCTIONS as ELEMENTWISE

Functions = Mapping[str, Callable[..., Any]]

NOTHING: Mapping[str, LazyArray] = MappingProxyType({})

OF_NO_ARRAY = frozenset({np.copy, np.empty_like, np.iscomplexobj, np.isrealobj, np.result_type})
"""Functions that make no sense, or no array, in an expression."""


@dataclass(frozen=True)
class Written:
    """An expression of a text.

    Parameters
    ----------
    name : str
        The name that the text gives to it; empty where it gives none.
    text : str
        The expression itself.
    node : Node
    names : mapping of str to str
        What the text calls the arrays that it is made of, by the keys of their nodes.
    """

    name: str
    text: str
    node: Node
    names: Mapping[str, str]

    @property
    def called(self) -> str:
        """Its name, or the expression where it has none."""
        return self.name or self.text

    @property
    def size(self) -> int:
        """Number of elements."""
        return math.prod(self.node.spec.shape)

    def step(self, save: str | None = None, *, wanted: bool = True) -> ExpressionStep:
        """Return the step of a job that computes it."""
        return ExpressionStep(
            self.node, save, self.text, name=self.name, names=self.names, wanted=wanted
        )

    def rows(self) -> ExpressionStep:
        """Return a step whose rows only later steps want.

        Raises
        ------
        InputError
            It is a number.
        """
        if not self.node.spec.shape:
            raise InputError(
                f"expected an expression with rows, got a number, {self.text}: compute it by map"
            )
        return self.step(wanted=False)


@functools.cache
def functions() -> Functions:
    """Return the functions of expressions: those of NumPy that are lazy, and our operations.

    An operation has its parameters by keyword: ``gaussian(u, sigma=2)``.
    """
    named = {name: getattr(np, name) for name in ELEMENTWISE if hasattr(np, name)}
    named |= {each.__name__: each for each in FUNCTIONS if each not in OF_NO_ARRAY}
    named |= {name: getattr(np, other) for name, other in OLDER.items() if other in named}
    return MappingProxyType({**called(CATALOGUE.values()), **named})


def called(operations: Iterable[Operation]) -> Functions:
    """Return operations as functions of lazy arrays; NumPy's reductions are known already."""
    return {op.name: _called(op) for op in operations if not isinstance(op, Reduce)}


def _called(op: Operation) -> Callable[..., LazyArray]:
    def call(x: object, **params: object) -> LazyArray:
        if not isinstance(x, LazyArray):
            raise InputError(f"{op.name}: expected an array, got {x!r}")
        return applied(op, x, params)

    return call


def check_names(text: str, names: Iterable[str], own: Iterable[Operation] = ()) -> None:
    """Refuse a text with names or functions that are not known, before arrays are opened.

    Raises
    ------
    InputError
    """
    check(text, names, {**functions(), **called(own)})


def evaluated(
    text: str,
    arrays: Mapping[str, LazyArray],
    own: Iterable[Operation] = (),
    *,
    before: Mapping[str, LazyArray] = NOTHING,
) -> tuple[Written, ...]:
    """Return the expressions of a text; not those whose names begin with an underscore.

    Parameters
    ----------
    text : str
        One expression, or several with names.
    arrays : mapping of str to LazyArray
    own : iterable of Operation
        Operations of the user's own, which it may call.
    before : mapping of str to LazyArray
        What earlier expressions have named.

    Raises
    ------
    InputError
        It is no expression, or one of numbers alone.
    """
    found = statements(text)
    arrays = {name: named(array, name) for name, array in arrays.items()}
    known, given = {**functions(), **called(own)}, {**arrays, **before}
    alone = found[0].name is None
    values = {"": parse(text, given, known)} if alone else several(text, given, known)
    names = _names(arrays)
    made: list[Written] = []
    for each in found:
        name = each.name or ""
        if name.startswith("_"):
            continue
        value = values[name]
        if not isinstance(value, LazyArray):
            raise each.source.error(
                each.value, f"expected an expression of arrays, got {value!r}; name an array in it"
            )
        words = each.source.words(each.value)
        used = {node.id for node in in_order(each.value) if hasattr(node, "id")}
        if used & {*before, *(other.name for other in found)}:
            words = text_of(value.node, names)  # Alone, names of the text would say nothing.
        made.append(Written(name, words, value.node, names))
    if not made:
        raise InputError(
            "expected an expression to keep, got only names that begin with an underscore, which "
            "are for parts of others: name one without"
        )
    return tuple(made)


def _names(arrays: Mapping[str, LazyArray]) -> dict[str, str]:
    """Return names by the keys of nodes: of arrays, and of what is read where that is one."""
    names: dict[str, str] = {}
    for name, array in arrays.items():
        reads = inputs_of([array.node])
        if len(reads) == 1:
            names.setdefault(reads[0].key, name)
        names[array.node.key] = name
    return names


def expr(text: str, names: Mapping[str, ArrayInput] | None = None, /, **arrays: Any) -> LazyArray:
    """Return the lazy array of an expression that is a text.

    Parameters
    ----------
    text : str
        NumPy's operators, functions and methods, and our operations, on names:
        ``sqrt(u**2 + v**2)``, ``x - x.mean(axis=0)``, ``gaussian(x, sigma=2)``.
    names : mapping of str to array_like or address, optional
        What the names stand for.
    **arrays
        The same as keywords.

    Returns
    -------
    LazyArray
        Nothing is read before its numbers are asked for.

    Raises
    ------
    InputError
        It is no expression, a name is not known, or arrays do not fit each other; the place is
        underlined.

    Examples
    --------
    >>> import numpy as np
    >>> import sharedcompute as sc
    >>> u, v = np.array([3.0, 5.0]), np.array([4.0, 12.0])
    >>> sc.expr("sqrt(u**2 + v**2)", u=u, v=v).compute()
    array([ 5., 13.])
    """
    given = {**(names or {}), **arrays}
    found = evaluated(text, {name: lazy(array) for name, array in given.items()})
    if len(found) != 1:
        raise InputError(
            f"expected one expression, got {len(found)}: call it for each, and compute them "
            "together by sharedcompute.compute(a, b)"
        )
    return LazyArray(found[0].node)
