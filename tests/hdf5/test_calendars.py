"""Units of time since a date are what cftime takes them for."""

from __future__ import annotations

import itertools
from datetime import timedelta

import cftime
import numpy as np
import pytest
import xarray as xr

from sharedcompute.hdf5.format.calendars import CALENDARS, SYNONYMS, TimeUnits

UNITS = [
    "days since 2001-01-01",
    "days since 1850-1-1",
    "hours since 1582-10-15 00:00:00",
    "hours since 1582-10-04 18:30",
    "Days since 1-1-1 00:00:0.0",
    "seconds since 1970-01-01T00:00:00Z",
    "minutes since 2000-02-28 12:00:00.25",
    "milliseconds since 1900-03-01 06:07:08.5",
    "microseconds since 2400-02-29",
    "hours since 1999-12-30 10:00 +01:30",
    "hours since 1999-12-30 10:00:00 -05:00",
    "sec since 1600-02-29 UTC",
]


@pytest.mark.parametrize("calendar", [*CALENDARS, *SYNONYMS])
def test_times_are_rebased_as_cftime_does(calendar: str) -> None:
    parsed = {}
    for units in UNITS:
        try:
            parsed[units] = (TimeUnits.parse(units, calendar), cftime.num2date(0, units, calendar))
        except ValueError:
            with pytest.raises(ValueError, match=r"."):
                cftime.num2date(0, units, calendar)
    assert len(parsed) >= 9
    for one, other in itertools.product(parsed.values(), repeat=2):
        factor, shift = one[0].to(other[0])
        apart = one[1] - other[1]
        assert abs(float(shift * other[0].length) - apart / timedelta(seconds=1)) < 1e-3
        assert factor == one[0].length / other[0].length


@pytest.mark.parametrize("calendar", CALENDARS)
def test_every_day_around_leap_years_has_its_number(calendar: str) -> None:
    base = TimeUnits.parse("days since 1570-01-01", calendar)
    for first in (1580, 1599, 1699, 1899, 1999, 2099):
        days = np.arange(0, 800, 7) + cftime.date2num(
            cftime.datetime(first, 1, 1, calendar=calendar), "days since 1570-01-01", calendar
        )
        for day, date in zip(
            days, cftime.num2date(days, "days since 1570-01-01", calendar), strict=True
        ):
            units = f"days since {date.year}-{date.month}-{date.day}"
            assert TimeUnits.parse(units, calendar).to(base) == (1, day)  # type: ignore[comparison-overlap]


@pytest.mark.parametrize(
    ("units", "calendar", "said"),
    [
        ("K", "standard", "no units of time since a date"),
        ("days since yesterday", "", "no units of time since a date"),
        ("days since -5-01-01", "", "no units of time since a date"),
        ("months since 2001-01-01", "", "months have no fixed length"),
        ("years since 2001-01-01", "360_day", "years have no fixed length"),
        ("days since 2001-01-01", "mayan", "'mayan' is not known"),
        ("days since 2001-02-29", "", "has no day 2001-02-29"),
        ("days since 1582-10-10", "gregorian", "has no day 1582-10-10"),
        ("days since 0000-01-01", "standard", "has no day 0-01-01"),
        ("days since 2001-02-31", "360_day", "has no day"),
        ("days since 2001-13-01", "noleap", "has no day"),
    ],
)
def test_what_is_not_understood_is_refused(units: str, calendar: str, said: str) -> None:
    with pytest.raises(ValueError, match=said):
        TimeUnits.parse(units, calendar)


def test_nanoseconds_are_what_xarray_takes_them_for() -> None:
    stored = np.array([0, 1, 10**15])
    for unit in ("nanosecond", "nanoseconds"):
        units = f"{unit} since 2000-01-01"
        decoded = xr.decode_cf(xr.Dataset({"t": ("t", stored, {"units": units})})).t.values
        factor, shift = TimeUnits.parse(units).to(TimeUnits.parse("ns since 1970-01-01"))
        assert [factor * int(n) + shift for n in stored] == decoded.astype("M8[ns]").astype(
            int
        ).tolist()


def test_the_example_of_the_conventions_is_behind_greenwich() -> None:
    # cftime takes no notice of an hour of one digit.
    one, other = (f"seconds since 1992-10-8 15:15:42.5 {ahead}" for ahead in ("-6:00", "-06:00"))
    assert TimeUnits.parse(one) == TimeUnits.parse(other)


def test_other_calendars_are_other_times() -> None:
    one, other = (TimeUnits.parse("days since 2001-01-01", c) for c in ("noleap", "360_day"))
    with pytest.raises(ValueError, match="the calendars noleap and 360_day differ"):
        one.to(other)
