"""Three operations of your own: a map, a stencil and a reduction.

    sharedcompute map --op-from examples/my_kernels.py:contrast IN.h5 OUT.h5 -p gain=1.5
    sharedcompute map --op-from examples/my_kernels.py:slope IN.h5 OUT.h5
    sharedcompute reduce --op-from examples/my_kernels.py:hot_days IN.h5 OUT.h5

The map and the stencil take data of two dimensions; the reduction takes any.
"""

import numpy as np
from numba import njit

import sharedcompute as sc


@njit(cache=True, nogil=True)
def _contrast(x, out, gain, middle):
    for i in range(x.shape[0]):
        for j in range(x.shape[1]):
            out[i, j] = (x[i, j] - middle) * gain + middle


contrast = sc.Map(
    "contrast",
    _contrast,
    "Stretch away from the middle",
    parameters=(
        sc.Parameter("gain", float, "multiplies the distance"),
        sc.Parameter("middle", float, "stays where it is", 0.0),
    ),
    matrix=True,
)


@njit(cache=True, nogil=True)
def _slope(x, out):
    # x has one row more than out on each side.
    for i in range(out.shape[0]):
        for j in range(out.shape[1]):
            out[i, j] = (x[i + 2, j] - x[i, j]) / 2


slope = sc.Stencil(
    "slope", _slope, halo=1, mode="nearest", summary="Take half the difference of rows"
)


@njit(cache=True, nogil=True)
def _above(x, skipna, count):
    for i in range(x.shape[0]):
        for j in range(x.shape[1]):
            count[j] += x[i, j] > 300.0


def _add(a, b, skipna):
    a["count"] += b["count"]


hot_days = sc.Reduce(
    "hot_days",
    sc.Partial(_above, (sc.Field("count", lambda dtype: np.dtype("i8")),), _add),
    finalise=lambda state, params: state["count"],
    summary="Count rows above 300",
    dtype=lambda dtype, params: np.dtype("i8"),
)
