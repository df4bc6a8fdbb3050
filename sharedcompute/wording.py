"""Options in the text of errors: said once, spelled by who shows the text.

Python has ``resume=True`` and ``sigma=2``, the command line ``--resume`` and ``-p sigma=2``. What
names an option in a text is made by `flag`, `option` or `parameter`: the command line's spelling
between marks that take no room, which `in_python` and `on_command_line` find again. So a text that
nobody has spelled can be read as well.
"""

from __future__ import annotations

import re

_FLAG, _OPTION, _PARAMETER = "\u2060\u2061", "\u2060\u2062", "\u2060\u2063"
_END = "\u2060\u2064"
_SAID = re.compile("\u2060([\u2061\u2062\u2063])(.*?)\u2060\u2064", re.DOTALL)


def flag(name: str) -> str:
    """Name an option that is true where it is given."""
    return f"{_FLAG}--{_dashed(name)}{_END}"


def option(name: str, value: str | int = "") -> str:
    """Name an option that takes a value, which may be left open."""
    given = f" {value}" if value != "" else ""
    return f"{_OPTION}--{_dashed(name)}{given}{_END}"


def parameter(name: str, value: str | int = "...") -> str:
    """Name a parameter of an operation."""
    return f"{_PARAMETER}-p {name}={value}{_END}"


def in_python(text: str) -> str:
    """The text with keyword arguments."""

    def keyword(said: re.Match[str]) -> str:
        kind, words = said[1], said[2]
        if kind == "\u2063":
            name, _, value = words.removeprefix("-p ").partition("=")
        else:
            name, _, value = words.removeprefix("--").partition(" ")
            name = name.replace("-", "_")
        if kind == "\u2061":
            return f"{name}=True"
        number = re.fullmatch(r"[\d.]*", value)
        return f"{name}={value or '...'}" if number else f"{name}={value!r}"

    return _SAID.sub(keyword, text)


def on_command_line(text: str) -> str:
    """The text with the options and ``-p`` of the command line."""
    return _SAID.sub(lambda said: said[2], text)


def _dashed(name: str) -> str:
    return name.replace("_", "-")
