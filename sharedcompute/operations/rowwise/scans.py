"""Cumulative operations along rows."""

from __future__ import annotations

from sharedcompute.kernels import scans as kernels
from sharedcompute.operations.declarations import Scan
from sharedcompute.operations.reductions.reductions import NA, as_sum

SCANS: tuple[Scan, ...] = (
    Scan(
        "cumsum",
        kernels.cumsum,
        "sum",
        "running sum over rows, as numpy.cumsum(x, axis=0)",
        NA,
        as_sum,
        units="difference",
    ),
    Scan(
        "cumprod",
        kernels.cumprod,
        "prod",
        "running product over rows, as numpy.cumprod(x, axis=0)",
        NA,
        as_sum,
    ),
    Scan(
        "cummax",
        kernels.cummax,
        "max",
        "running maximum over rows, as numpy.maximum.accumulate(x, axis=0)",
        NA,
        kinds="biuf",
        units="same",
    ),
)
