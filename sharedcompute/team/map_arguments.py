"""The arguments of `Team.map`: checked, and made such that workers and numba reach them."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from sharedcompute.errors import InputError
from sharedcompute.rows import MODES, SCHEDULES, Mode, Schedule
from sharedcompute.shm import arrays
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


def compile_once(
    f: Dispatcher, x: NDArray[Any], out: NDArray[Any], params: tuple[object, ...]
) -> None:
    """Compile a cached function in this process: the workers load it, and do not all compile."""
    if type(f._cache).__name__ == "NullCache" or not f._can_compile:
        return
    import numba  # noqa: PLC0415 - slow

    from sharedcompute.kernels.cache import protect  # noqa: PLC0415 - slow

    protect(f)
    rows, out_rows = x.view(np.ndarray), out.view(np.ndarray)
    rows.flags.writeable = False
    f.compile(tuple(numba.typeof(value) for value in (rows, out_rows, *params)))


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
