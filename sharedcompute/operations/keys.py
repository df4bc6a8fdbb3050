"""Numbers as unsigned keys of the same order, so that they can be compared bit by bit."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = np.ndarray[tuple[int, ...], np.dtype[Any]]
Keys = NDArray[np.unsignedinteger[Any]]


def to_keys(x: Array) -> Keys:
    """Return unsigned integers that are ordered as the values of `x` are, NaN last.

    Parameters
    ----------
    x : ndarray
        Boolean, integer or floating.

    Notes
    -----
    IEEE numbers of one sign are ordered as their bits are; those with the sign bit the other way
    round.
    """
    unsigned = np.dtype(f"u{x.itemsize}")
    bits: Keys = x.view(unsigned)
    sign: np.unsignedinteger[Any] = unsigned.type(1 << (8 * x.itemsize - 1))
    if x.dtype.kind in "bu":
        return bits
    if x.dtype.kind == "i":
        return bits ^ sign
    keys = np.where(bits & sign, ~bits, bits | sign)
    keys[np.isnan(x)] = np.iinfo(unsigned).max
    return keys


def from_keys(keys: Keys, dtype: np.dtype[Any]) -> Array:
    """Return the values of `dtype` whose keys by `to_keys` are `keys`."""
    sign: np.unsignedinteger[Any] = keys.dtype.type(1 << (8 * keys.itemsize - 1))
    if dtype.kind in "bu":
        return keys.view(dtype)
    flipped = keys ^ sign
    if dtype.kind == "i":
        return flipped.view(dtype)
    bits = np.where(keys & sign, flipped, ~keys)
    return bits.view(dtype)
