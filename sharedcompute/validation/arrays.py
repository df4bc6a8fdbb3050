"""What comes in as an array, where users hand arrays over: nothing of its meaning is dropped.

Numbers in shared memory are bare. What `numpy.asarray` would make of a masked array, of a quantity
with units or of a sparse matrix are other numbers than were meant, and so is refused. Labels (of
pandas and xarray) say where numbers stand and not what they are: they stay behind, as in NumPy.
"""

from __future__ import annotations

import sys
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray

from sharedcompute.errors import InputError


def plain_array(given: Any) -> NDArray[Any]:
    """What is given as an array, of whatever class. No copy where it is one.

    Raises
    ------
    InputError
        It would lose its mask or its units; it is sparse, or no array at all.
    """
    if type(given) is np.ndarray:
        return cast(NDArray[Any], given)
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
    # What gives an array when it is asked, such as a variable of netCDF4, may give one with a mask.
    refuse_meaning(array)
    return array


def refuse_meaning(given: Any) -> None:
    """Refuse what means more than its numbers: those with a mask or with units.

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


def is_masked(given: Any) -> bool:
    """Whether it is a masked array, also one in which nothing is masked."""
    # Where nobody has imported it there is none, and to import it takes 20 ms.
    ma = sys.modules.get("numpy.ma")
    return ma is not None and bool(isinstance(given, ma.MaskedArray))


def has_units(given: Any) -> bool:
    """Whether it is a quantity: of astropy or unyt, whose are arrays, or of pint."""
    kind = type(given)
    if kind is np.ndarray:
        return False
    if issubclass(kind, np.ndarray):
        return hasattr(kind, "unit") or hasattr(kind, "units")
    return hasattr(kind, "magnitude") and hasattr(kind, "units")
