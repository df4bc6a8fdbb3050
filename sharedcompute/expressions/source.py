"""The text of an expression, and errors that show a place in it."""

from __future__ import annotations

import ast
from dataclasses import dataclass

from sharedcompute.errors import InputError

_WIDTH = 100
"""The most characters of a line that an error shows."""

_ATOMS = (ast.Name, ast.Constant, ast.Call, ast.Attribute, ast.Subscript)


@dataclass(frozen=True)
class Source:
    """The text of expressions.

    Parameters
    ----------
    text : str
        As it was parsed: the positions of nodes refer to it.
    """

    text: str

    def error(self, node: ast.expr | ast.stmt | ast.keyword, problem: str) -> InputError:
        """Return an error that underlines a node."""
        line = self._line(node.lineno)
        first = _characters(line, node.col_offset)
        last = len(line)
        if node.end_lineno == node.lineno and node.end_col_offset is not None:
            last = _characters(line, node.end_col_offset)
        return InputError(f"{problem}\n{underlined(line, first, last)}")

    def error_at(self, at: int, problem: str, length: int = 1) -> InputError:
        """Return an error that underlines characters of the text."""
        start = self.text.rfind("\n", 0, at) + 1
        line = self.text[start:].partition("\n")[0]
        return InputError(f"{problem}\n{underlined(line, at - start, at - start + length)}")

    def error_of_python(self, error: SyntaxError, problem: str) -> InputError:
        """Return an error that underlines what Python's parser stopped at."""
        line = self._line(error.lineno or 1)
        first = max(0, (error.offset or 1) - 1)
        same = error.end_lineno == error.lineno and (error.end_offset or 0) > first + 1
        last = (error.end_offset or 0) - 1 if same else first + 1
        return InputError(f"{problem}\n{underlined(line, first, last)}")

    def words(self, node: ast.expr) -> str:
        """Return the text of a node, on one line."""
        return " ".join((ast.get_source_segment(self.text, node) or "...").split())

    def operand(self, node: ast.expr) -> str:
        """Return the text of a node, in parentheses if an operator beside it would tear it up."""
        words = self.words(node)
        return words if isinstance(node, _ATOMS) else f"({words})"

    def _line(self, number: int) -> str:
        lines = self.text.split("\n")
        return lines[min(number, len(lines)) - 1]


def underlined(line: str, first: int, last: int) -> str:
    """Return a line, or the part around a place in it, with the place underlined below.

    Parameters
    ----------
    line : str
    first, last : int
        The place: a half-open range of characters.
    """
    start = max(0, min(first - _WIDTH // 4, len(line) - _WIDTH))
    shown = line[start : start + _WIDTH]
    before = "..." if start else ""
    after = "..." if start + _WIDTH < len(line) else ""
    length = max(1, min(last, start + _WIDTH) - first)
    text = before + shown.replace("\t", " ") + after
    return f"    {text}\n    {' ' * (len(before) + first - start)}{'^' * length}"


def _characters(line: str, offset: int) -> int:
    """Return the number of characters in the first bytes of a line, in which Python counts."""
    return len(line.encode()[:offset].decode(errors="ignore"))
