"""Names of options in messages: written once, spelled by the one who prints the message.

Python has ``resume=True`` and ``sigma=2``, the command line ``--resume`` and ``-p sigma=2``.
`flag`, `option` and `parameter` return the name of an option in a message: the spelling of the
command line between zero-width marks, by which `in_python` and `on_command_line` find it. So a
message that is printed as it is can be read as well.
"""

from __future__ import annotations

import re

_FLAG, _OPTION, _PARAMETER = "\u2060\u2061", "\u2060\u2062", "\u2060\u2063"
_END = "\u2060\u2064"
_MARKED = re.compile("\u2060([\u2061\u2062\u2063])(.*?)\u2060\u2064", re.DOTALL)


def flag(name: str) -> str:
    """Name an option that is a flag."""
    return f"{_FLAG}--{_dashed(name)}{_END}"


def option(name: str, value: str | int = "") -> str:
    """Name an option that takes a value, which may be omitted."""
    given = f" {value}" if value != "" else ""
    return f"{_OPTION}--{_dashed(name)}{given}{_END}"


def parameter(name: str, value: str | int = "...") -> str:
    """Name a parameter of an operation."""
    return f"{_PARAMETER}-p {name}={value}{_END}"


def in_python(text: str) -> str:
    """Return the text with options as keyword arguments of Python."""

    def keyword(match: re.Match[str]) -> str:
        kind, words = match[1], match[2]
        if kind == "\u2063":
            name, _, value = words.removeprefix("-p ").partition("=")
        else:
            name, _, value = words.removeprefix("--").partition(" ")
            name = name.replace("-", "_")
        if kind == "\u2061":
            return f"{name}=True"
        number = re.fullmatch(r"[\d.]*", value)
        return f"{name}={value or '...'}" if number else f"{name}={value!r}"

    return _MARKED.sub(keyword, text)


def on_command_line(text: str) -> str:
    """Return the text with options as on the command line."""
    return _MARKED.sub(lambda match: match[2], text)


def _dashed(name: str) -> str:
    return name.replace("_", "-")
