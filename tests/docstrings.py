"""``python -m tests.docstrings``: the docstrings of all public names are numpydoc.

The checks are those of numpydoc itself, by their codes
(https://numpydoc.readthedocs.io/en/latest/validation.html#built-in-validation-checks).
"""

from __future__ import annotations

import inspect
from collections.abc import Iterator
from typing import Any

import numpy as np
from numpydoc.docscrape import get_doc_object
from numpydoc.validate import validate

import sharedcompute as sc

OF_ALL = {"GL03", "GL06", "GL07", "GL08", "SS02", "SS03", "SS05", "PR02"}
"""It is there, its sections have names and an order, a summary is a sentence in the imperative, and
no parameter is described that there is not."""
OF_FUNCTIONS = OF_ALL | {"PR01", "PR07", "RT01", "RT03", "EX01"}
"""What stands for itself describes each parameter and what it returns, and has an example."""


def public() -> Iterator[tuple[str, Any, set[str]]]:
    """Yield the name of each public object, the object, and its checks."""
    for name in sc.__all__:  # type: ignore[attr-defined]
        thing = getattr(sc, name)
        if inspect.isfunction(thing):
            # NumPy describes the parameters of what has the name of one of its functions.
            yield name, thing, OF_ALL if hasattr(np, name) else OF_FUNCTIONS
        elif inspect.isclass(thing):
            yield name, thing, OF_ALL
            yield from ((f"{name}.{own}", getattr(thing, own), OF_ALL) for own in _methods(thing))
    yield from ((f"ops.{name}", getattr(sc.ops, name), OF_FUNCTIONS) for name in dir(sc.ops))


def _methods(thing: type[Any]) -> list[str]:
    """Return the public methods and properties that a class defines and describes itself."""
    found = []
    for name, value in vars(thing).items():
        is_method = inspect.isfunction(value) and value.__name__ == name
        is_ours = value.__doc__ != getattr(getattr(np.ndarray, name, None), "__doc__", None)
        if is_method or isinstance(value, property | staticmethod | classmethod):
            found += [name] if is_ours and not name.startswith("_") else []
    return found


def wrong() -> Iterator[str]:
    """Yield a line for each check that fails."""
    for name, thing, checks in public():
        for code, message in validate(get_doc_object(thing))["errors"]:
            if code in checks:
                yield f"{sc.__name__}.{name}: {code} {message}"


if __name__ == "__main__":
    found = list(wrong())
    print(*found, sep="\n", end="\n" if found else "")
    raise SystemExit(bool(found))
