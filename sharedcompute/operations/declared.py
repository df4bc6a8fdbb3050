"""Results of the callables of a declaration: a wrong one is named where it is called."""

from __future__ import annotations

import operator
from collections.abc import Callable, Iterable, Sequence
from typing import Any, SupportsIndex, TypeVar

import numpy as np
from numpy.typing import DTypeLike

from sharedcompute.errors import InputError
from sharedcompute.operations.stages import Stage

T = TypeVar("T")


def declared(owner: str, what: str, given: Callable[..., T], *args: object) -> T:
    """Call a callable of the declaration `owner`; `what` is the name of its field.

    Raises
    ------
    InputError
        It raised something else.
    """
    try:
        return given(*args)
    except InputError:
        raise
    except Exception as problem:
        text = " ".join(str(problem).split())
        raise InputError(
            f"{owner}: expected {what} to be a function of {len(args)} arguments that suits the "
            f"data, it raised {type(problem).__name__}: {text}; mend {what}"
        ) from problem


def declared_dtype(owner: str, given: Callable[..., DTypeLike], *args: object) -> np.dtype[Any]:
    """Return the dtype of a result."""
    return _as_dtype(owner, declared(owner, "dtype", given, *args))


def declared_dtypes(
    owner: str, count: int, given: Callable[..., Any], *args: object
) -> tuple[np.dtype[Any], ...]:
    """Return the dtypes of as many results."""
    found = declared(owner, "dtype", given, *args)
    return tuple(_as_dtype(owner, each) for each in _each(owner, "dtype", found, count))


def fixed_dtypes(owner: str, count: int, given: object) -> tuple[np.dtype[Any], ...]:
    """Return the dtypes of as many results, which do not depend on the data."""
    return tuple(_as_dtype(owner, each) for each in _each(owner, "dtype", given, count))


def _as_dtype(owner: str, found: DTypeLike) -> np.dtype[Any]:
    try:
        kind: np.dtype[Any] = np.dtype(found).newbyteorder("=")
    except TypeError:
        kind = np.dtype(object)
    if kind.hasobject or isinstance(found, tuple):
        raise InputError(
            f"{owner}: expected dtype to give a dtype such as numpy.float32, got {found!r}"
        )
    return kind


def declared_shapes(
    owner: str, count: int, given: Callable[..., Any], *args: object
) -> tuple[tuple[int, ...], ...]:
    """Return the shapes of one row of as many results."""
    found = declared(owner, "row_shape", given, *args)
    return tuple(_as_shape(owner, each) for each in _each(owner, "row_shape", found, count))


def _each(owner: str, what: str, found: object, count: int) -> Sequence[Any]:
    """Return what a callable gives for each of several results."""
    if count == 1:
        return (found,)
    if not isinstance(found, tuple | list) or len(found) != count:
        raise InputError(
            f"{owner}: expected {what} to give a tuple of {count}, one for each output, got "
            f"{found!r}"
        )
    return found


def _as_shape(owner: str, found: Iterable[SupportsIndex]) -> tuple[int, ...]:
    try:
        sides = tuple(map(operator.index, found))
    except TypeError:
        sides = (-1,)
    if min(sides, default=0) < 0:
        raise InputError(
            f"{owner}: expected row_shape to give a tuple of whole numbers, () for one number a "
            f"row, got {found!r}"
        )
    return sides


def declared_arguments(owner: str, given: Callable[..., object], *args: object) -> tuple[Any, ...]:
    """Return the arguments of a kernel after `x` and `out`."""
    found = declared(owner, "arguments", given, *args)
    if not isinstance(found, tuple | list):
        raise InputError(f"{owner}: expected arguments to give a tuple, got {found!r}")
    return tuple(found)


def declared_stages(owner: str, given: Callable[..., object], *args: object) -> tuple[Stage, ...]:
    """Return the stages of a stencil."""
    found = declared(owner, "build", given, *args)
    if not isinstance(found, tuple | list) or not all(isinstance(s, Stage) for s in found):
        raise InputError(f"{owner}: expected build to give a tuple of Stage, got {found!r}")
    return tuple(found)
