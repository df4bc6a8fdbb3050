"""CF's units ``days since 2001-01-01`` in each calendar, in exact numbers.

Times of joined files are converted to the units of the first by a factor and a shift. For that,
only the days between two dates have to be known. Times are picked by dates: these, and the values,
become seconds from one day of the calendar; dates of values are needed only for people.

References
----------
CF conventions 1.11, section 4.4 (time coordinate) and 4.4.1 (calendar); UDUNITS-2, for the units
and for what may follow ``since``. The numbers of days are those of Richards, "Calendars", in the
Explanatory Supplement to the Astronomical Almanac, 3rd ed., section 15.11.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

import numpy as np
from numpy.typing import NDArray

SECONDS = {
    Fraction(1, 1_000_000_000): "nanosecond nanoseconds nanosec nanosecs ns",
    Fraction(1, 1_000_000): "microsecond microseconds microsec microsecs us",
    Fraction(1, 1000): "millisecond milliseconds millisec millisecs msec msecs ms",
    Fraction(1): "second seconds sec secs s",
    Fraction(60): "minute minutes min mins",
    Fraction(3600): "hour hours hr hrs h",
    Fraction(86400): "day days d",
}
LENGTHS = {name: seconds for seconds, names in SECONDS.items() for name in names.split()}

SYNONYMS = {"gregorian": "standard", "365_day": "noleap", "366_day": "all_leap"}
"""Calendars by their other names."""

CALENDARS = ("standard", "proleptic_gregorian", "julian", "noleap", "all_leap", "360_day")

MONTHS = (31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31)

REFORM = (1582, 10, 15)
"""The first day of the Gregorian calendar; the day before it was 4 October."""

SINCE = re.compile(
    r"(?P<unit>\w+)\s+since\s+(?P<year>\d+)-(?P<month>\d+)(?:-(?P<day>\d+))?"
    r"(?:[T\s]\s*(?P<hour>\d+)(?::(?P<minute>\d+)(?::(?P<second>\d+(?:\.\d*)?))?)?)?"
    r"\s*(?:Z|UTC|GMT|(?P<sign>[+-])(?P<ahead>\d{1,2})(?::?(?P<minutes>\d{2}))?)?",
    re.IGNORECASE,
)

MOMENT = re.compile(
    r"(?P<year>\d+)(?:-(?P<month>\d+)(?:-(?P<day>\d+)(?:[T ](?P<hour>\d+)"
    r"(?::(?P<minute>\d+)(?::(?P<second>\d+)(?:\.(?P<part>\d+))?)?)?Z?)?)?)?"
)
"""A date, perhaps with a time of the day, as far as it is given."""


@dataclass(frozen=True)
class TimeUnits:
    """Units of time since a date.

    Parameters
    ----------
    length : Fraction
        Seconds of one unit.
    since : Fraction
        Seconds to the date from a day that is the same for all units in one calendar.
    calendar : str
        One of `CALENDARS`.
    """

    length: Fraction
    since: Fraction
    calendar: str

    @classmethod
    def parse(cls, units: str, calendar: str = "") -> TimeUnits:
        """Parse the attributes ``units`` and ``calendar``.

        Raises
        ------
        ValueError
            They are no units of time since a date, of a length and in a calendar that is known.
        """
        found = SINCE.fullmatch(units.strip())
        if found is None:
            raise ValueError(f"{units!r} are no units of time since a date")
        length = LENGTHS.get(found["unit"].lower())
        if length is None:
            raise ValueError(f"{found['unit']} have no fixed length, or none that is known here")
        named = calendar.strip().lower() or "standard"
        named = SYNONYMS.get(named, named)
        if named not in CALENDARS:
            raise ValueError(f"the calendar {calendar!r} is not known")
        date = int(found["year"]), int(found["month"]), int(found["day"] or 1)
        clock = [Fraction(found[part] or 0) for part in ("hour", "minute", "second")]
        ahead = 3600 * int(found["ahead"] or 0) + 60 * int(found["minutes"] or 0)
        seconds = 3600 * clock[0] + 60 * clock[1] + clock[2]
        seconds += ahead if found["sign"] == "-" else -ahead
        return cls(length, 86400 * day_number(named, *date) + seconds, named)

    def to(self, other: TimeUnits) -> tuple[Fraction, Fraction]:
        """Return the factor and the shift by which times become those in `other` units.

        Raises
        ------
        ValueError
            They are in another calendar.
        """
        if self.calendar != other.calendar:
            raise ValueError(f"the calendars {self.calendar} and {other.calendar} differ")
        return self.length / other.length, (self.since - other.since) / other.length

    @property
    def tick(self) -> Fraction:
        """Seconds to which times are rounded: a value in days as a float may be off by less."""
        return min(self.length, Fraction(1, 1_000_000))

    def ticks(self, values: NDArray[Any]) -> NDArray[np.int64]:
        """Return times as whole ticks since the date."""
        each = int(self.length / self.tick)
        if values.dtype.kind in "iu":
            return values.astype(np.int64) * each
        whole = np.floor(values.astype(np.float64))
        rest: NDArray[np.int64] = np.rint((values - whole) * each).astype(np.int64)
        return whole.astype(np.int64) * each + rest

    def period(self, text: str) -> tuple[Fraction, Fraction]:
        """Return the ticks from the beginning of a date that is given in part to its end.

        Raises
        ------
        ValueError
            It is no date, or none that the calendar has.
        """
        found = MOMENT.fullmatch(text.strip())
        if found is None:
            raise ValueError(f"{text!r} is no date such as 2001, 2001-03 or 2001-03-05T12:00")
        year, month, day = (int(found[part] or 1) for part in ("year", "month", "day"))
        first = 86400 * Fraction(day_number(self.calendar, year, month, day))
        after = (year, month + 1, 1) if month < 12 else (year + 1, 1, 1)
        after = after if found["month"] else (year + 1, 1, 1)
        last = 86400 * Fraction(day_number(self.calendar, *after))
        if found["day"]:
            hour, minute, second = (int(found[p] or 0) for p in ("hour", "minute", "second"))
            if hour > 23 or minute > 59 or second > 59:
                raise ValueError(f"{text!r} is no time of a day")
            lengths = {"hour": 86400, "minute": 3600, "second": 60, "part": 1}
            length = next((n for part, n in lengths.items() if not found[part]), 0)
            part = Fraction(f"0.{found['part'] or 0}")
            first += 3600 * hour + 60 * minute + second + part
            last = first + (length or Fraction(1, 10 ** len(found["part"] or "")))
        return (first - self.since) / self.tick, (last - self.since) / self.tick

    def date(self, ticks: int) -> str:
        """Return a time for a person."""
        days, seconds = divmod(round(ticks * self.tick + self.since), 86400)
        year, month, day = date_of(self.calendar, int(days))
        clock = f"T{seconds // 3600:02}:{seconds % 3600 // 60:02}" if seconds else ""
        seconds %= 60
        return f"{year:04}-{month:02}-{day:02}{clock}{f':{seconds:02}' if seconds else ''}"


def day_number(calendar: str, year: int, month: int, day: int) -> int:
    """Return the number of a day, counted on from a day that is the calendar's own.

    Raises
    ------
    ValueError
        The calendar has no such day.
    """
    long = _is_long(calendar, year)
    lengths = [30] * 12 if calendar == "360_day" else list(MONTHS)
    lengths[1] += long and calendar != "360_day"
    real = calendar in ("standard", "julian")
    skipped = calendar == "standard" and (1582, 10, 4) < (year, month, day) < REFORM
    if skipped or not (1 <= month <= 12 and 1 <= day <= lengths[month - 1]) or real > year:
        raise ValueError(f"the calendar {calendar} has no day {year}-{month:02}-{day:02}")
    if calendar in ("noleap", "all_leap", "360_day"):
        return sum(lengths) * year + sum(lengths[: month - 1]) + day
    # Years begin with March here, so that a day is put in at their end.
    late = (14 - month) // 12
    y, m = year + 4800 - late, month + 12 * late - 3
    days = day + (153 * m + 2) // 5 + 365 * y + y // 4
    if calendar == "julian" or (calendar == "standard" and (year, month, day) < REFORM):
        return days - 32083
    return days - y // 100 + y // 400 - 32045


def date_of(calendar: str, number: int) -> tuple[int, int, int]:
    """Return year, month and day of a day's number."""
    year = max(1, 2000 + (number - day_number(calendar, 2000, 1, 1)) // 366)
    while year > 1 and day_number(calendar, year, 1, 1) > number:
        year -= 1
    while day_number(calendar, year + 1, 1, 1) <= number:
        year += 1
    firsts = [day_number(calendar, year, month, 1) for month in range(1, 13)]
    month = max(1, sum(first <= number for first in firsts))
    day = number - firsts[month - 1] + 1
    skipped = calendar == "standard" and (year, month) == REFORM[:2] and day > 4
    return year, month, day + 10 * skipped


def _is_long(calendar: str, year: int) -> bool:
    """Return whether a year has a 29 February."""
    if calendar in ("noleap", "all_leap", "360_day"):
        return calendar == "all_leap"
    gregorian = calendar == "proleptic_gregorian" or (calendar == "standard" and year > REFORM[0])
    return year % 4 == 0 and not (gregorian and year % 100 == 0 and year % 400 != 0)
