"""The kinds of syntax that an expression may have: all are listed, any other is refused.

Most are refused with what to write instead.
"""

from __future__ import annotations

import ast
import re

from sharedcompute.expressions.source import Source
from sharedcompute.expressions.tables import BINARY, COMPARISONS, METHODS, UNARY, fits, is_number

_MODULES = ("np", "numpy", "math", "da", "xr")

_WORD = re.compile(r"[<>=|]?[A-Za-z_][A-Za-z0-9_-]{0,30}|[?]")
"""Strings are names of dtypes and of choices: nothing longer."""

_OBJECTS = re.compile(r"[<>=|]?(O\d*|object_?|[SUVaMm]\d*|str_?|bytes_?|void)")


def check_expression(node: ast.expr, source: Source, argument: bool = False) -> None:
    """Refuse a node that no expression may have there; strings and tuples are for arguments."""
    match node:
        case ast.Constant():
            _check_constant(node, source, argument)
        case ast.Name():
            checked_name(node, source)
        case ast.BinOp(left=left, op=op, right=right):
            if type(op) not in BINARY:
                raise source.error(
                    node, "expected an operator on elements, got @; write (a * b).sum(axis=-1)"
                )
            check_expression(left, source)
            check_expression(right, source)
        case ast.UnaryOp(op=op, operand=operand):
            if type(op) not in UNARY:
                advice = f"write {_rewritten(node, source)}"
                raise source.error(node, f"expected an operator of arrays, got not; {advice}")
            check_expression(operand, source)
        case ast.Compare(left=left, comparators=comparators):
            _check_comparison(node, source)
            check_expression(left, source)
            check_expression(comparators[0], source)
        case ast.Call():
            _check_call(node, source)
        case ast.Subscript(value=value):
            _check_index(node, source)
            check_expression(value, source)
        case ast.Tuple(elts=elements) | ast.List(elts=elements) if argument:
            for each in elements:
                check_expression(each, source, argument=True)
        case _:
            raise source.error(node, _refused(node, source))


def _refused(node: ast.expr, source: Source) -> str:
    """Return why a kind of node is refused, and what to write instead of it."""
    said: str
    match node:
        case ast.BoolOp(op=op):
            word = "and" if isinstance(op, ast.And) else "or"
            said = f"expected an operator of arrays, got {word}; write {_rewritten(node, source)}"
        case ast.IfExp(test=test, body=body, orelse=other):
            instead = f"where({source.words(test)}, {source.words(body)}, {source.words(other)})"
            said = f"expected a choice for each element, got if ... else; write {instead}"
        case ast.NamedExpr(target=target, value=value):
            instead = f"{source.words(target)} = {source.words(value)}; ..."
            said = f"expected names before an expression, got :=; write {instead}"
        case ast.Attribute(value=ast.Name(id=name), attr=attr) if name in _MODULES:
            said = f"expected {attr} without its module; write {attr}"
        case ast.Attribute(value=value, attr=attr):
            words = source.words(value)
            if attr in METHODS:
                instead = f"{source.operand(value)}.{attr}()"
            elif attr in ("real", "imag"):
                instead = f"{attr}({words})"
            else:
                instead = f"{words} and what is done with it in operators, functions and methods"
            said = f"expected no attribute, got .{attr}; write {instead}"
        case ast.Tuple() | ast.List():
            said = "expected one number or array here, got several; write a = ...; b = ..."
        case ast.Lambda() | ast.ListComp() | ast.SetComp() | ast.DictComp() | ast.GeneratorExp():
            what = "lambda" if isinstance(node, ast.Lambda) else "a loop"
            said = f"expected operations on whole arrays, got {what}; write it with their functions"
        case _:
            said = (
                f"expected numbers, names, operators, calls and x[rows], got "
                f"{source.words(node)[:40]}; write what NumPy has for whole arrays"
            )
    return said


def _rewritten(node: ast.expr, source: Source) -> str:
    """Return truths as they are written with operators of arrays."""
    match node:
        case ast.BoolOp(op=op, values=values):
            sign = "&" if isinstance(op, ast.And) else "|"
            return f" {sign} ".join(_as_operand(each, source) for each in values)
        case ast.UnaryOp(op=ast.Not(), operand=operand):
            return f"~{_as_operand(operand, source)}"
        case ast.Compare(left=left, ops=ops, comparators=comparators) if len(ops) > 1:
            words = [source.words(each) for each in (left, *comparators)]
            signs = [COMPARISONS[type(op)][0] if type(op) in COMPARISONS else "==" for op in ops]
            pairs = zip(words[:-1], signs, words[1:], strict=True)
            return " & ".join(f"({a} {sign} {b})" for a, sign, b in pairs)
    return source.words(node)


def _as_operand(node: ast.expr, source: Source) -> str:
    words = _rewritten(node, source)
    if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.Not):
        return words
    return source.operand(node) if words == source.words(node) else f"({words})"


def _check_constant(node: ast.Constant, source: Source, argument: bool) -> None:
    value = node.value
    if value is None and argument:
        return
    if isinstance(value, str) and argument:
        if not _WORD.fullmatch(value) or _OBJECTS.fullmatch(value):
            raise source.error(
                node, "expected the name of a numeric dtype, such as 'f4', or of a choice"
            )
    elif not is_number(value):
        raise source.error(
            node, f"expected a number or an array here, got {source.words(node)[:40]}"
        )
    elif not fits(value):
        raise source.error(
            node, "expected a whole number of at most 64 bits; write it as a float, such as 1e30"
        )


def checked_name(node: ast.Name, source: Source) -> str:
    """Return a name; refuse those that Python uses itself."""
    if node.id.startswith("__"):
        raise source.error(node, "expected a name that begins with a letter, got one of Python's")
    return node.id


def _check_comparison(node: ast.Compare, source: Source) -> None:
    operands = [node.left, *node.comparators]
    signs = [COMPARISONS[type(op)][0] if type(op) in COMPARISONS else "" for op in node.ops]
    if "" in signs:
        raise source.error(
            node, "expected a comparison of numbers, got in or is; write ==, <, <=, >, >= or !="
        )
    if len(signs) == 1:
        return
    middle = operands[1] if len(signs) == 2 else None
    if isinstance(middle, ast.BinOp) and type(middle.op) in (ast.BitAnd, ast.BitOr, ast.BitXor):
        # `a > 0 & b > 0` is a > (0 & b) > 0.
        words, join = source.words, BINARY[type(middle.op)][0]
        left = f"({words(operands[0])} {signs[0]} {words(middle.left)})"
        right = f"({words(middle.right)} {signs[1]} {words(operands[2])})"
        raise source.error(
            node, f"expected comparisons in parentheses around {join}; write {left} {join} {right}"
        )
    raise source.error(node, f"expected one comparison at a time; write {_rewritten(node, source)}")


def _check_call(node: ast.Call, source: Source) -> None:
    match node.func:
        case ast.Attribute(value=ast.Name(id=name), attr=attr) if name in _MODULES:
            raise source.error(node.func, f"expected {attr} without its module; write {attr}(...)")
        case ast.Attribute(value=value, attr=attr):
            if attr not in METHODS:
                raise source.error(
                    node.func,
                    f"expected a method out of {', '.join(sorted(METHODS))}, got .{attr}; "
                    f"functions are written {attr}({source.words(value)})",
                )
            check_expression(value, source)
        case ast.Name():
            checked_name(node.func, source)
        case function:
            advice = f"write {source.operand(function)} * (...) to multiply"
            raise source.error(node, f"expected a function before the parenthesis; {advice}")
    _check_arguments(node, source)


def _check_arguments(node: ast.Call, source: Source) -> None:
    starred = [each for each in node.args if isinstance(each, ast.Starred)]
    if starred:
        raise source.error(starred[0], "expected arguments one by one, got *")
    for keyword in node.keywords:
        if keyword.arg is None:
            raise source.error(keyword, "expected arguments one by one, got **")
        if keyword.arg == "out":
            raise source.error(keyword, "expected no out: an expression changes no array; omit it")

    for value in [*node.args, *(keyword.value for keyword in node.keywords)]:
        check_expression(value, source, argument=True)


def _check_index(node: ast.Subscript, source: Source) -> None:
    index = node.slice
    for each in index.elts if isinstance(index, ast.Tuple) else [index]:
        bounds = [each.lower, each.upper, each.step] if isinstance(each, ast.Slice) else [each]
        for bound in bounds:
            if bound is not None and not _is_bound(bound, isinstance(each, ast.Slice)):
                raise source.error(
                    bound,
                    "expected whole numbers and slices, such as x[100:200, :, ::2]; write "
                    "where(condition, x, nan) to select elements",
                )


def _is_bound(node: ast.expr, in_slice: bool) -> bool:
    if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.USub):
        return isinstance(node.operand, ast.Constant) and type(node.operand.value) is int
    if isinstance(node, ast.Constant):
        return type(node.value) is int or (not in_slice and node.value in (None, ...))
    return isinstance(node, ast.Name) and node.id == "newaxis" and not in_slice
