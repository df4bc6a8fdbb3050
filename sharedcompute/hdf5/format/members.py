"""Members of compound types: where the bytes of one lie in each element of a dataset.

References
----------
HDF5 user guide, chapter "Datatypes", section "Compound Datatypes".
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import h5py
import numpy as np
from h5py import h5d, h5p, h5t

from sharedcompute.errors import InputError
from sharedcompute.hdf5.format.dtypes import FOREIGN, NUMERIC_KINDS, holds_plainly, kind_name
from sharedcompute.hdf5.format.fill_value import Fill
from sharedcompute.hdf5.format.names import raw, text, where
from sharedcompute.validation.names import suggestion


@dataclass(frozen=True)
class Member:
    """A member of a compound type, perhaps of one inside another.

    Parameters
    ----------
    names : tuple of str
        From the outer one to the inner one.
    offset : int
        Where its bytes begin in an element.
    record_nbytes : int
        Bytes of an element.
    plain : bool
        They are what NumPy's dtype means in its byte order.
    """

    names: tuple[str, ...]
    offset: int
    record_nbytes: int
    plain: bool

    @property
    def name(self) -> str:
        """As it stands after the dataset's path."""
        return ".".join(self.names)

    def record(self, stored: np.dtype[Any]) -> np.dtype[Any]:
        """Return the dtype of an element with nothing but this member, ``member``, of `stored`."""
        return np.dtype(
            {
                "names": ["member"],
                "formats": [stored],
                "offsets": [self.offset],
                "itemsize": self.record_nbytes,
            }
        )

    def memory_type(self, dtype: np.dtype[Any]) -> h5t.TypeID:
        """Return the type by which HDF5 reads only this member, into an array of `dtype`."""
        kind: h5t.TypeID = h5t.py_create(dtype)
        for name in reversed(self.names):
            outer = h5t.create(h5t.COMPOUND, dtype.itemsize)
            assert isinstance(outer, h5t.TypeCompoundID)
            outer.insert(raw(name), 0, kind)
            kind = outer
        return kind

    def fill(self, dcpl: h5p.PropDCID, dtype: np.dtype[Any]) -> Fill:
        """Return its fill value in the creation properties of a dataset of `dtype`."""
        if dcpl.fill_value_defined() != h5d.FILL_VALUE_USER_DEFINED:
            return Fill.of(dcpl, dtype)
        value = np.zeros((), dtype)
        dcpl.get_fill_value(value)
        found = value[()]
        for name in self.names:
            found = found[name]
        native = np.asarray(found)
        return Fill(native.astype(native.dtype.newbyteorder("="))[()], False, dcpl.get_fill_time())


def member_names(dataset: h5py.Dataset) -> tuple[str, ...]:
    """Return the names of a compound's members; none where a dataset is not of one.

    A complex number is a compound for HDF5 and a number for everybody else.
    """
    try:
        return tuple(dataset.dtype.names or ())
    except FOREIGN:
        return ()


def find_member(dataset: h5py.Dataset, name: str) -> tuple[Member, np.dtype[Any]]:
    """Return a member of a dataset of a compound type, and its stored dtype.

    Raises
    ------
    InputError
        There is none of this name, or it is no number.
    """
    kind = dataset.id.get_type()
    size, offset, names, parts = kind.get_size(), 0, [], name.split(".")
    while parts:
        known = _members(kind)
        # Names may have dots in them.
        count = next((n for n in range(len(parts), 0, -1) if ".".join(parts[:n]) in known), 0)
        if not count:
            raise InputError(
                f"expected a member of the compound at {where(dataset)}, got {name!r}; "
                f"{suggestion(parts[0], known)}"
            )
        names.append(".".join(parts[:count]))
        assert isinstance(kind, h5t.TypeCompoundID)
        number = known[names[-1]]
        offset += kind.get_member_offset(number)
        kind, parts = kind.get_member_type(number), parts[count:]
    dtype = _numeric(kind, f"{where(dataset)}.{name}")
    return Member(tuple(names), offset, size, holds_plainly(kind, dtype)), dtype


def _members(kind: h5t.TypeID) -> dict[str, int]:
    if not isinstance(kind, h5t.TypeCompoundID):
        return {}
    return {text(kind.get_member_name(n)): n for n in range(kind.get_nmembers())}


def _numeric(kind: h5t.TypeID, place: str) -> np.dtype[Any]:
    try:
        dtype = np.dtype(kind.dtype)
    except FOREIGN:
        raise InputError(
            f"expected numbers at {place}, found a type that NumPy lacks; choose another member"
        ) from None
    if dtype.kind not in NUMERIC_KINDS or dtype.char in "gG":
        inner: Sequence[str] = dtype.names or ()
        choose = f"choose {place}.{inner[0]}" if inner else "choose another member"
        raise InputError(f"expected numbers at {place}, found {kind_name(dtype)}; {choose}")
    return np.dtype(dtype.str)
