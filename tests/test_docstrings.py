"""Docstrings say what is done in the imperative, and public ones have the sections of numpydoc."""

from __future__ import annotations

import ast
import functools
import importlib
import inspect
import re
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

import sharedcompute

ROOT = Path(__file__).parents[1]
PACKAGE = ROOT / "sharedcompute"

_WORDS = """
    a about after all also an and any as at because before behind below both but by each else every
    for from has here how if in is it its itself many more most nothing nobody not of on once one
    only or our out own same some such than that the their then there these they this those though
    to under until what when whence where whether which while who whoever whose why with without
    yes no rows bytes number numbers size names none true false
"""
NOT_IMPERATIVE = frozenset(_WORDS.split())
"""First words that begin a noun phrase or a clause, not an order."""

VERBS_IN_S = frozenset(
    {"pass", "press", "process", "compress", "cross", "discuss", "express", "focus"}
)
"""Orders that end in s, as the third person does."""

DIALECT = re.compile(
    r"\b(told|came to|come to\b(?! (?:the|an|a) (?:end|barrier))|in vain|at hand"
    r"|what \w+ (?:is|are) made of"
    r"|letter box|letters?|parcels?)\b"
)
"""Words that no neighbour in the field uses for what is reported, resulted or sent."""


class Docstring(NamedTuple):
    """A docstring of a function, and where it stands."""

    room: str
    place: str
    first: str

    @property
    def is_imperative(self) -> bool:
        """Whether the first word may be a verb in the imperative."""
        word = re.match(r"[A-Za-z]+(?:-[a-z]+)?", self.first)
        if word is None:
            return False
        said = word[0].lower()
        third_person = said.endswith("s") and not said.endswith("ss") and said not in VERBS_IN_S
        return not (said in NOT_IMPERATIVE or third_person)


def _modules() -> Iterator[tuple[str, Path, ast.Module]]:
    for path in _paths():
        within = path.relative_to(ROOT if path.is_relative_to(ROOT / "kernels") else PACKAGE)
        yield within.parts[0].removesuffix(".py"), path, _parsed(path)


def _paths() -> list[Path]:
    # `sharedcompute/kernels` is a link to `kernels`.
    ours = [p for p in PACKAGE.rglob("*.py") if "kernels" not in p.relative_to(PACKAGE).parts[:1]]
    return sorted([*ours, *(ROOT / "kernels").glob("*.py")])


@functools.cache
def _parsed(path: Path) -> ast.Module:
    return ast.parse(path.read_text())


def _is_exempt(function: ast.FunctionDef) -> bool:
    """Properties are nouns, and a command's docstring is its help."""
    words = " ".join(ast.unparse(decorator) for decorator in function.decorator_list)
    return bool(
        re.search(r"property|overload|\.(setter|command|group|callback)\b|command\(", words)
    )


@functools.cache
def _docstrings() -> tuple[Docstring, ...]:
    return tuple(_find_docstrings())


def _find_docstrings() -> Iterator[Docstring]:
    for room, path, tree in _modules():
        for node in ast.walk(tree):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and not _is_exempt(node):
                text = ast.get_docstring(node)
                if text:
                    place = f"{path.relative_to(ROOT)}:{node.lineno} {node.name}"
                    yield Docstring(room, place, text.splitlines()[0])


def _rooms() -> list[str]:
    return sorted({room for room, _, _ in _modules()})


@pytest.mark.parametrize("room", _rooms())
def test_first_lines_are_imperative_sentences(room: str) -> None:
    refused = [
        f"{d.place}: {d.first}" for d in _docstrings() if d.room == room and not d.is_imperative
    ]

    assert not refused, "\n".join(refused)


@pytest.mark.parametrize("room", _rooms())
def test_words_are_those_of_the_field(room: str) -> None:
    found = [
        f"{path.relative_to(ROOT)} {getattr(node, 'name', '')}: {said[0]}"
        for where, path, tree in _modules()
        if where == room
        for node in ast.walk(tree)
        if isinstance(node, ast.FunctionDef | ast.ClassDef | ast.Module)
        for said in DIALECT.finditer(ast.get_docstring(node) or "")
    ]

    assert not found, "\n".join(found)


NUMPYDOC = (
    "sharedcompute.team.Team",
    "sharedcompute.team.Worker",
    "sharedcompute.team.messaging.queue.Queue",
    "sharedcompute.sync",
    "sharedcompute.sync.handles",
    "sharedcompute.shm.arrays",
)
"""Classes and modules whose public functions have Parameters, and Returns, where there are any."""


INTERNAL = ("sharedcompute.sync.Control", "sharedcompute.team.Worker.claim_agreed")
"""What the package alone calls."""


def _public(name: str) -> Iterator[tuple[str, object]]:
    module, _, last = name.rpartition(".")
    found = getattr(importlib.import_module(module), last, None)
    if found is None or inspect.ismodule(found):
        found = importlib.import_module(name)
        for key in getattr(found, "__all__", None) or vars(found):
            value = getattr(found, key)
            value = getattr(value, "py_func", value)
            if getattr(value, "__module__", "").startswith(name) and not key.startswith("_"):
                if inspect.isfunction(value):
                    yield f"{name}.{key}", value
                elif inspect.isclass(value):
                    yield from _methods(f"{name}.{key}", value)
    else:
        yield from _methods(name, found)


def _methods(name: str, cls: type) -> Iterator[tuple[str, object]]:
    for base in cls.__mro__:
        if base.__module__.startswith("sharedcompute"):
            for key, value in vars(base).items():
                if inspect.isfunction(value) and not key.startswith("_"):
                    yield f"{name}.{key}", value


@pytest.mark.parametrize("name", NUMPYDOC)
def test_public_functions_document_their_parameters_and_what_they_return(name: str) -> None:
    lacking = []
    for place, function in _public(name):
        if place.startswith(INTERNAL):
            continue
        text = inspect.getdoc(function) or ""
        signature = inspect.signature(function)  # type: ignore[arg-type]
        if [
            p for p in signature.parameters if p not in ("self", "_")
        ] and "Parameters\n---" not in text:
            lacking.append(f"{place}: Parameters")
        returned = str(signature.return_annotation)
        if returned not in ("None", "NoReturn") and not re.search(r"(Returns|Yields)\n---", text):
            lacking.append(f"{place}: Returns")

    assert not lacking, "\n".join(lacking)


def test_every_public_name_has_a_docstring() -> None:
    names = [name for name in sharedcompute.__all__ if not name.startswith("__")]
    lacking = [name for name in names if not inspect.getdoc(getattr(sharedcompute, name))]

    assert not lacking
