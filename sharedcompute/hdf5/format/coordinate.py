"""Elements of a coordinate picked by labels: numbers, times, names.

The rules are xarray's: a range has both of its ends, a single label must be there. A date that is
given in part (``2001-03``) is the range of all that lies in it, also where that is one element.

References
----------
xarray user guide, "Indexing and selecting data"; CF conventions 1.11, section 4.4.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from fractions import Fraction
from numbers import Real
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sharedcompute.errors import InputError
from sharedcompute.hdf5.format.calendars import TimeUnits

Bounds = tuple[Any, Any, bool]
"""The least value, the greatest, and whether that one is still in."""


@dataclass(frozen=True)
class Coordinate:
    """The values along one axis.

    Parameters
    ----------
    name : str
    place : str
        Whose axis it is, for errors.
    values : ndarray, shape (n,)
        Numbers or text, or times as whole ticks.
    units : TimeUnits or None
        Of times.
    """

    name: str
    place: str
    values: NDArray[Any]
    units: TimeUnits | None = None

    def pick(self, label: object) -> int | slice:
        """Return the index of a label, or the slice of a range.

        Raises
        ------
        InputError
            The label is of another kind or is not there; a range of values that are not in order.
        """
        if not isinstance(label, slice):
            low, high, closed = self._bounds(label)
            if self.units is None or not isinstance(label, str):
                return self._one(low, label)
            found = self._range(low, high, closed, None)
            if found.start == found.stop:
                raise self._missing(low, label)
            return found
        step: object = label.step
        if step is not None and (isinstance(step, bool) or not isinstance(step, int) or step < 1):
            raise InputError(
                f"{self.name}: expected a step of at least 1 between labels, got {step!r}; turn "
                "the result round by an index"
            )
        ends = [None if end is None else self._bounds(end) for end in (label.start, label.stop)]
        first, last = ends
        # An open end is that of the array; two ends may come in either direction.
        if self._descends and (first is None or last is None or first[0] > last[0]):
            first, last = last, first
        low = None if first is None else first[0]
        high, closed = (None, True) if last is None else last[1:]
        return self._range(low, high, closed, step)

    def _bounds(self, label: object) -> Bounds:
        """Return the values that a label stands for."""
        try:
            if self.units is not None:
                return self._period(self.units, label)
            if self.values.dtype.kind == "U":
                if not isinstance(label, str):
                    raise ValueError(f"its values are names such as {self._shown(0)}")
                return label, label, True
            number = self._number(label)
            return number, number, True
        except (TypeError, ValueError, OverflowError) as why:
            raise InputError(
                f"{self.name}: expected a value of this coordinate of {self.place}, got "
                f"{_short(label)}: {why}"
            ) from None

    def _number(self, label: object) -> Any:
        given = label
        if isinstance(label, str):
            try:
                given = int(label)
            except ValueError:
                given = float(label)
        if isinstance(given, bool | np.bool_) or not isinstance(given, Real):
            raise ValueError("its values are numbers")
        if given != given:  # noqa: PLR0124
            raise ValueError("NaN is no place")
        # As xarray does: 12.1 means the single-precision number that is written so.
        single = self.values.dtype.kind == "f" and self.values.dtype.itemsize < 8
        return self.values.dtype.type(given) if single else given

    def _period(self, units: TimeUnits, label: object) -> Bounds:
        if isinstance(label, str):
            first, after = units.period(label)
            return first, after, False
        text = _moment(label)
        if text is None:
            raise ValueError("its values are times: give a date such as '2001-03'")
        at = units.period(text)[0]
        return at, at, True

    @property
    def _descends(self) -> bool:
        return len(self.values) > 1 and bool(self.values[0] > self.values[-1])

    def _one(self, value: Any, label: object) -> int:
        found = np.flatnonzero(_compared(self.values, value, np.equal))
        if len(found) == 1:
            return int(found[0])
        if len(found):
            raise InputError(
                f"{self.name}: expected one element at {_short(label)} of {self.place}, found "
                f"{len(found)}; pick one by its index"
            )
        raise self._missing(value, label)

    def _missing(self, value: Any, label: object) -> InputError:
        return InputError(
            f"{self.name}: expected a value of this coordinate of {self.place}, got "
            f"{_short(label)}; {self._nearest(value)}"
        )

    def _nearest(self, value: Any) -> str:
        if not len(self.values):
            return "it has none"
        if self.values.dtype.kind == "U":
            return f"it has {', '.join(map(str, self.values[:8]))}"
        distance = np.abs(self.values.astype(np.float64) - float(value))
        return f"the nearest is {self._shown(int(np.argmin(distance)))}"

    def _shown(self, number: int) -> str:
        value = self.values[number]
        return str(value) if self.units is None else self.units.date(int(value))

    def _range(self, low: Any, high: Any, closed: bool, step: int | None) -> slice:
        values = self.values[::-1] if self._descends else self.values
        if not bool(np.all(values[1:] >= values[:-1])):
            raise InputError(
                f"{self.name}: expected values in order for a range, those of {self.place} are "
                "not; pick rows by an index"
            )
        below = np.greater_equal, np.less_equal if closed else np.less
        inside = (
            np.ones(len(values), np.bool_) if end is None else _compared(values, end, how)
            for end, how in zip((low, high), below, strict=True)
        )
        found = np.flatnonzero(np.logical_and(*inside))
        if not len(found):
            return slice(0, 0, step)
        first, last = int(found[0]), int(found[-1])
        if self._descends:
            first, last = len(values) - 1 - last, len(values) - 1 - first
        return slice(first, last + 1, step)


def _compared(
    values: NDArray[Any], value: Any, how: Callable[..., NDArray[np.bool_]]
) -> NDArray[np.bool_]:
    """Compare values with one, exactly: whole ticks with what may lie between two of them."""
    if not isinstance(value, Fraction) or value.denominator == 1:
        return how(values, int(value) if isinstance(value, Fraction) else value)
    floor = value.numerator // value.denominator
    if how is np.equal:
        return np.zeros(len(values), np.bool_)
    return values > floor if how is np.greater_equal else values <= floor


def _moment(label: object) -> str | None:
    """Return a point in time as text; None for what is none."""
    if isinstance(label, np.datetime64):
        return None if np.isnat(label) else str(label.astype("datetime64[ns]"))
    parts = [getattr(label, name, None) for name in ("year", "month", "day")]
    if not all(isinstance(part, int) for part in parts):
        return None
    clock = [getattr(label, name, 0) for name in ("hour", "minute", "second", "microsecond")]
    date = "-".join(map(str, parts))
    return f"{date}T{clock[0]}:{clock[1]}:{clock[2]}.{clock[3]:06}"


def _short(label: object) -> str:
    return f"{label!r:.60}"
