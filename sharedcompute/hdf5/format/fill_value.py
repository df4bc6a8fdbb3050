"""Fill values: what a dataset holds where nothing was written."""

from __future__ import annotations

import ctypes
from dataclasses import dataclass
from typing import Any

import numpy as np
from h5py import h5d, h5p, h5t
from numpy.typing import NDArray

Number = np.generic | NDArray[Any]
"""A value as NumPy has it; an array of one dtype with subarrays."""


@dataclass(frozen=True)
class Fill:
    """The fill value of a dataset, and when HDF5 writes it.

    Filters see it: scaleoffset stores the fill value, or that there is none, as one of its options.

    Parameters
    ----------
    value : numpy scalar or None
        What a user has set; None is HDF5's zero.
    undefined : bool
        The file states that there is none.
    time : int
        HDF5's number for when it is written.
    """

    value: Number | None = None
    undefined: bool = False
    time: int = h5d.FILL_TIME_IFSET

    @classmethod
    def of(cls, dcpl: h5p.PropDCID, dtype: np.dtype[Any]) -> Fill:
        """Return the fill value in the creation properties of a dataset, in native byte order."""
        state, time = dcpl.fill_value_defined(), dcpl.get_fill_time()
        if state != h5d.FILL_VALUE_USER_DEFINED:
            return cls(None, state == h5d.FILL_VALUE_UNDEFINED, time)
        value = np.zeros((), dtype)
        dcpl.get_fill_value(value)
        return cls(value.astype(np.dtype(dtype.str).newbyteorder("="))[()], False, time)

    @property
    def shown(self) -> Number | None:
        """The value that is read where nothing was written; None for zeros.

        Also for a value that is never written: HDF5 leaves a reader's memory as it was then.
        """
        return None if self.time == h5d.FILL_TIME_NEVER else self.value

    def put(self, dcpl: h5p.PropDCID) -> None:
        """Put it into dataset creation properties."""
        dcpl.set_fill_time(self.time)
        if self.value is not None:
            dcpl.set_fill_value(np.asarray(self.value))
        elif self.undefined:
            # h5py sets values only; its modules lead to the HDF5 library that they use.
            put = ctypes.CDLL(h5p.__file__).H5Pset_fill_value
            put.argtypes = [ctypes.c_int64, ctypes.c_int64, ctypes.c_void_p]
            put(dcpl.id, h5t.NATIVE_INT8.id, None)


ZEROS = Fill()
"""The fill value of a dataset by default."""
