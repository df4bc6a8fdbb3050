"""Validation of arrays: input whose meaning would be lost is refused.

Shared memory holds plain numbers. `numpy.asarray` would change the meaning of a masked array, of a
quantity with units or of a sparse matrix, so these are refused. Labels (of pandas and xarray) say
where numbers are and not what they mean: they are dropped, as in NumPy.
"""

from __future__ import annotations

import sys
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray

from sharedcompute.errors import InputError


def plain_array(given: object) -> NDArray[Any]:
    """Return the input as an array, of any class, without a copy if it is one.

    Raises
    ------
    InputError
        It would lose its mask or its units; it is sparse, or not an array at all.
    """
    if type(given) is np.ndarray:
        return cast("NDArray[Any]", given)
    refuse_meaning(given)
    if not isinstance(given, np.ndarray) and hasattr(given, "todense"):
        raise InputError(
            f"expected a dense array, got a {type(given).__name__}; give x.toarray(), which has "
            "its zeros too"
        )
    try:
        array: NDArray[Any] = np.asanyarray(given)
    except (TypeError, ValueError) as problem:
        text = " ".join(str(problem).split())
        raise InputError(f"expected an array, got what makes none: {text}") from None
    # An object with `__array__`, such as a variable of netCDF4, may return a masked array.
    refuse_meaning(array)
    return array


def refuse_meaning(given: object) -> None:
    """Refuse arrays with a mask or with units.

    Raises
    ------
    InputError
    """
    if is_masked(given):
        raise InputError(
            "expected an array without a mask, got a masked one; give x.filled(numpy.nan), NaN are "
            "left out with skipna=True"
        )
    if has_units(given):
        raise InputError(
            f"expected plain numbers, got a {type(given).__name__}, whose units would be lost; "
            "convert it to the units that you want and give its numbers (x.value, x.magnitude)"
        )


def is_masked(given: object) -> bool:
    """Return whether the input is a masked array, also one without masked elements."""
    # If it is not imported there is no masked array, and the import takes 20 ms.
    ma = sys.modules.get("numpy.ma")
    return ma is not None and bool(isinstance(given, ma.MaskedArray))


def has_units(given: object) -> bool:
    """Return whether the input is a quantity: of astropy or unyt, which are arrays, or of pint."""
    kind = type(given)
    if kind is np.ndarray:
        return False
    if issubclass(kind, np.ndarray):
        return hasattr(kind, "unit") or hasattr(kind, "units")
    return hasattr(kind, "magnitude") and hasattr(kind, "units")
