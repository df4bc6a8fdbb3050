"""The arguments of `Team.map`: checked, and made such that workers and numba reach them."""

from __future__ import annotations

import inspect
import os
from collections.abc import Callable, Iterable
from inspect import CO_VARARGS
from types import FunctionType
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from sharedcompute.errors import InputError
from sharedcompute.rows import MODES, SCHEDULES, Mode, Schedule
from sharedcompute.shm import arrays
from sharedcompute.team.messaging.callables import is_dispatcher
from sharedcompute.validation.arrays import plain_array, refuse_meaning
from sharedcompute.validation.integers import whole

if TYPE_CHECKING:
    from numba.core.dispatcher import Dispatcher


def input_array(x: object) -> NDArray[Any]:
    """Return the input as an array; refuse the address of a file."""
    if isinstance(x, str | os.PathLike):
        raise InputError(
            f"expected an array, got the address {os.fspath(x)!r}; rows of a file are for "
            "sharedcompute.map(f, address, team=team)"
        )
    return plain_array(x)


def is_several(x: object) -> bool:
    """Return whether `x` is several arrays: a tuple or a list of them. One of numbers is one."""
    if not isinstance(x, tuple | list) or not x:
        return False
    return all(hasattr(each, "__array__") and getattr(each, "ndim", 1) > 0 for each in x)


def native_dtype(array: NDArray[Any]) -> np.dtype[Any]:
    """Return the dtype in native byte order: numba knows no other."""
    return array.dtype.newbyteorder("=")


def reachable(array: NDArray[Any]) -> NDArray[Any]:
    """Return the array, or a copy of it in shared memory and native byte order if it is not."""
    if array.dtype.isnative and arrays.segment_of(array) is not None:
        return array
    return arrays.asarray(array, native_dtype(array), "C")


def native_params(params: tuple[object, ...]) -> tuple[object, ...]:
    """Return the parameters; arrays that are sent as copies in native byte order."""
    return tuple(
        p.astype(native_dtype(p))
        if isinstance(p, np.ndarray) and not p.dtype.isnative and arrays.segment_of(p) is None
        else p
        for p in params
    )


def fills(f: Callable[..., object], inputs: int, outs: int, others: int) -> bool:
    """Return whether a function fills outputs, which it takes between inputs and other arguments.

    One that has no parameters for outputs returns its rows. What takes either fills them, and so
    does what does not say what it takes.

    Parameters
    ----------
    f : callable
    inputs, outs, others : int
        The numbers of arguments. `outs` is 0 where the caller has given none.
    """
    given, filled = inputs + others, inputs + (outs or 1) + others
    plain = f if type(f) is FunctionType else is_dispatcher(f) and f.py_func
    if type(plain) is FunctionType:
        code = plain.__code__
        if code.co_argcount >= filled or code.co_flags & CO_VARARGS:
            return True
        return not code.co_argcount - len(plain.__defaults__ or ()) <= given <= code.co_argcount
    if hasattr(f, "nin") and hasattr(f, "nout"):
        # A ufunc, of numba too, takes outputs behind all that it computes from. One with a single
        # input and output has always been given both.
        is_plain = (inputs, others, f.nout) == (1, 0, 1)
        return bool(f.nin != given or (others == 0 if outs else is_plain))
    return _binds(f, filled) or not _binds(f, given)


def _binds(f: Callable[..., object], count: int) -> bool:
    """Return whether a function takes this number of positional arguments, as far as it says so."""
    try:
        inspect.signature(f).bind(*(None,) * count)
    except TypeError:
        return False
    except ValueError:
        return True
    return True


def compile_once(
    f: Dispatcher,
    inputs: Iterable[NDArray[Any]],
    outs: Iterable[NDArray[Any]],
    others: tuple[object, ...],
) -> None:
    """Compile a cached function in this process: the workers load it, and do not all compile."""
    if type(f._cache).__name__ == "NullCache" or not f._can_compile:
        return
    import numba  # noqa: PLC0415 - slow

    from sharedcompute.kernels.cache import protect  # noqa: PLC0415 - slow

    protect(f)
    rows = [x.view(np.ndarray) for x in inputs]
    for each in rows:
        each.flags.writeable = False
    out_rows = [out.view(np.ndarray) for out in outs]
    f.compile(tuple(numba.typeof(value) for value in (*rows, *out_rows, *others)))


def check_map(
    f: Callable[..., object],
    x: NDArray[Any],
    out: NDArray[Any] | None,
    cut: tuple[int, Mode, Schedule, int | None],
) -> None:
    """Check that the arguments of a map fit each other."""
    halo, mode, schedule, block_rows = cut
    if not callable(f):
        raise InputError(
            f"expected a function of rows, got {f!r}; named operations are for "
            "sharedcompute.map(..., team=team)"
        )
    if x.ndim == 0:
        raise InputError("expected an array with rows, got a single value; give at least 1-D")
    if schedule not in SCHEDULES:
        raise InputError(f"expected a schedule out of {', '.join(SCHEDULES)}, got {schedule!r}")
    if mode not in MODES:
        raise InputError(f"expected a mode out of {', '.join(MODES)}, got {mode!r}")
    whole("halo", halo)
    if block_rows is not None:
        whole("block_rows", block_rows, 1)
    if out is None:
        return
    refuse_meaning(out)
    if not isinstance(out, np.ndarray) or out.shape[:1] != x.shape[:1]:
        raise InputError(
            f"expected out to be an array of {len(x)} rows, got {getattr(out, 'shape', out)}"
        )
    if halo and np.may_share_memory(x, out):
        raise InputError(
            "expected out apart from x where there is a halo, they share memory; "
            "workers would read rows that others have written: give another out"
        )
