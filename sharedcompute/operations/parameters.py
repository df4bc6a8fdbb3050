"""Parameters of operations: name, type, default and help, each declared once."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from sharedcompute import wording
from sharedcompute.errors import InputError
from sharedcompute.operations.kinds import Convert, type_of
from sharedcompute.options.groups import RESERVED
from sharedcompute.validation.names import suggestion


class _Required:
    """The default of a parameter that has none."""

    def __repr__(self) -> str:
        return "required"


REQUIRED = _Required()


@dataclass(frozen=True)
class Parameter:
    """One parameter of an operation.

    Parameters
    ----------
    name : str
    kind : Kind or callable
        Converts a value, or its text, and checks its range; raises ValueError. A `Kind` of
        `operations.kinds` carries the type for signatures and help; ``int``, ``float``, ``bool``
        and ``str`` are their own.
    doc : str
        One line for help.
    default : object
        `REQUIRED` where there is none. None stands for "from the data".
    """

    name: str
    kind: Convert
    doc: str
    default: object = REQUIRED

    def __post_init__(self) -> None:
        if self.name in RESERVED:
            raise InputError(
                f"{self.name!r} is an option of every job: name the parameter otherwise"
            )

    @property
    def annotation(self) -> str:
        """The type in Python, as in a signature."""
        annotation = type_of(self.kind)[0]
        return f"{annotation} | None" if self.default is None else annotation

    @property
    def required(self) -> bool:
        """Whether it has no default."""
        return self.default is REQUIRED

    @property
    def type(self) -> str:
        """The type in words, as in a docstring."""
        return type_of(self.kind)[1]


def bind(
    operation: str, declared: tuple[Parameter, ...], given: Mapping[str, object]
) -> dict[str, object]:
    """Return the value of every declared parameter, checked: they are checked here alone."""
    by_name = {p.name: p for p in declared}
    for name in given:
        if name not in by_name:
            raise InputError(
                f"{operation} has no parameter {name!r}: {suggestion(name, by_name)}"
                if by_name
                else f"{operation} takes no parameters, got {name!r}: leave it out"
            )
    return {p.name: _value(operation, p, given.get(p.name, p.default)) for p in declared}


def _value(operation: str, parameter: Parameter, value: object) -> object:
    if value is REQUIRED:
        raise InputError(
            f"{operation} needs the parameter {parameter.name!r} "
            f"({parameter.type}; {parameter.doc}): give {wording.parameter(parameter.name)}"
        )
    if value is None and parameter.default is None:
        return None
    try:
        return parameter.kind(value)
    except (ValueError, TypeError) as problem:
        text = problem.text if isinstance(problem, InputError) else problem
        raise InputError(f"{operation}: parameter {parameter.name!r}: {text}") from None
