"""Texts as syntax trees that hold nothing but expressions of NumPy: Python's parser reads them."""

from __future__ import annotations

import ast
import keyword
import re
import unicodedata
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from sharedcompute.errors import InputError
from sharedcompute.expressions.source import Source
from sharedcompute.expressions.tables import CONSTANTS, DTYPES, FOREIGN
from sharedcompute.expressions.whitelist import check_expression, checked_name

_LONGEST, _DEEPEST, _DIGITS = 10_000, 200, 400
"""The most characters, levels of nesting, and digits of a number."""


@dataclass(frozen=True)
class Statement:
    """An expression of a text, and the name that is given to it.

    Parameters
    ----------
    name : str or None
    value : ast.expr
    source : Source
        The text in which it stands.
    """

    name: str | None
    value: ast.expr
    source: Source


def statements(text: str) -> tuple[Statement, ...]:
    """Read a text: one expression, or several with names, apart by ``;`` or on lines of their own.

    Raises
    ------
    InputError
        It shows the place, and says what to write instead.
    """
    source = Source(_dedented(text))
    module = _parsed(source)
    _check_depth(module)
    try:
        found = tuple(_statement(each, source) for each in module.body)
    except RecursionError:  # Little was left of the caller's stack.
        raise too_deep() from None
    if not found:
        raise InputError("expected an expression such as sqrt(u**2 + v**2), got none")
    if len(found) > 1:
        for each in found:
            if each.name is None:
                raise source.error(
                    each.value,
                    f"expected a name for each of several expressions, got none; write name = "
                    f"{source.words(each.value)}",
                )
    twice = [each for i, each in enumerate(found) if each.name in [e.name for e in found[:i]]]
    if twice:
        raise source.error(
            twice[0].value,
            f"expected each name once, got {twice[0].name} again; write another name",
        )
    return found


def names_in(text: str) -> tuple[str, ...]:
    """Return the names that must be given to evaluate a text, in the order of their first use.

    Constants such as ``pi`` need not be given, nor what an earlier expression has named.

    Parameters
    ----------
    text : str
        One expression, or several with names.

    Returns
    -------
    tuple of str

    Raises
    ------
    InputError
        The text is no expression.

    Examples
    --------
    >>> from sharedcompute.expressions import names_in
    >>> names_in("sqrt(u**2 + v**2) * 2 * pi")
    ('u', 'v')
    >>> names_in("speed = hypot(u, v); slow = speed < 3")
    ('u', 'v')
    """
    used: dict[str, None] = {}
    made: set[str] = set()
    for each in statements(text):
        for node in in_order(each.value):
            if isinstance(node, ast.Name) and node.id not in made:
                used.setdefault(node.id)
        if each.name is not None:
            made.add(each.name)
    return tuple(name for name in used if name not in CONSTANTS and name not in DTYPES)


def outputs_in(text: str) -> tuple[str, ...]:
    """Return the names that a text gives to its expressions; none where it is one without a name.

    Parameters
    ----------
    text : str
        One expression, or several with names.

    Returns
    -------
    tuple of str

    Raises
    ------
    InputError
        The text is no expression.

    Examples
    --------
    >>> from sharedcompute.expressions import outputs_in
    >>> outputs_in("speed = hypot(u, v); slow = speed < 3")
    ('speed', 'slow')
    """
    return tuple(each.name for each in statements(text) if each.name is not None)


def is_expression(text: str, names: Iterable[str]) -> bool:
    """Return whether a text is an expression of any of some names, and no address.

    Parameters
    ----------
    text : str
    names : iterable of str

    Returns
    -------
    bool

    Examples
    --------
    >>> from sharedcompute.expressions import is_expression
    >>> is_expression("u > 0", ["u"]), is_expression("u.h5::/mask", ["u"])
    (True, False)
    """
    try:
        return "::" not in text and not {*names}.isdisjoint(names_in(text))
    except InputError:
        return False


def checked_input(name: str) -> str:
    """Return a name as expressions have it; refuse one that an array in them cannot have.

    Raises
    ------
    InputError

    Examples
    --------
    >>> from sharedcompute.expressions import checked_input
    >>> checked_input("u10")
    'u10'
    """
    found = unicodedata.normalize("NFKC", name)
    if not found.isidentifier() or found.startswith("__"):
        raise InputError(f"expected a name of letters, digits and underscores, got {name!r}")
    if keyword.iskeyword(found) or found in CONSTANTS or found in DTYPES:
        raise InputError(f"{found} means something else in expressions: choose another name")
    return found


def in_order(node: ast.AST) -> Iterator[ast.AST]:
    """Iterate over the nodes as they stand in the text, without indices and called functions."""
    yield node
    for child in ast.iter_child_nodes(node):
        called = isinstance(node, ast.Call) and child is node.func and isinstance(child, ast.Name)
        index = isinstance(node, ast.Subscript) and child is node.slice
        if not called and not index:
            yield from in_order(child)


def _dedented(text: object) -> str:
    """Return a text whose lines begin where the first one does."""
    if not isinstance(text, str):
        raise InputError(f"expected an expression as text, got {text!r}")
    if len(text) > _LONGEST:
        raise InputError(
            f"expected an expression of at most {_LONGEST} characters, got {len(text)}; store "
            "parts of it first"
        )
    lines = [line.rstrip() for line in text.split("\n")]
    lines = [line for line in lines if line] or [""]
    indent = len(lines[0]) - len(lines[0].lstrip())
    return "\n".join(line[indent:] if not line[:indent].strip() else line for line in lines)


def _parsed(source: Source) -> ast.Module:
    """Parse a text by Python's parser; its failures become errors of ours."""
    text = source.text
    _check_characters(source)
    try:
        return ast.parse(text)
    except SyntaxError as error:
        raise _misspelled(source, error) from None
    except (ValueError, MemoryError, RecursionError):
        raise too_deep() from None


def _check_characters(source: Source) -> None:
    for at, character in enumerate(source.text):
        if not character.isprintable() and character not in "\n\t":
            raise source.error_at(at, f"expected printable characters, got {character!r}")
    for sign, here in FOREIGN.items():
        if sign in source.text:
            at = source.text.index(sign)
            problem = f"expected operators of NumPy, got {sign}; write {here}"
            raise source.error_at(at, problem, len(sign))
    digits = re.search(rf"[0-9_]{{{_DIGITS},}}", source.text)
    if digits:
        raise source.error_at(
            digits.start(),
            f"expected numbers of at most 64 bits, got one of {len(digits[0])} digits; write it as "
            "a float, such as 1e300",
            len(digits[0]),
        )


def _misspelled(source: Source, error: SyntaxError) -> InputError:
    """Return the error for a text that is no Python."""
    said = error.msg or "invalid syntax"
    if "==" in said:
        advice = "a comparison is written =="
    elif "decimal literal" in said or "imaginary literal" in said:
        advice = "write an operator after the number, such as 2 * x, and names from a letter on"
    elif "indent" in said:
        advice = "put parentheses around what takes several lines"
    elif "!" in source.text and "!=" not in source.text:
        advice = "not is written ~, as in ~(u > 0)"
    elif "too many nested" in said:
        return too_deep()
    else:
        advice = "write it as in NumPy, such as sqrt(u**2 + v**2)"
    problem = f"expected an expression, got what Python cannot read ({said}); {advice}"
    return source.error_of_python(error, problem)


def too_deep() -> InputError:
    """Return the error for an expression that is too deep to walk."""
    return InputError(
        f"expected an expression of at most {_DEEPEST} levels of parentheses and operators, got "
        "more; give names to parts of it, as in s = u**2 + v**2; speed = sqrt(s)"
    )


def _check_depth(module: ast.Module) -> None:
    """Refuse a tree that is too deep to walk. A long sum is a tree as deep as it has terms."""
    level: list[ast.AST] = [module]
    for _ in range(_DEEPEST):
        level = [child for node in level for child in ast.iter_child_nodes(node)]
        if not level:
            return
    raise too_deep()


def _statement(node: ast.stmt, source: Source) -> Statement:
    name: str | None = None
    if isinstance(node, ast.Expr):
        value = node.value
    elif isinstance(node, ast.Assign) and len(node.targets) == 1:
        target, value = node.targets[0], node.value
        if not isinstance(target, ast.Name):
            raise source.error(target, "expected a name before =; a comparison is written ==")
        name = checked_name(target, source)
    elif isinstance(node, ast.AugAssign | ast.AnnAssign):
        raise source.error(node, "expected name = expression, got another assignment; write =")
    else:
        raise source.error(
            node, "expected expressions, alone or as name = expression, got a statement of Python"
        )
    check_expression(value, source)
    return Statement(name, value, source)
