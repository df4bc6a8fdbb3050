"""Stored types that are numbers, and the NumPy dtypes that stand for them."""

from __future__ import annotations

from typing import Any

import h5py
import numpy as np
from h5py import h5t

from sharedcompute.errors import InputError
from sharedcompute.hdf5.format.names import where

NUMERIC_KINDS = "biufc"

FOREIGN = (KeyError, OSError, RuntimeError, TypeError, ValueError)
"""Exceptions of h5py for an object that it cannot express: of a type that NumPy lacks, say."""

_BITS = tuple(
    getattr(h5t, f"STD_B{bits}{order}") for bits in (8, 16, 32, 64) for order in ("LE", "BE")
)

_KIND_NAMES = {
    "f": "long doubles, which have no portable form",
    "c": "complex long doubles, which have no portable form",
    "S": "strings",
    "U": "strings",
    "M": "dates",
    "m": "time spans",
    "V": "opaque bytes",
}

_FOREIGN_NAMES = {
    h5t.TypeFloatID: "floats",
    h5t.TypeIntegerID: "integers",
    h5t.TypeBitfieldID: "fields",
    h5t.TypeTimeID: "times",
}


def numeric_dtype(dataset: h5py.Dataset) -> np.dtype[Any]:
    """Return the dtype of `dataset`, in its stored byte order and without h5py's metadata.

    An enum is its integers, HDF5's boolean (an enum of FALSE and TRUE) is ``bool``, a compound of
    two floats ``r`` and ``i`` is complex.

    Raises
    ------
    InputError
        Its elements are not numbers that NumPy computes with on every machine.
    """
    try:
        dtype: np.dtype[Any] = dataset.dtype
    except FOREIGN:
        raise InputError(
            f"expected numbers at {where(dataset)}, found {foreign_name(dataset)}, which NumPy "
            "lacks; choose another dataset"
        ) from None
    if dtype.kind in NUMERIC_KINDS and dtype.char not in "gG":
        return np.dtype(dtype.str)
    choose = "choose a dataset of integers, floats, booleans or complex numbers"
    if dtype.names:
        choose = f"choose a member, such as {where(dataset)}.{dtype.names[0]}"
    raise InputError(f"expected numbers at {where(dataset)}, found {kind_name(dtype)}; {choose}")


def kind_name(dtype: np.dtype[Any]) -> str:
    """Return the name, for a person, of a dtype that cannot be computed with."""
    if dtype.names:
        return f"a compound of {', '.join(dtype.names)}"
    if dtype.subdtype is not None:
        return f"elements that are arrays of shape {dtype.subdtype[1]}"
    if dtype.kind == "O":
        if h5py.check_ref_dtype(dtype) is not None:
            return "references"
        is_string = h5py.check_string_dtype(dtype) is not None
        return "strings" if is_string else "rows of variable length"
    return _KIND_NAMES.get(dtype.kind, "objects")


def foreign_name(dataset: h5py.Dataset) -> str:
    """Return the name of a type that NumPy lacks: ``a float of 128 bits``, ``a time``."""
    try:
        kind = dataset.id.get_type()
        bits = 8 * kind.get_size()
    except FOREIGN:
        return "a type that h5py cannot read"
    if isinstance(kind, h5t.TypeCompoundID):
        return "a compound with a member"
    for class_, name in _FOREIGN_NAMES.items():
        if isinstance(kind, class_):
            return f"{name} of {bits} bits"
    return "a type"


def is_plain(dataset: h5py.Dataset, dtype: np.dtype[Any]) -> bool:
    """Return whether the stored bytes are those of `dtype`, its byte order included."""
    return holds_plainly(dataset.id.get_type(), dtype)


def plain_dtype(stored: h5t.TypeID) -> np.dtype[Any] | None:
    """Return the dtype whose bytes those of a low-level type are; None for all but numbers."""
    if isinstance(stored, h5t.TypeEnumID):
        # An enumeration is more than its numbers; HDF5's boolean is one as well.
        return None
    try:
        dtype = stored.dtype
    except FOREIGN:
        return None
    if dtype.kind not in NUMERIC_KINDS or dtype.char in "gG":
        return None
    dtype = np.dtype(dtype.str)
    return dtype if holds_plainly(stored, dtype) else None


def holds_plainly(stored: h5t.TypeID, dtype: np.dtype[Any]) -> bool:
    """Return whether the bytes of a low-level type are those of `dtype`.

    An integer of 12 bits in 16, or a complex number with its parts swapped, is not. A field of
    bits is the unsigned integer of its bytes, though HDF5 itself converts none to the other.
    """
    if isinstance(stored, h5t.TypeEnumID) and dtype.kind != "b":
        stored = stored.get_super()
    if isinstance(stored, h5t.TypeBitfieldID):
        return any(stored.equal(bits) for bits in _BITS)
    return bool(stored.equal(h5t.py_create(dtype, logical=True)))
