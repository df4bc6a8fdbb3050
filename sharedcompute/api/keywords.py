"""Unknown keywords, refused with the nearest name."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Iterable, Mapping
from typing import ParamSpec, TypeVar

from sharedcompute.errors import InputError
from sharedcompute.options.groups import KEYWORDS, RESERVED
from sharedcompute.validation.names import meant, suggestion

Arguments = ParamSpec("Arguments")
Result = TypeVar("Result")


def closed(function: Callable[Arguments, Result]) -> Callable[Arguments, Result]:
    """Give a function without open keywords an error that has the nearest name."""
    known = tuple(inspect.signature(function).parameters)

    @functools.wraps(function)
    def call(*args: Arguments.args, **keywords: Arguments.kwargs) -> Result:
        refuse_unknown(function.__name__, keywords, known)
        return function(*args, **keywords)

    return call


def refuse_unknown(call: str, given: Iterable[str], known: tuple[str, ...]) -> None:
    """Refuse keywords that a call does not have.

    Raises
    ------
    InputError
        With the nearest name.
    """
    for name in given:
        if name in known:
            continue
        if name in RESERVED:
            raise InputError(f"{call} takes no {name!r}: {suggestion(name, known)}")
        raise InputError(f"unknown keyword {name!r}: {suggestion(name, known)}")


def check_parameters(
    params: Mapping[str, object], declared: Iterable[str], besides: Iterable[str] = ()
) -> None:
    """Refuse a parameter that is nearer to a keyword of the call than to one of the operation.

    What is near to none is for the operation to refuse, which knows its own.

    Parameters
    ----------
    params : mapping
        The keywords that are none of the call.
    declared : iterable of str
        The parameters of the operation.
    besides : iterable of str
        What this call takes beside `KEYWORDS`.

    Raises
    ------
    InputError
        With the nearest name.
    """
    known = {*declared}
    for name in params:
        if name in known:
            continue
        near = meant(name, (*known, *KEYWORDS, *besides))
        if near is not None and near not in known:
            raise InputError(f"unknown keyword {name!r}: did you mean {near!r}?")
