"""The CF attributes by which stored numbers are packed, and their effects.

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
from h5py import h5a
from numpy.typing import NDArray

from sharedcompute.errors import InputError
from sharedcompute.hdf5.format.cf import UNPACKING
from sharedcompute.wording import flag

UNREADABLE = "a value that cannot be read"

MASKS = ("_FillValue", "missing_value")


@dataclass(frozen=True, eq=False)
class Packing:
    """The packing of a dataset's numbers. It pickles.

    Parameters
    ----------
    attributes : mapping of str to ndarray
        The attributes by their names, each of shape (values,), as the file has them. Whether they
        make sense is checked when they are applied: a job that ignores them must not fail on them.
    """

    attributes: Mapping[str, NDArray[Any]]

    @property
    def names(self) -> tuple[str, ...]:
        """The attributes that the dataset has."""
        return tuple(self.attributes)

    def __eq__(self, other: object) -> bool:
        """Return whether both have equal attributes of equal dtypes, NaN too."""
        return isinstance(other, Packing) and self._plain() == other._plain()

    def __hash__(self) -> int:
        return hash(self._plain())

    def _plain(self) -> tuple[tuple[str, str, bytes], ...]:
        return tuple((n, v.dtype.str, v.tobytes()) for n, v in self.attributes.items())

    def __str__(self) -> str:
        return ", ".join(f"{n} {' '.join(map(str, v))}" for n, v in self.attributes.items())

    def changes(self, dtype: np.dtype[Any]) -> tuple[str, ...]:
        """Return the attributes that would change a number of `dtype`, by what they say alone.

        A scale of 1, an offset of 0, a fill value that no element can have (NaN among reals is
        missing anyway) change none. One that makes no sense counts: its effect is unknown.
        """
        return tuple(name for name, what in self._effects(dtype).items() if what)

    def differs(self, other: Packing | None, dtype: np.dtype[Any]) -> str | None:
        """Return the first attribute by which equal stored numbers mean other numbers."""
        ours = self._effects(dtype)
        theirs = (other or NOT_PACKED)._effects(dtype)
        # Which of the two names a missing number makes no difference to a reader.
        mine, its = (frozenset().union(*(e[n] for n in MASKS)) for e in (ours, theirs))
        if mine != its:
            return next(n for n in MASKS if ours[n] != theirs[n])
        rest = (name for name in UNPACKING if name not in MASKS)
        return next((name for name in rest if ours[name] != theirs[name]), None)

    def _effects(self, dtype: np.dtype[Any]) -> dict[str, frozenset[Any]]:
        """Return what each attribute does to numbers of `dtype`; nothing is empty."""
        neutral = {"scale_factor": 1, "add_offset": 0}
        found: dict[str, frozenset[Any]] = {}
        meant = self.meant(dtype)
        for name in UNPACKING:
            values = self.attributes.get(name)
            try:
                if values is None:
                    found[name] = frozenset()
                elif name in MASKS:
                    numbers = self.fills(name, dtype, "") or []
                    found[name] = frozenset(comparable(numbers, dtype, meant).tolist())
                elif name in neutral:
                    number = self.number(name, "")
                    if number is None or number == neutral[name]:
                        found[name] = frozenset()
                    else:
                        # As text: NaN is NaN here.
                        found[name] = frozenset([float(number).hex()])
                else:
                    found[name] = frozenset() if meant == dtype else frozenset([meant.str])
            except InputError:
                found[name] = frozenset([str(values)])
        return found

    def meant(self, dtype: np.dtype[Any]) -> np.dtype[Any]:
        """Return the dtype that the bits are meant in: ``_Unsigned`` is for formats without it."""
        unsigned = "".join(self.attributes.get("_Unsigned", np.empty(0)).astype(str)).lower()
        if (dtype.kind, unsigned) == ("i", "true"):
            return np.dtype(f"u{dtype.itemsize}")
        if (dtype.kind, unsigned) == ("u", "false"):
            return np.dtype(f"i{dtype.itemsize}")
        return dtype

    def number(self, name: str, place: str) -> np.float32 | np.float64 | None:
        """Return a scale or an offset; None where there is none.

        Whatever is not single precision counts as double: xarray would unpack to whole numbers by a
        whole scale, and has no NaN then.

        Raises
        ------
        InputError
            It is not one number; the message names `place`.
        """
        values = self.attributes.get(name)
        if values is None:
            return None
        if values.size != 1 or values.dtype.kind not in "biuf":
            raise _wrong(name, place, "one number", values)
        single = values.dtype == np.float32
        return (np.float32 if single else np.float64)(values[0])

    def fills(self, name: str, dtype: np.dtype[Any], place: str) -> list[Any] | None:
        """Return the numbers that an attribute calls missing; None where it says nothing.

        NaN is missing anyway, and whole numbers have none.

        Raises
        ------
        InputError
            It is no number; the message names `place`.
        """
        values = self.attributes.get(name)
        if values is None or not values.size:
            return None
        kinds = "biufc" if dtype.kind == "c" else "biuf"
        if values.dtype.kind not in kinds:
            raise _wrong(name, place, "numbers", values)
        found = [v for v in values.tolist() if v == v]  # noqa: PLR0124
        return found if found or dtype.kind in "fc" else None


NOT_PACKED = Packing({})


def packing_of(dataset: h5py.Dataset) -> Packing | None:
    """Return how a dataset is packed; None where no attribute says that it is."""
    if not h5a.get_num_attrs(dataset.id):
        return None
    there = [name for name in UNPACKING if h5a.exists(dataset.id, name.encode())]
    found = {name: _values(dataset, name) for name in there}
    return Packing(found) if found else None


def comparable(numbers: list[Any], dtype: np.dtype[Any], meant: np.dtype[Any]) -> NDArray[Any]:
    """Return those of the `numbers` that data can be equal to, as data have them, each once."""
    if meant.kind in "fc":
        with np.errstate(over="ignore"):
            cast = [meant.type(n) for n in numbers]
        found = [c for c, n in zip(cast, numbers, strict=True) if np.isfinite(c) == np.isfinite(n)]
        return np.array(list(dict.fromkeys(found)), meant)
    bits = np.dtype(np.uint8) if meant.kind == "b" else meant
    limits = [np.iinfo(bits), np.iinfo(bits if dtype.kind == "b" else dtype)]
    low, high = min(int(i.min) for i in limits), max(int(i.max) for i in limits)
    whole = [int(n) for n in numbers if low <= n <= high and n == int(n)]
    # A number may be given as stored or as meant: both are the same bits.
    wrapped = [n % 2 ** (8 * bits.itemsize) for n in dict.fromkeys(whole)]
    return np.array(wrapped, f"u{bits.itemsize}").view(bits)


def _wrong(name: str, place: str, wanted: str, values: NDArray[Any]) -> InputError:
    got = ", ".join(map(repr, values.tolist())) or "nothing"
    return InputError(
        f"expected {wanted} in the attribute {name} of {place}, got {got}: correct it, or leave "
        f"{flag('decode_cf')} out"
    )


def _values(dataset: h5py.Dataset, name: str) -> NDArray[Any]:
    """Return an attribute's values in native byte order, as text where they are no numbers."""
    try:
        value = dataset.attrs[name]
    except (OSError, TypeError, ValueError, RuntimeError):
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
