"""Names that are not known, and those that were probably meant."""

from __future__ import annotations

import difflib
from collections.abc import Iterable


def nearest(name: str, known: Iterable[str]) -> list[str]:
    """Return up to three names of `known` that are like `name`, the most alike first."""
    return difflib.get_close_matches(name, list(known), n=3, cutoff=0.5)


def meant(name: str, known: Iterable[str]) -> str | None:
    """Return the name that was probably meant; None where no name is like it."""
    close = difflib.get_close_matches(name, list(known), n=1)
    return close[0] if close else None


def suggestion(name: str, known: Iterable[str]) -> str:
    """Return the end of an error line: the name that was probably meant, or all that there are."""
    names = sorted(known)
    close = meant(name, names)
    if close is not None:
        return f"did you mean {close!r}?"
    return "known: " + ", ".join(names) if names else "none is known"
