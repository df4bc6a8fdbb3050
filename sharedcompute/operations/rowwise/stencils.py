"""Stencils: `scipy.ndimage`'s filters with its names, modes and results.

A separable filter is lowered to a chain of one-dimensional stages, one per axis, in SciPy's
order and with SciPy's intermediate dtype.
"""

from __future__ import annotations

from sharedcompute.operations.declarations import Map
from sharedcompute.operations.kinds import count, not_negative, order, positive, sequence
from sharedcompute.operations.parameters import Parameter
from sharedcompute.operations.rowwise.lines import AXES, AXIS, CVAL, MODE
from sharedcompute.operations.rowwise.rank import median
from sharedcompute.operations.rowwise.separable import gaussian, laplace, sobel, uniform

SIZE = Parameter("size", sequence(count), "elements in the window", 3)

STENCILS: tuple[Map, ...] = (
    Map(
        "gaussian",
        kinds="biuf",
        summary="Smooth by a Gaussian (scipy.ndimage.gaussian_filter)",
        parameters=(
            Parameter("sigma", sequence(not_negative), "standard deviation in elements"),
            Parameter("order", sequence(order), "order of the derivative", 0),
            AXES,
            MODE,
            CVAL,
            Parameter("truncate", positive, "radius in standard deviations", 4.0),
        ),
        build=gaussian,
        description=(
            "A convolution with a sampled Gaussian along each axis in turn, or with a derivative "
            "of it. Several values of `sigma` and `order` are those of the axes."
        ),
        references=("scipy.ndimage.gaussian_filter: the same names, modes and results.",),
        example=""">>> sc.ops.gaussian(np.array([0.0, 0.0, 1.0, 0.0, 0.0]), sigma=0.5).round(3)
array([0.   , 0.106, 0.787, 0.106, 0.   ])""",
    ),
    Map(
        "uniform",
        kinds="biuf",
        summary="Average over a window (scipy.ndimage.uniform_filter)",
        parameters=(SIZE, AXES, MODE, CVAL),
        build=uniform,
        description=(
            "A moving average, by a running sum along each axis in turn: its time does not depend "
            "on the size."
        ),
        references=("scipy.ndimage.uniform_filter: the same names, modes and results.",),
        example=""">>> sc.ops.uniform(np.array([0.0, 3.0, 0.0, 6.0]), size=3)
array([1., 1., 3., 4.])""",
    ),
    Map(
        "median",
        kinds="biuf",
        summary="Take the median over a window (scipy.ndimage.median_filter)",
        parameters=(SIZE, AXES, MODE, CVAL),
        build=median,
        description=(
            "Removes impulse noise and keeps edges. Windows of an even number of elements have "
            "the upper one of the two in the middle."
        ),
        references=(
            "scipy.ndimage.median_filter: the same names, modes and results.",
            'T. S. Huang, G. J. Yang, G. Y. Tang, "A fast two-dimensional median filtering '
            'algorithm", IEEE Trans. Acoust. Speech Signal Process. 27 (1979).',
        ),
        example=""">>> sc.ops.median(np.array([1.0, 9.0, 2.0, 3.0]), size=3)
array([1., 2., 3., 3.])""",
    ),
    Map(
        "sobel",
        kinds="biuf",
        summary="Differentiate by the Sobel operator (scipy.ndimage.sobel)",
        parameters=(AXIS, MODE, CVAL),
        build=sobel,
        units="difference",
        description="Differences [-1, 0, 1] along an axis, smoothed by [1, 2, 1] along the others.",
        references=("scipy.ndimage.sobel: the same names, modes and results.",),
        example=""">>> sc.ops.sobel(np.array([0.0, 1.0, 4.0, 9.0]))
array([1., 4., 8., 5.])""",
    ),
    Map(
        "laplace",
        kinds="biuf",
        summary="Sum the second derivatives of the axes (scipy.ndimage.laplace)",
        parameters=(AXES, MODE, CVAL),
        build=laplace,
        units="difference",
        description="The second differences [1, -2, 1] of each axis, added up.",
        references=("scipy.ndimage.laplace: the same names, modes and results.",),
        example=""">>> sc.ops.laplace(np.array([0.0, 1.0, 4.0, 9.0]))
array([ 1.,  2.,  2., -5.])""",
    ),
)
