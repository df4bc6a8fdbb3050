"""Cumulative operations along rows."""

from __future__ import annotations

from sharedcompute.kernels import scans as kernels
from sharedcompute.operations.declarations import Scan
from sharedcompute.operations.reductions.reductions import NA, as_sum

TWO_PASSES = (
    "Blocks of rows are reduced first; a second pass begins each block with the combined result "
    "of those before it."
)
BLELLOCH = 'G. E. Blelloch, "Prefix sums and their applications", CMU-CS-90-190 (1990).'
SUM_DTYPE = "The input's shape; dtype as of numpy.cumsum: int64 or uint64 for whole numbers."

SCANS: tuple[Scan, ...] = (
    Scan(
        "cumsum",
        kernels.cumsum,
        "sum",
        "Accumulate the sum over rows (numpy.cumsum with axis=0)",
        NA,
        as_sum,
        units="difference",
        description=TWO_PASSES + " Sums are accumulated in double precision.",
        returns=SUM_DTYPE,
        references=("numpy.cumsum", BLELLOCH),
        example=""">>> sc.ops.cumsum(np.array([1.0, 2.0, 3.0]))
array([1., 3., 6.])""",
    ),
    Scan(
        "cumprod",
        kernels.cumprod,
        "prod",
        "Accumulate the product over rows (numpy.cumprod with axis=0)",
        NA,
        as_sum,
        description=TWO_PASSES,
        returns=SUM_DTYPE,
        references=("numpy.cumprod", BLELLOCH),
        example=""">>> sc.ops.cumprod(np.array([1.0, 2.0, 3.0]))
array([1., 2., 6.])""",
    ),
    Scan(
        "cummax",
        kernels.cummax,
        "max",
        "Accumulate the maximum over rows (numpy.maximum.accumulate with axis=0)",
        NA,
        kinds="biuf",
        units="same",
        description=TWO_PASSES,
        references=("numpy.maximum.accumulate", BLELLOCH),
        example=""">>> sc.ops.cummax(np.array([1.0, 3.0, 2.0]))
array([1., 3., 3.])""",
    ),
)
