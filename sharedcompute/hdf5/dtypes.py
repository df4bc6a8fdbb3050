"""Which stored types are numbers, and the NumPy dtypes that stand for them."""

from __future__ import annotations

from typing import Any

import h5py
import numpy as np
from h5py import h5t

from sharedcompute.errors import InputError

KINDS = "biufc"

_KIND_NAMES = {
    "f": "long doubles, which have no portable form",
    "c": "complex long doubles, which have no portable form",
    "S": "strings",
    "U": "strings",
    "M": "dates",
    "m": "time spans",
    "V": "opaque bytes",
}


def numeric_dtype(dataset: h5py.Dataset) -> np.dtype[Any]:
    """The dtype of `dataset`, in its stored byte order and without h5py's metadata.

    An enum is its integers, HDF5's boolean (an enum of FALSE and TRUE) is ``bool``, a compound of
    two floats ``r`` and ``i`` is complex.

    Raises
    ------
    InputError
        Its elements are not numbers that NumPy computes with on every machine.
    """
    where = f"{dataset.file.filename}::{dataset.name}"
    try:
        dtype: np.dtype[Any] = dataset.dtype
    except (TypeError, ValueError) as error:
        text = " ".join(str(error).split())
        raise InputError(
            f"expected numbers at {where}, found a type that NumPy lacks ({text}); "
            "choose another dataset"
        ) from None
    if dtype.kind in KINDS and dtype.char not in "gG":
        return np.dtype(dtype.str)
    raise InputError(
        f"expected numbers at {where}, found {kind_name(dtype)}; choose a dataset of integers, "
        "floats, booleans or complex numbers"
    )


def kind_name(dtype: np.dtype[Any]) -> str:
    """What a dtype that cannot be computed with is, for a person."""
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


def is_plain(dataset: h5py.Dataset, dtype: np.dtype[Any]) -> bool:
    """Whether the stored bytes are those of `dtype`, its byte order included, without conversion.

    An integer of 12 bits in 16, or a complex number with its parts swapped, is not.
    """
    stored = dataset.id.get_type()
    if isinstance(stored, h5t.TypeEnumID) and dtype.kind != "b":
        stored = stored.get_super()
    return bool(stored.equal(h5t.py_create(dtype, logical=True)))
