"""Functions made from declared operations, with signatures and docstrings of their own."""

from __future__ import annotations

import functools
import inspect
import re
import textwrap
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from sharedcompute.api.fits import fit
from sharedcompute.api.lazy.operations import applied, is_lazy_call
from sharedcompute.api.maps import map
from sharedcompute.api.reductions import reduce
from sharedcompute.api.scans import scan
from sharedcompute.api.solve import solve
from sharedcompute.operations import documentation
from sharedcompute.operations.catalogue import find_any
from sharedcompute.operations.declarations import Operation
from sharedcompute.operations.fits.declaration import Iterative
from sharedcompute.operations.parameters import Parameter

MODULE = "sharedcompute.ops"
"""Where the functions are found."""

Section = dict[str, str]


def runner_of(kind: str) -> Callable[..., Any]:
    """Return the function that runs operations of a kind."""
    known: Mapping[str, Callable[..., Any]] = {
        "map": map,
        "stencil": map,
        "scan": scan,
        "reduce": reduce,
        "fit": fit,
        "solve": solve,
    }
    return known[kind]


@functools.cache
def function_of(name: str) -> Callable[..., Any]:
    """Return the function of the operation called `name`."""
    op = find_any(name)
    run: Any = runner_of(op.kind)

    def call(input: Any, output: Any = None, **given: Any) -> Any:
        if not isinstance(op, Iterative) and is_lazy_call(input, output, given):
            return applied(op, input, given)
        return run(op, input, output, **given)

    call.__name__ = call.__qualname__ = name
    call.__module__ = MODULE
    call.__doc__ = docstring(op, run)
    made: Any = call
    made.__signature__ = signature(op, run)
    return call


def signature(op: Operation | Iterative, run: Callable[..., Any]) -> inspect.Signature:
    """Return input, output, the operation's parameters, and the options of `run`."""
    whole = inspect.signature(run)
    arguments = [whole.parameters[name] for name in ("input", "output")]
    own = [_argument(p) for p in op.parameters]
    return inspect.Signature(
        [*arguments, *own, *options_of(run)], return_annotation=whole.return_annotation
    )


def options_of(run: Callable[..., Any]) -> list[inspect.Parameter]:
    """Return the keywords that `run` takes whatever its operation."""
    known = inspect.signature(run).parameters.values()
    return [p for p in known if p.kind == inspect.Parameter.KEYWORD_ONLY]


def _argument(parameter: Parameter) -> inspect.Parameter:
    empty = inspect.Parameter.empty
    return inspect.Parameter(
        parameter.name,
        inspect.Parameter.KEYWORD_ONLY,
        default=empty if parameter.required else parameter.default,
        annotation=parameter.annotation,
    )


def docstring(op: Operation | Iterative, run: Callable[..., Any]) -> str:
    """Return the documentation of an operation, with the options of `run`."""
    theirs = sections(inspect.getdoc(run) or "")
    described = entries(theirs.get("Parameters", ""))
    parameters = [
        *(described[name] for name in ("input", "output") if name in described),
        *(documentation.entry(p) for p in op.parameters),
        *(described[p.name] for p in options_of(run) if p.name in described),
    ]
    ours = {
        "Parameters": "\n".join(parameters),
        "Returns": documentation.returned(op),
        "Raises": theirs.get("Raises", ""),
        "References": documentation.references(op),
        "Examples": documentation.example(op),
    }
    return "\n\n".join(brief(op) + [_section(name, text) for name, text in ours.items() if text])


def brief(op: Operation | Iterative) -> list[str]:
    """Return the summary and the description of an operation."""
    description = textwrap.fill(op.description, documentation.WIDTH)
    return [text for text in (f"{op.summary}.", description) if text]


def _section(name: str, text: str) -> str:
    return f"{name}\n{'-' * len(name)}\n{text}"


def sections(text: str) -> Section:
    """Return the sections of a numpydoc docstring by name."""
    pieces = re.split(r"^(\w[\w ]*)\n-+\n", text, flags=re.MULTILINE)
    return {name: body.strip("\n") for name, body in _pairs(pieces[1:])}


def entries(text: str) -> Section:
    """Return the entries of a Parameters section by the name they begin with."""
    pieces = re.split(r"^(?=\S)", text, flags=re.MULTILINE)
    found = {}
    for piece in filter(str.strip, pieces):
        names = piece.partition(":")[0].split("\n")[0]
        for name in names.split(","):
            found[name.strip()] = piece.rstrip("\n")
    return found


def _pairs(items: Iterable[str]) -> Iterable[tuple[str, str]]:
    one = iter(items)
    return zip(one, one, strict=True)
