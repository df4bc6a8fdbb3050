"""The CF attributes of a dataset that say what its stored numbers mean, as plain data.

References
----------
CF conventions 1.11, sections 2.5.1 (missing data) and 8.1 (packed data); NetCDF Users Guide,
appendix A, for ``_Unsigned``.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import h5py
import numpy as np
from numpy.typing import NDArray

from sharedcompute.hdf5.attributes import UNPACKING

UNREADABLE = "a value that cannot be read"


@dataclass(frozen=True, eq=False)
class Packing:
    """How the numbers of a dataset are packed. It pickles.

    Parameters
    ----------
    attributes : mapping of str to ndarray
        The attributes by their names, each of shape (values,), as the file has them. Whether they
        make sense is looked at by who applies them: a job that does not is not to fail on them.
    """

    attributes: Mapping[str, NDArray[Any]]

    @property
    def names(self) -> tuple[str, ...]:
        """The attributes that the dataset has."""
        return tuple(self.attributes)

    def __eq__(self, other: object) -> bool:
        """Whether both unpack to the same numbers: equal attributes of equal dtypes, NaN too."""
        return isinstance(other, Packing) and self._plain() == other._plain()

    def __hash__(self) -> int:
        return hash(self._plain())

    def _plain(self) -> tuple[tuple[str, str, bytes], ...]:
        return tuple((n, v.dtype.str, v.tobytes()) for n, v in self.attributes.items())

    def __str__(self) -> str:
        return ", ".join(f"{n} {' '.join(map(str, v))}" for n, v in self.attributes.items())


def packing_of(dataset: h5py.Dataset) -> Packing | None:
    """How a dataset is packed; None where no attribute says that it is."""
    found = {name: _values(dataset, name) for name in UNPACKING if name in dataset.attrs}
    return Packing(found) if found else None


def _values(dataset: h5py.Dataset, name: str) -> NDArray[Any]:
    """An attribute's values in native byte order, as text where they are not numbers."""
    try:
        value = dataset.attrs[name]
    except (OSError, TypeError, ValueError):
        value = UNREADABLE
    if isinstance(value, h5py.Empty):
        return np.empty(0)
    if isinstance(value, bytes):
        value = value.decode("utf-8", "replace")
    values = np.ravel(value)
    if values.dtype.kind not in "biufc":
        values = np.array([_decoded(v) for v in values.tolist()])
    return values.astype(values.dtype.newbyteorder("="), copy=False)


def _decoded(value: Any) -> str:
    return value.decode("utf-8", "replace") if isinstance(value, bytes) else str(value)
