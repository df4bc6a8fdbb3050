"""The operations as functions: ``sc.ops.gaussian(x, sigma=2, mode="nearest")``.

Each has the parameters of its operation in its signature, and their meaning in its help. It runs
what `map`, `reduce`, `scan`, `fit` or `solve` runs: ``sc.map("gaussian", x, sigma=2)``. They are
made from the catalogue when they are first used; ``ops.pyi`` tells type checkers and editors.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any


def __getattr__(name: str) -> Callable[..., Any]:
    from sharedcompute.api.generated import function_of  # noqa: PLC0415
    from sharedcompute.operations.catalogue import CATALOGUE, ITERATIVE  # noqa: PLC0415
    from sharedcompute.validation.names import suggestion  # noqa: PLC0415

    known = {*CATALOGUE, *ITERATIVE}
    if name not in known:
        raise AttributeError(
            f"module {__name__!r} has no operation {name!r}: {suggestion(name, known)}"
        )
    return function_of(name)


def __dir__() -> list[str]:
    from sharedcompute.operations.catalogue import everything  # noqa: PLC0415

    return sorted(op.name for op in everything())
