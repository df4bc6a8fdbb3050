"""Lazy arrays: NumPy's expressions, which are computed when they are asked for."""

from __future__ import annotations

import importlib
from types import ModuleType


def __getattr__(name: str) -> ModuleType:
    # `from sharedcompute.api.lazy import xp` alone does not make it an attribute.
    if name != "xp":
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return importlib.import_module(f"{__name__}.xp")
