"""Evaluation of expressions: operators and functions are applied to what the names stand for."""

from __future__ import annotations

import ast
import inspect
import unicodedata
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np

from sharedcompute.errors import InputError
from sharedcompute.expressions.grammar import Statement, in_order, statements, too_deep
from sharedcompute.expressions.source import Source
from sharedcompute.expressions.tables import (
    BINARY,
    COMPARISONS,
    CONSTANTS,
    DTYPES,
    LEAST,
    METHODS,
    MOST,
    UNARY,
    check_size,
    fits,
    is_number,
)
from sharedcompute.validation.names import meant, suggestion

Functions = Mapping[str, Callable[..., Any]]

_FEW = 30
"""The most functions that an error lists."""


def parse(text: str, names: Mapping[str, object], functions: Functions) -> object:
    """Return the value of an expression.

    Parameters
    ----------
    text : str
        NumPy's operators, calls of `functions`, methods such as ``x.mean(axis=0)``, windows such as
        ``x[100:200, ::2]``, numbers, and the constants pi, e, nan and inf. Numbers have the dtype
        of the array that they are combined with, as in NumPy.
    names : mapping of str to array
        What the names in the text stand for: NumPy's arrays, or others with its operators.
    functions : mapping of str to callable
        The functions that may be called.

    Returns
    -------
    array or number

    Raises
    ------
    InputError
        The text is no expression, has a name that is not known, or its operands do not fit each
        other. The error shows the place.

    Examples
    --------
    >>> import numpy as np
    >>> from sharedcompute.expressions import parse
    >>> parse("sqrt(u**2 + v**2)", {"u": np.float32(3), "v": np.float32(4)}, {"sqrt": np.sqrt})
    np.float32(5.0)
    """
    found = statements(text)
    if len(found) != 1 or found[0].name is not None:
        name = found[0].name
        raise found[0].source.error(
            found[0].value,
            f"expected one expression without a name, got {name} = ...; a comparison is written ==",
        )
    return _values(found, names, functions)[None]


def several(text: str, names: Mapping[str, object], functions: Functions) -> dict[str, object]:
    """Return the values of several expressions by the names that they are given.

    Parameters
    ----------
    text : str
        ``name = expression``, apart by ``;`` or on lines of their own. Later ones may use the names
        of earlier ones.
    names : mapping of str to array
    functions : mapping of str to callable
        As for `parse`.

    Returns
    -------
    dict of str to array or number

    Raises
    ------
    InputError
        As `parse` does.

    Examples
    --------
    >>> from sharedcompute.expressions import several
    >>> several("double = 2 * x; more = double + 1", {"x": 3}, {})
    {'double': 6, 'more': 7}
    """
    found = statements(text)
    if found[0].name is None:
        raise found[0].source.error(
            found[0].value, "expected a name for what is computed; write name = expression"
        )
    return {name: value for name, value in _values(found, names, functions).items() if name}


def check(text: str, names: Iterable[str], functions: Functions) -> None:
    """Refuse a text that has names or functions that are not known.

    Parameters
    ----------
    text : str
    names : iterable of str
        Those that are known; what they stand for is not needed.
    functions : mapping of str to callable

    Raises
    ------
    InputError
        It is no expression, or has such a name. The error shows the place.

    Examples
    --------
    >>> import numpy as np
    >>> from sharedcompute.expressions import check
    >>> check("sqrt(u)", ["u"], {"sqrt": np.sqrt})
    """
    known = (unicodedata.normalize("NFKC", name) for name in names)
    _check(statements(text), dict.fromkeys(known), functions)


def _check(found: tuple[Statement, ...], names: Mapping[str, object], functions: Functions) -> None:
    made = dict.fromkeys(names)
    try:
        for each in found:
            _check_names(each, made, functions)
            if each.name is not None:
                made[each.name] = None
    except RecursionError as error:
        raise too_deep() from error


def _values(
    found: tuple[Statement, ...], names: Mapping[str, object], functions: Functions
) -> dict[str | None, object]:
    """Evaluate statements one after the other, when all names in them are known."""
    # Python normalizes the names in a text: a micro sign becomes the Greek letter.
    known = {unicodedata.normalize("NFKC", name): value for name, value in names.items()}
    values: dict[str | None, object] = {}
    _check(found, known, functions)
    try:
        for each in found:
            value = _Evaluation(each.source, known, functions).value(each.value)
            values[each.name] = value
            if each.name is not None:
                known[each.name] = value
    except RecursionError as error:
        raise too_deep() from error
    return values


def _check_names(statement: Statement, names: Mapping[str, object], functions: Functions) -> None:
    """Refuse names and functions that are not known."""
    source = statement.source
    for node in in_order(statement.value):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
            _check_function(node.func, source, names, functions)
        elif isinstance(node, ast.Name):
            _check_name(node, source, names, functions)


def _check_name(
    node: ast.Name, source: Source, names: Mapping[str, object], functions: Functions
) -> None:
    name = node.id
    if name in names or name in CONSTANTS or name in DTYPES:
        return
    if name in functions:
        raise source.error(node, f"expected an array, got the function {name}; write {name}(...)")
    if name.lower() in ("true", "false", "none"):
        advice = f"did you mean {name.capitalize()!r}?"
    elif name.lower() in CONSTANTS:
        advice = f"did you mean {name.lower()!r}?"
    else:
        advice = suggestion(name, [*names] or CONSTANTS)
    raise source.error(node, f"unknown name {name!r}: {advice}")


def _check_function(
    node: ast.Name, source: Source, names: Mapping[str, object], functions: Functions
) -> None:
    name = node.id
    if name in functions:
        return
    if name in DTYPES:
        raise source.error(node, f"expected a function, got a dtype; write x.astype({name})")
    if name in names or name in CONSTANTS:
        raise source.error(
            node, f"expected a function, got the array {name}; write {name} * (...) to multiply"
        )
    raise source.error(node, f"unknown function {name!r}: {_function_meant(name, functions)}")


def _function_meant(name: str, functions: Functions) -> str:
    """Return the function that was probably meant, or what functions there are."""
    if len(functions) > _FEW and meant(name, functions) is None:
        return (
            "known are those of NumPy that work on elements, reduce, accumulate or change the shape"
        )
    return suggestion(name, functions)


@dataclass(frozen=True)
class _Evaluation:
    """The evaluation of one statement, whose names are known."""

    source: Source
    names: Mapping[str, object]
    functions: Functions

    def value(self, node: ast.expr) -> Any:
        """Return the value of a node."""
        result: Any
        match node:
            case ast.Constant(value=result):
                pass
            case ast.Name(id=name):
                result = self._named(name)
            case ast.BinOp():
                result = self._binary(node)
            case ast.UnaryOp():
                result = self._unary(node)
            case ast.Compare():
                result = self._comparison(node)
            case ast.Call():
                result = self._call(node)
            case ast.Subscript(value=array, slice=index):
                result = self._window(node, self.value(array), index)
            case ast.Tuple(elts=elements):
                result = tuple(map(self.value, elements))
            case ast.List(elts=elements):
                result = list(map(self.value, elements))
            case _:
                raise AssertionError(f"the whitelist lets {ast.dump(node)} through")
        return result

    def _named(self, name: str) -> object:
        if name in self.names:
            return self.names[name]
        return CONSTANTS[name] if name in CONSTANTS else DTYPES[name]

    def _binary(self, node: ast.BinOp) -> Any:
        sign, apply = BINARY[type(node.op)]
        a, b = self.value(node.left), self.value(node.right)
        with self._errors_at(node, sign, a, b):
            check_size(type(node.op), a, b)
            return self._fitting(apply(a, b))

    def _unary(self, node: ast.UnaryOp) -> Any:
        sign, apply = UNARY[type(node.op)]
        a = self.value(node.operand)
        if isinstance(a, bool) and sign == "~":
            return not a  # Python makes it -2 or -1
        with self._errors_at(node, sign, a):
            return self._fitting(apply(a))

    def _comparison(self, node: ast.Compare) -> Any:
        sign, apply = COMPARISONS[type(node.ops[0])]
        a, b = self.value(node.left), self.value(node.comparators[0])
        with self._errors_at(node, sign, a, b):
            return apply(a, b)

    def _fitting(self, result: object) -> object:
        if is_number(result) and not fits(result):
            raise InputError(
                f"expected whole numbers from {LEAST} to {MOST}, got a result beyond; write one of "
                "the numbers as a float, such as 2.0"
            )
        return result

    def _call(self, node: ast.Call) -> Any:
        function: Callable[..., Any]
        if isinstance(node.func, ast.Attribute):
            what, most = f".{node.func.attr}", METHODS[node.func.attr]
            array = self.value(node.func.value)
            if is_number(array) or not hasattr(array, node.func.attr):
                raise self.source.error(node, f"expected an array before {what}, got a number")
            function = getattr(array, node.func.attr)
        else:
            assert isinstance(node.func, ast.Name)
            what, function = node.func.id, self.functions[node.func.id]
            most = function.nin if isinstance(function, np.ufunc) else len(node.args)
        if len(node.args) > most:
            raise self.source.error(
                node,
                f"expected at most {most} arguments of {what} by position, got {len(node.args)}; "
                "give others by keyword",
            )
        given = [self.value(each) for each in node.args]
        keywords = {each.arg: self.value(each.value) for each in node.keywords if each.arg}
        with self._errors_at(node, what):
            if not isinstance(function, np.ufunc):
                _refuse_out(function, given, keywords)
            return function(*given, **keywords)

    def _window(self, node: ast.Subscript, array: Any, index: ast.expr) -> Any:
        if is_number(array):
            raise self.source.error(node, "expected an array before [, got a number")
        axes = index.elts if isinstance(index, ast.Tuple) else [index]
        window = tuple(map(self._along_axis, axes))
        with self._errors_at(node, "[...]"):
            return array[window]

    def _along_axis(self, node: ast.expr) -> object:
        if isinstance(node, ast.Slice):
            bounds = (node.lower, node.upper, node.step)
            return slice(*(None if each is None else self.value(each) for each in bounds))
        return None if isinstance(node, ast.Name) else self.value(node)

    @contextmanager
    def _errors_at(self, node: ast.expr, what: str, *operands: object) -> Iterator[None]:
        """Show the place in the errors of an operation."""
        try:
            yield
        except InputError as error:
            if "\n" in error.text:
                raise
            raise self.source.error(node, error.text) from None
        except (ArithmeticError, AttributeError, LookupError, TypeError, ValueError) as error:
            last = error.args[-1] if error.args else None
            said = " ".join((last if isinstance(last, str) else str(error)).split())
            raise self.source.error(node, f"{what} failed: {said}{_advice(what, operands)}") from (
                error
            )


def _advice(sign: str, operands: tuple[object, ...]) -> str:
    """Return what else may have been meant by an operator that has no meaning for floats."""
    dtypes = [getattr(each, "dtype", np.dtype(type(each))) for each in operands if each is not None]
    if not any(dtype.kind in "fc" for dtype in dtypes):
        return ""
    if sign == "^":
        return "; a power is written **"
    return "; put comparisons in parentheses, as in (u > 0) & (v > 0)" if sign in "&|~" else ""


def _refuse_out(
    function: Callable[..., Any], given: list[object], keywords: dict[str, object]
) -> None:
    """Refuse a positional argument that a function would write to."""
    try:
        bound = inspect.signature(function).bind(*given, **keywords)
    except (TypeError, ValueError):
        return  # It has no signature, or the call says what is wrong with the arguments.
    if "out" in bound.arguments:
        raise InputError("expected fewer arguments: an expression changes no array; use keywords")
