"""The documentation of an operation, for help pages and the reference."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class Described:
    """An operation with its documentation, beside its summary and its parameters.

    Parameters
    ----------
    description : str
        Paragraphs after the summary: what is computed, in the words of the field.
    returns : str
        Shape and dtype of the result; without it what holds for all operations of the kind.
    references : tuple of str
        The sources of the method.
    example : str
        Lines of a Python session, where ``np`` and ``sc`` are imported.
    """

    description: str = ""
    returns: str = ""
    references: tuple[str, ...] = ()
    example: str = ""
