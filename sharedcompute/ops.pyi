"""Types of `sharedcompute.ops`, made from the catalogue; `make stubs` writes this file."""

from collections.abc import Sequence
from typing import Literal, TypedDict, Unpack, overload

from numpy.typing import ArrayLike, DTypeLike

from sharedcompute.api.lazy.array import LazyArray
from sharedcompute.api.fitted import Fitted
from sharedcompute.api.typing import AddressLike, ArrayInput, Axis
from sharedcompute.events import Listener
from sharedcompute.operations.specs import Array
from sharedcompute.rows import Schedule
from sharedcompute.team import Team
from sharedcompute.traits import EngineName

class Options(TypedDict, total=False):
    """Options of all operations."""

    workers: int | None
    threads: int
    pin: bool
    schedule: Schedule
    block_rows: int | None
    memory: int | str | None
    engine: EngineName
    retries: int
    filter: str | None
    chunks: str | Sequence[int] | None
    shuffle: bool | None
    overwrite: bool
    resume: bool
    decode_cf: bool
    allow_external: bool
    rows: str | slice | None
    team: Team | None
    listen: Listener | None

class ReductionOptions(TypedDict, total=False):
    """Options of reductions."""

    axis: Axis
    keepdims: bool
    where: ArrayInput | None
    weights: ArrayInput | None
    workers: int | None
    threads: int
    pin: bool
    schedule: Schedule
    block_rows: int | None
    memory: int | str | None
    engine: EngineName
    retries: int
    filter: str | None
    chunks: str | Sequence[int] | None
    shuffle: bool | None
    overwrite: bool
    resume: bool
    decode_cf: bool
    allow_external: bool
    rows: str | slice | None
    team: Team | None
    listen: Listener | None

@overload
def cast(
    input: ArrayInput,
    output: Array | None = None,
    *,
    dtype: DTypeLike,
    **options: Unpack[Options],
) -> Array: ...
@overload
def cast(
    input: ArrayInput,
    output: AddressLike,
    *,
    dtype: DTypeLike,
    **options: Unpack[Options],
) -> LazyArray:
    """Convert to another dtype (numpy.ndarray.astype).

    Numbers are converted as C converts them: fractions are cut off, and whole numbers that the
    dtype cannot hold wrap around. Complex data cannot become real.

    Parameters
    ----------
    dtype : dtype
        NumPy dtype of the result, such as f4.

    Returns
    -------
    ndarray or LazyArray
        The result; with an address as output, a LazyArray. The input's shape, in `dtype`.
    """

@overload
def scale(
    input: ArrayInput,
    output: Array | None = None,
    *,
    factor: float = 1.0,
    offset: float = 0.0,
    **options: Unpack[Options],
) -> Array: ...
@overload
def scale(
    input: ArrayInput,
    output: AddressLike,
    *,
    factor: float = 1.0,
    offset: float = 0.0,
    **options: Unpack[Options],
) -> LazyArray:
    """Scale linearly: x * factor + offset.

    A change of units, such as kelvin to degrees Celsius.

    Parameters
    ----------
    factor : float, default: 1.0
        Multiplies.
    offset : float, default: 0.0
        Is added.

    Returns
    -------
    ndarray or LazyArray
        The result; with an address as output, a LazyArray. Of the input's shape; the input's dtype
        where it is floating, else float64.
    """

@overload
def clip(
    input: ArrayInput,
    output: Array | None = None,
    *,
    lower: float | None = None,
    upper: float | None = None,
    **options: Unpack[Options],
) -> Array: ...
@overload
def clip(
    input: ArrayInput,
    output: AddressLike,
    *,
    lower: float | None = None,
    upper: float | None = None,
    **options: Unpack[Options],
) -> LazyArray:
    """Limit to an interval, lower ... upper (numpy.clip).

    Values outside the interval become its nearest end; NaN stays. For whole numbers the bounds are
    rounded inwards. One of them must be given.

    Parameters
    ----------
    lower : int or float, optional
        Least value kept.
    upper : int or float, optional
        Greatest value kept.

    Returns
    -------
    ndarray or LazyArray
        The result; with an address as output, a LazyArray. Of the input's shape; the input's dtype.
    """

@overload
def threshold(
    input: ArrayInput,
    output: Array | None = None,
    *,
    level: float,
    value: float = 0.0,
    **options: Unpack[Options],
) -> Array: ...
@overload
def threshold(
    input: ArrayInput,
    output: AddressLike,
    *,
    level: float,
    value: float = 0.0,
    **options: Unpack[Options],
) -> LazyArray:
    """Replace what is not above a level: x where x > level, else value.

    NaN is kept.

    Parameters
    ----------
    level : int or float
        Values above it are kept.
    value : int or float, default: 0.0
        Put in place of the others.

    Returns
    -------
    ndarray or LazyArray
        The result; with an address as output, a LazyArray. Of the input's shape; the input's dtype.
    """

@overload
def anomaly(
    input: ArrayInput,
    output: Array | None = None,
    *,
    mean: ArrayLike | str | None = None,
    skipna: bool = False,
    **options: Unpack[Options],
) -> Array: ...
@overload
def anomaly(
    input: ArrayInput,
    output: AddressLike,
    *,
    mean: ArrayLike | str | None = None,
    skipna: bool = False,
    **options: Unpack[Options],
) -> LazyArray:
    """Subtract the mean over rows, computed first, or a given mean.

    The deviation of each row from the climatology: the mean is computed in double precision by a
    pass of its own, unless it is given.

    Parameters
    ----------
    mean : array_like or address, optional
        Array or address shaped like a row.
    skipna : bool, default: False
        Leave NaN out of the computed mean.

    Returns
    -------
    ndarray or LazyArray
        The result; with an address as output, a LazyArray. Of the input's shape; the input's dtype
        where it is floating, else float64.
    """

@overload
def flatfield(
    input: ArrayInput,
    output: Array | None = None,
    *,
    dark: ArrayLike | str,
    flat: ArrayLike | str,
    **options: Unpack[Options],
) -> Array: ...
@overload
def flatfield(
    input: ArrayInput,
    output: AddressLike,
    *,
    dark: ArrayLike | str,
    flat: ArrayLike | str,
    **options: Unpack[Options],
) -> LazyArray:
    """Correct a detector's response: (x - dark) / (flat - dark) * mean(flat - dark).

    Flat-field correction of frames: counts keep their size, as they are scaled by the mean
    response. Pixels without response (flat equal to dark) become NaN.

    Parameters
    ----------
    dark : array_like or address
        Frame without light, or a stack that is averaged.
    flat : array_like or address
        Frame of even light, or a stack that is averaged.

    Returns
    -------
    ndarray or LazyArray
        The result; with an address as output, a LazyArray. Of the input's shape; the input's dtype
        where it is floating, else float64.
    """

@overload
def zscore(
    input: ArrayInput,
    output: Array | None = None,
    *,
    skipna: bool = False,
    **options: Unpack[Options],
) -> Array: ...
@overload
def zscore(
    input: ArrayInput,
    output: AddressLike,
    *,
    skipna: bool = False,
    **options: Unpack[Options],
) -> LazyArray:
    """Standardise over rows: (x - mean) / std (scipy.stats.zscore).

    Mean and standard deviation (of the population, ddof 0) of each column are computed first, in
    double precision. Constant columns become NaN.

    Parameters
    ----------
    skipna : bool, default: False
        Leave NaN out of the computed mean.

    Returns
    -------
    ndarray or LazyArray
        The result; with an address as output, a LazyArray. Of the input's shape; the input's dtype
        where it is floating, else float64.
    """

@overload
def nearest_center(
    input: ArrayInput,
    output: Array | None = None,
    *,
    centers: ArrayLike | str,
    **options: Unpack[Options],
) -> Array: ...
@overload
def nearest_center(
    input: ArrayInput,
    output: AddressLike,
    *,
    centers: ArrayLike | str,
    **options: Unpack[Options],
) -> LazyArray:
    """Find the nearest of some centres (sklearn.cluster.KMeans.predict).

    The index of the centre at the least Euclidean distance; the first of equals.

    Parameters
    ----------
    centers : array_like or address
        Array or address, a row for each centre.

    Returns
    -------
    ndarray or LazyArray
        The result; with an address as output, a LazyArray. Shape (rows,), int32.
    """

@overload
def center_distances(
    input: ArrayInput,
    output: Array | None = None,
    *,
    centers: ArrayLike | str,
    **options: Unpack[Options],
) -> Array: ...
@overload
def center_distances(
    input: ArrayInput,
    output: AddressLike,
    *,
    centers: ArrayLike | str,
    **options: Unpack[Options],
) -> LazyArray:
    """Compute the distance to each of some centres (sklearn.cluster.KMeans.transform).

    Euclidean distances, from differences of coordinates.

    Parameters
    ----------
    centers : array_like or address
        Array or address, a row for each centre.

    Returns
    -------
    ndarray or LazyArray
        The result; with an address as output, a LazyArray. Shape (rows, centres), floating: the
        input's dtype where it is, else float64.
    """

@overload
def project(
    input: ArrayInput,
    output: Array | None = None,
    *,
    components: ArrayLike | str,
    mean: ArrayLike | str | None = None,
    variance: ArrayLike | str | None = None,
    **options: Unpack[Options],
) -> Array: ...
@overload
def project(
    input: ArrayInput,
    output: AddressLike,
    *,
    components: ArrayLike | str,
    mean: ArrayLike | str | None = None,
    variance: ArrayLike | str | None = None,
    **options: Unpack[Options],
) -> LazyArray:
    """Project rows on components: (x - mean) @ components.T.

    The coordinates of rows along principal components, which a fit of `pca` gives, as do its means
    and variances. Products are taken in double precision.

    Parameters
    ----------
    components : array_like or address
        An array or the address of one, shape (k, columns).
    mean : array_like or address, optional
        Subtracted first; 0 where it is not given.
    variance : array_like or address, optional
        Divide by its square root, to whiten.

    Returns
    -------
    ndarray or LazyArray
        The result; with an address as output, a LazyArray. Shape (rows, k), floating: the input's
        dtype where it is, else float64.
    """

@overload
def linear(
    input: ArrayInput,
    output: Array | None = None,
    *,
    coef: ArrayLike | str,
    intercept: ArrayLike | str = 0.0,
    **options: Unpack[Options],
) -> Array: ...
@overload
def linear(
    input: ArrayInput,
    output: AddressLike,
    *,
    coef: ArrayLike | str,
    intercept: ArrayLike | str = 0.0,
    **options: Unpack[Options],
) -> LazyArray:
    """Predict by a linear regression: x @ coef.T + intercept.

    The predictions of a linear model whose coefficients `lstsq` or `ridge` gave. Products are taken
    in double precision.

    Parameters
    ----------
    coef : array_like or address
        An array or the address of one, shape (columns,) or (targets, columns).
    intercept : array_like or address, default: 0.0
        One number, or one for each target.

    Returns
    -------
    ndarray or LazyArray
        The result; with an address as output, a LazyArray. Shape (rows,) or (rows, targets),
        floating: the input's dtype where it is, else float64.
    """

@overload
def gaussian(
    input: ArrayInput,
    output: Array | None = None,
    *,
    sigma: float | Sequence[float],
    order: int | Sequence[int] = 0,
    axes: int | Sequence[int] | None = None,
    mode: Literal["reflect", "constant", "nearest", "mirror", "wrap"] = "reflect",
    cval: float = 0.0,
    truncate: float = 4.0,
    **options: Unpack[Options],
) -> Array: ...
@overload
def gaussian(
    input: ArrayInput,
    output: AddressLike,
    *,
    sigma: float | Sequence[float],
    order: int | Sequence[int] = 0,
    axes: int | Sequence[int] | None = None,
    mode: Literal["reflect", "constant", "nearest", "mirror", "wrap"] = "reflect",
    cval: float = 0.0,
    truncate: float = 4.0,
    **options: Unpack[Options],
) -> LazyArray:
    """Smooth by a Gaussian (scipy.ndimage.gaussian_filter).

    A convolution with a sampled Gaussian along each axis in turn, or with a derivative of it.
    Several values of `sigma` and `order` are those of the axes.

    Parameters
    ----------
    sigma : float or sequence of float
        Standard deviation in elements.
    order : int or sequence of int, default: 0
        Order of the derivative.
    axes : int or sequence of int, optional
        The axes to filter along (default: all).
    mode : {'reflect', 'constant', 'nearest', 'mirror', 'wrap'}, default: 'reflect'
        How edges are extended.
    cval : int or float, default: 0.0
        The value beyond the edges in mode constant.
    truncate : float above 0, default: 4.0
        Radius in standard deviations.

    Returns
    -------
    ndarray or LazyArray
        The result; with an address as output, a LazyArray. Of the input's shape; the input's dtype.
    """

@overload
def uniform(
    input: ArrayInput,
    output: Array | None = None,
    *,
    size: int | Sequence[int] = 3,
    axes: int | Sequence[int] | None = None,
    mode: Literal["reflect", "constant", "nearest", "mirror", "wrap"] = "reflect",
    cval: float = 0.0,
    **options: Unpack[Options],
) -> Array: ...
@overload
def uniform(
    input: ArrayInput,
    output: AddressLike,
    *,
    size: int | Sequence[int] = 3,
    axes: int | Sequence[int] | None = None,
    mode: Literal["reflect", "constant", "nearest", "mirror", "wrap"] = "reflect",
    cval: float = 0.0,
    **options: Unpack[Options],
) -> LazyArray:
    """Average over a window (scipy.ndimage.uniform_filter).

    A moving average, by a running sum along each axis in turn: its time does not depend on the
    size.

    Parameters
    ----------
    size : int or sequence of int, default: 3
        Elements in the window.
    axes : int or sequence of int, optional
        The axes to filter along (default: all).
    mode : {'reflect', 'constant', 'nearest', 'mirror', 'wrap'}, default: 'reflect'
        How edges are extended.
    cval : int or float, default: 0.0
        The value beyond the edges in mode constant.

    Returns
    -------
    ndarray or LazyArray
        The result; with an address as output, a LazyArray. Of the input's shape; the input's dtype.
    """

@overload
def median(
    input: ArrayInput,
    output: Array | None = None,
    *,
    size: int | Sequence[int] = 3,
    axes: int | Sequence[int] | None = None,
    mode: Literal["reflect", "constant", "nearest", "mirror", "wrap"] = "reflect",
    cval: float = 0.0,
    **options: Unpack[Options],
) -> Array: ...
@overload
def median(
    input: ArrayInput,
    output: AddressLike,
    *,
    size: int | Sequence[int] = 3,
    axes: int | Sequence[int] | None = None,
    mode: Literal["reflect", "constant", "nearest", "mirror", "wrap"] = "reflect",
    cval: float = 0.0,
    **options: Unpack[Options],
) -> LazyArray:
    """Take the median over a window (scipy.ndimage.median_filter).

    Removes impulse noise and keeps edges. Windows of an even number of elements have the upper one
    of the two in the middle.

    Parameters
    ----------
    size : int or sequence of int, default: 3
        Elements in the window.
    axes : int or sequence of int, optional
        The axes to filter along (default: all).
    mode : {'reflect', 'constant', 'nearest', 'mirror', 'wrap'}, default: 'reflect'
        How edges are extended.
    cval : int or float, default: 0.0
        The value beyond the edges in mode constant.

    Returns
    -------
    ndarray or LazyArray
        The result; with an address as output, a LazyArray. Of the input's shape; the input's dtype.
    """

@overload
def sobel(
    input: ArrayInput,
    output: Array | None = None,
    *,
    axis: int = -1,
    mode: Literal["reflect", "constant", "nearest", "mirror", "wrap"] = "reflect",
    cval: float = 0.0,
    **options: Unpack[Options],
) -> Array: ...
@overload
def sobel(
    input: ArrayInput,
    output: AddressLike,
    *,
    axis: int = -1,
    mode: Literal["reflect", "constant", "nearest", "mirror", "wrap"] = "reflect",
    cval: float = 0.0,
    **options: Unpack[Options],
) -> LazyArray:
    """Differentiate by the Sobel operator (scipy.ndimage.sobel).

    Differences [-1, 0, 1] along an axis, smoothed by [1, 2, 1] along the others.

    Parameters
    ----------
    axis : int, default: -1
        The axis of the derivative.
    mode : {'reflect', 'constant', 'nearest', 'mirror', 'wrap'}, default: 'reflect'
        How edges are extended.
    cval : int or float, default: 0.0
        The value beyond the edges in mode constant.

    Returns
    -------
    ndarray or LazyArray
        The result; with an address as output, a LazyArray. Of the input's shape; the input's dtype.
    """

@overload
def laplace(
    input: ArrayInput,
    output: Array | None = None,
    *,
    axes: int | Sequence[int] | None = None,
    mode: Literal["reflect", "constant", "nearest", "mirror", "wrap"] = "reflect",
    cval: float = 0.0,
    **options: Unpack[Options],
) -> Array: ...
@overload
def laplace(
    input: ArrayInput,
    output: AddressLike,
    *,
    axes: int | Sequence[int] | None = None,
    mode: Literal["reflect", "constant", "nearest", "mirror", "wrap"] = "reflect",
    cval: float = 0.0,
    **options: Unpack[Options],
) -> LazyArray:
    """Sum the second derivatives of the axes (scipy.ndimage.laplace).

    The second differences [1, -2, 1] of each axis, added up.

    Parameters
    ----------
    axes : int or sequence of int, optional
        The axes to filter along (default: all).
    mode : {'reflect', 'constant', 'nearest', 'mirror', 'wrap'}, default: 'reflect'
        How edges are extended.
    cval : int or float, default: 0.0
        The value beyond the edges in mode constant.

    Returns
    -------
    ndarray or LazyArray
        The result; with an address as output, a LazyArray. Of the input's shape; the input's dtype.
    """

def count(
    input: ArrayInput,
    output: AddressLike | None = None,
    **options: Unpack[ReductionOptions],
) -> Array:
    """Count the values that are not NaN.

    Returns
    -------
    ndarray
        Of the shape of one row; a number with ``axis="all"``. Its dtype: int64.
    """

def nan_count(
    input: ArrayInput,
    output: AddressLike | None = None,
    **options: Unpack[ReductionOptions],
) -> Array:
    """Count the values that are NaN.

    Returns
    -------
    ndarray
        Of the shape of one row; a number with ``axis="all"``. Its dtype: int64.
    """

def sum(
    input: ArrayInput,
    output: AddressLike | None = None,
    *,
    skipna: bool = False,
    dtype: DTypeLike | None = None,
    **options: Unpack[ReductionOptions],
) -> Array:
    """Add up, in double precision (numpy.sum).

    Blocks are summed in double precision and combined in a fixed binary tree.

    Parameters
    ----------
    skipna : bool, default: False
        Leave NaN out.
    dtype : dtype, optional
        Of the result (default: NumPy's); sums are in double at least.

    Returns
    -------
    ndarray
        Of the shape of one row; a number with ``axis="all"``. Its dtype: The dtype of numpy.sum:
        int64 or uint64 for whole numbers, else the input's.
    """

def prod(
    input: ArrayInput,
    output: AddressLike | None = None,
    *,
    skipna: bool = False,
    dtype: DTypeLike | None = None,
    **options: Unpack[ReductionOptions],
) -> Array:
    """Multiply (numpy.prod).

    Parameters
    ----------
    skipna : bool, default: False
        Leave NaN out.
    dtype : dtype, optional
        Of the result (default: NumPy's); sums are in double at least.

    Returns
    -------
    ndarray
        Of the shape of one row; a number with ``axis="all"``. Its dtype: The dtype of numpy.sum:
        int64 or uint64 for whole numbers, else the input's.
    """

def mean(
    input: ArrayInput,
    output: AddressLike | None = None,
    *,
    skipna: bool = False,
    dtype: DTypeLike | None = None,
    **options: Unpack[ReductionOptions],
) -> Array:
    """Average, in double precision (numpy.mean).

    Blocks are summed in double precision and combined in a fixed binary tree.

    Parameters
    ----------
    skipna : bool, default: False
        Leave NaN out.
    dtype : dtype, optional
        Of the result (default: NumPy's); sums are in double at least.

    Returns
    -------
    ndarray
        Of the shape of one row; a number with ``axis="all"``. Its dtype: The input's dtype where it
        is floating, else float64.
    """

def var(
    input: ArrayInput,
    output: AddressLike | None = None,
    *,
    skipna: bool = False,
    ddof: float = 0,
    dtype: DTypeLike | None = None,
    **options: Unpack[ReductionOptions],
) -> Array:
    """Compute the variance (numpy.var).

    Sums of squared deviations of blocks are pooled by the pairwise formula, so nothing large is
    subtracted from something as large. Whole numbers of up to 16 bits are added up exactly.

    Parameters
    ----------
    skipna : bool, default: False
        Leave NaN out.
    ddof : float of at least 0, default: 0
        Degrees of freedom subtracted from the count.
    dtype : dtype, optional
        Of the result (default: NumPy's); sums are in double at least.

    Returns
    -------
    ndarray
        Of the shape of one row; a number with ``axis="all"``. Its dtype: The input's dtype where it
        is floating, else float64.
    """

def std(
    input: ArrayInput,
    output: AddressLike | None = None,
    *,
    skipna: bool = False,
    ddof: float = 0,
    dtype: DTypeLike | None = None,
    **options: Unpack[ReductionOptions],
) -> Array:
    """Compute the standard deviation (numpy.std).

    Sums of squared deviations of blocks are pooled by the pairwise formula, so nothing large is
    subtracted from something as large. Whole numbers of up to 16 bits are added up exactly.

    Parameters
    ----------
    skipna : bool, default: False
        Leave NaN out.
    ddof : float of at least 0, default: 0
        Degrees of freedom subtracted from the count.
    dtype : dtype, optional
        Of the result (default: NumPy's); sums are in double at least.

    Returns
    -------
    ndarray
        Of the shape of one row; a number with ``axis="all"``. Its dtype: The input's dtype where it
        is floating, else float64.
    """

def min(
    input: ArrayInput,
    output: AddressLike | None = None,
    *,
    skipna: bool = False,
    **options: Unpack[ReductionOptions],
) -> Array:
    """Find the minimum (numpy.min).

    Parameters
    ----------
    skipna : bool, default: False
        Leave NaN out.

    Returns
    -------
    ndarray
        Of the shape of one row; a number with ``axis="all"``. Its dtype: the input's dtype.
    """

def max(
    input: ArrayInput,
    output: AddressLike | None = None,
    *,
    skipna: bool = False,
    **options: Unpack[ReductionOptions],
) -> Array:
    """Find the maximum (numpy.max).

    Parameters
    ----------
    skipna : bool, default: False
        Leave NaN out.

    Returns
    -------
    ndarray
        Of the shape of one row; a number with ``axis="all"``. Its dtype: the input's dtype.
    """

def argmin(
    input: ArrayInput,
    output: AddressLike | None = None,
    *,
    skipna: bool = False,
    **options: Unpack[ReductionOptions],
) -> Array:
    """Find the row of the first minimum (numpy.argmin).

    The first of equal values. As in NumPy a NaN is the extreme, unless it is left out.

    Parameters
    ----------
    skipna : bool, default: False
        Leave NaN out.

    Returns
    -------
    ndarray
        Of the shape of one row; a number with ``axis="all"``. Its dtype: int64. -1 where `skipna`
        leaves nothing.
    """

def argmax(
    input: ArrayInput,
    output: AddressLike | None = None,
    *,
    skipna: bool = False,
    **options: Unpack[ReductionOptions],
) -> Array:
    """Find the row of the first maximum (numpy.argmax).

    The first of equal values. As in NumPy a NaN is the extreme, unless it is left out.

    Parameters
    ----------
    skipna : bool, default: False
        Leave NaN out.

    Returns
    -------
    ndarray
        Of the shape of one row; a number with ``axis="all"``. Its dtype: int64. -1 where `skipna`
        leaves nothing.
    """

def any(
    input: ArrayInput,
    output: AddressLike | None = None,
    *,
    skipna: bool = False,
    **options: Unpack[ReductionOptions],
) -> Array:
    """Test whether any value is true (numpy.any).

    Parameters
    ----------
    skipna : bool, default: False
        Leave NaN out.

    Returns
    -------
    ndarray
        Of the shape of one row; a number with ``axis="all"``. Its dtype: bool.
    """

def all(
    input: ArrayInput,
    output: AddressLike | None = None,
    *,
    skipna: bool = False,
    **options: Unpack[ReductionOptions],
) -> Array:
    """Test whether all values are true (numpy.all).

    Parameters
    ----------
    skipna : bool, default: False
        Leave NaN out.

    Returns
    -------
    ndarray
        Of the shape of one row; a number with ``axis="all"``. Its dtype: bool.
    """

@overload
def cumsum(
    input: ArrayInput,
    output: Array | None = None,
    *,
    skipna: bool = False,
    **options: Unpack[Options],
) -> Array: ...
@overload
def cumsum(
    input: ArrayInput,
    output: AddressLike,
    *,
    skipna: bool = False,
    **options: Unpack[Options],
) -> LazyArray:
    """Accumulate the sum over rows (numpy.cumsum with axis=0).

    Blocks of rows are reduced first; a second pass begins each block with the combined result of
    those before it. Sums are accumulated in double precision.

    Parameters
    ----------
    skipna : bool, default: False
        Leave NaN out.

    Returns
    -------
    ndarray or LazyArray
        The result; with an address as output, a LazyArray. The input's shape; dtype as of
        numpy.cumsum: int64 or uint64 for whole numbers.
    """

@overload
def cumprod(
    input: ArrayInput,
    output: Array | None = None,
    *,
    skipna: bool = False,
    **options: Unpack[Options],
) -> Array: ...
@overload
def cumprod(
    input: ArrayInput,
    output: AddressLike,
    *,
    skipna: bool = False,
    **options: Unpack[Options],
) -> LazyArray:
    """Accumulate the product over rows (numpy.cumprod with axis=0).

    Blocks of rows are reduced first; a second pass begins each block with the combined result of
    those before it.

    Parameters
    ----------
    skipna : bool, default: False
        Leave NaN out.

    Returns
    -------
    ndarray or LazyArray
        The result; with an address as output, a LazyArray. The input's shape; dtype as of
        numpy.cumsum: int64 or uint64 for whole numbers.
    """

@overload
def cummax(
    input: ArrayInput,
    output: Array | None = None,
    *,
    skipna: bool = False,
    **options: Unpack[Options],
) -> Array: ...
@overload
def cummax(
    input: ArrayInput,
    output: AddressLike,
    *,
    skipna: bool = False,
    **options: Unpack[Options],
) -> LazyArray:
    """Accumulate the maximum over rows (numpy.maximum.accumulate with axis=0).

    Blocks of rows are reduced first; a second pass begins each block with the combined result of
    those before it.

    Parameters
    ----------
    skipna : bool, default: False
        Leave NaN out.

    Returns
    -------
    ndarray or LazyArray
        The result; with an address as output, a LazyArray. Of the input's shape; the input's dtype.
    """

def kmeans(
    input: ArrayInput,
    output: AddressLike | None = None,
    *,
    n_clusters: int | None = None,
    init: ArrayLike | str = "k-means++",
    max_iter: int = 300,
    tol: float = 0.0001,
    random_state: int = 0,
    **options: Unpack[Options],
) -> Fitted:
    """Cluster around centres (sklearn.cluster.KMeans).

    Lloyd's algorithm: each row belongs to its nearest centre, and centres move to the means of
    their rows until they move no more. k-means++ begins with centres far apart. Empty clusters are
    given the rows that are farthest from their centres.

    Parameters
    ----------
    n_clusters : int of at least 1, optional
        How many: 8, or the centres of init.
    init : {'k-means++', 'random'}, array_like or address, default: 'k-means++'
        How centres begin: k-means++, random, or an array or address of them.
    max_iter : int of at least 1, default: 300
        Most rounds of moving the centres.
    tol : float of at least 0, default: 0.0001
        Done at this squared shift, by the features' mean variance.
    random_state : int of at least 0, default: 0
        Seed of the random numbers.

    Returns
    -------
    Fitted
        Results by name, also as attributes.

        ``cluster_centers``
            Shape (n_clusters, ...), in the input's dtype where it is floating, else float64.
        ``labels``
            The index of each row's centre, shape (rows,), int32.
        ``inertia``, ``n_iter``, ``converged``
            The sum of squared distances, the rounds that moved centres, and how they ended.
        ``cluster_sizes``
            Rows of each cluster, shape (n_clusters,), int64.
        ``history/inertia``, ``history/shift``
            By round.
    """

def pca(
    input: ArrayInput,
    output: AddressLike | None = None,
    *,
    n_components: float | None = None,
    solver: Literal["covariance", "randomized"] = "covariance",
    n_oversamples: int = 10,
    n_iter: int | None = None,
    random_state: int = 0,
    **options: Unpack[Options],
) -> Fitted:
    """Find principal components (sklearn.decomposition.PCA).

    The directions along which rows vary, from most to least. The covariance solver takes one round
    over the rows, about a mean that is near, so that large means cost no digits; the randomized one
    a few, in memory that is linear in the columns.

    Parameters
    ----------
    n_components : int or float below 1, optional
        How many, or the fraction of the variance to explain; all by default.
    solver : {'covariance', 'randomized'}, default: 'covariance'
        Covariance: exact, one round; randomized: for very many columns.
    n_oversamples : int of at least 0, default: 10
        Directions besides those wanted (randomized).
    n_iter : int of at least 0, optional
        Power iterations (randomized); by default 4 or 7.
    random_state : int of at least 0, default: 0
        Seed of the random directions.

    Returns
    -------
    Fitted
        Results by name, also as attributes.

        ``components``
            Unit vectors, shape (k, columns), each with its largest entry positive.
        ``explained_variance``, ``explained_variance_ratio``, ``singular_values``
            For each component, shape (k,).
        ``mean``
            Of each column, shape (columns,).
        ``noise_variance``, ``n_components``, ``n_samples``, ``converged``
            Numbers.
        ``history/explained``
            The share of the variance that is explained, by round.
    """

def lstsq(
    input: ArrayInput,
    output: AddressLike | None = None,
    *,
    y: ArrayLike | str,
    fit_intercept: bool = True,
    **options: Unpack[Options],
) -> Fitted:
    """Regress linearly by least squares (numpy.linalg.lstsq).

    Blocks of rows are reduced by QR and combined in a tree (TSQR), so the condition of the result
    is that of the data, and not its square as with normal equations. Columns must be linearly
    independent. One round over the rows; memory is linear in the targets.

    Parameters
    ----------
    y : array_like or address
        The target: an array or the address of one, a row for each row.
    fit_intercept : bool, default: True
        Add a constant to x @ coef.

    Returns
    -------
    Fitted
        Results by name, also as attributes.

        ``coef``
            Shape (columns,), or (..., columns) for targets of shape (rows, ...), float64.
        ``intercept``, ``residuals``, ``r2``
            For each target, of the target's shape; residuals are sums of squares.
        ``converged``
            True.
        ``history/r2``
            The mean over targets.
        ``rank``, ``singular``
            The rank, and the singular values of the data.
    """

def ridge(
    input: ArrayInput,
    output: AddressLike | None = None,
    *,
    y: ArrayLike | str,
    alpha: float = 1.0,
    fit_intercept: bool = True,
    **options: Unpack[Options],
) -> Fitted:
    """Regress linearly, with a penalty on the squares of the coefficients.

    Minimises ``|y - x coef - intercept|^2 + alpha |coef|^2``, by the eigenvectors of the scatter
    matrix. One round over the rows; memory is linear in the targets.

    Parameters
    ----------
    y : array_like or address
        The target: an array or the address of one, a row for each row.
    alpha : float above 0, default: 1.0
        Weight of the penalty.
    fit_intercept : bool, default: True
        Add a constant to x @ coef.

    Returns
    -------
    Fitted
        Results by name, also as attributes.

        ``coef``
            Shape (columns,), or (..., columns) for targets of shape (rows, ...), float64.
        ``intercept``, ``residuals``, ``r2``
            For each target, of the target's shape; residuals are sums of squares.
        ``converged``
            True.
        ``history/r2``
            The mean over targets.
    """

def power(
    input: ArrayInput,
    output: AddressLike | None = None,
    *,
    tol: float = 1e-08,
    max_iter: int = 1000,
    random_state: int = 0,
    **options: Unpack[Options],
) -> Fitted:
    """Find the dominant eigenvalue and eigenvector of a square matrix.

    Power iteration: ``v`` becomes ``A v`` over its norm. It converges where one eigenvalue is
    larger in magnitude than all others, symmetric or not; the error shrinks by the ratio of the
    second to it.

    Parameters
    ----------
    tol : float of at least 0, default: 1e-08
        Residual to reach, relative to the eigenvalue.
    max_iter : int of at least 1, default: 1000
        Most rounds.
    random_state : int of at least 0, default: 0
        Seed of the random start.

    Returns
    -------
    Fitted
        Results by name, also as attributes.

        ``eigenvalue``, ``residual``, ``converged``
            Numbers; the residual is ``|A v - l v|``.
        ``eigenvector``
            Of unit length, its largest entry positive, shape (n,), float64.
        ``history/eigenvalue``, ``history/residual``
            By round.
    """

def heat(
    input: ArrayInput,
    output: AddressLike | None = None,
    *,
    sweeps: int,
    alpha: float = 0.1,
    boundary: Literal["fixed", "insulated"] = "fixed",
    **options: Unpack[Options],
) -> Fitted:
    """Solve the heat equation on a grid of 1 to 3 dimensions, by explicit steps in time.

    Steps of ``du/dt = D laplace(u)``, forward in time and centred in space. With ``alpha = D dt /
    h^2``, the diffusion or Fourier number, a step of time dt on cells h apart is ``u += alpha (sum
    of the 2 d neighbours - 2 d u)``, which is stable for ``alpha <= 1 / (2 d)``.

    Parameters
    ----------
    sweeps : int of at least 0
        Steps in time.
    alpha : float above 0, default: 0.1
        D dt / h^2, at most 1 / (2 dimensions).
    boundary : {'fixed', 'insulated'}, default: 'fixed'
        Cells on the edge keep their value, or nothing flows out of them.

    Returns
    -------
    Fitted
        Results by name, also as attributes.

        ``grid``
            Of the input's shape; float32 where the input is of single precision, else float64.
        ``n_iter``, ``change``, ``converged``
            Sweeps, the largest change of a cell by the last of them, and how they ended.
        ``history/sweeps``, ``history/change``
            By round.
    """

def jacobi(
    input: ArrayInput,
    output: AddressLike | None = None,
    *,
    tol: float = 1e-06,
    max_iter: int = 10000,
    check_every: int | None = None,
    source: ArrayLike | str | None = None,
    spacing: float = 1.0,
    **options: Unpack[Options],
) -> Fitted:
    """Solve Laplace's or Poisson's equation on a grid of 1 to 3 dimensions, edges given.

    Jacobi's iteration for ``-laplace(u) = f``, with the grid's edge cells given: a sweep is ``u =
    (sum of the 2 d neighbours + h^2 f) / (2 d)``, from the grid's inner cells on. The residual
    ``max |f + laplace(u)|`` is 2 d / h^2 times the change of the next sweep.

    Parameters
    ----------
    tol : float of at least 0, default: 1e-06
        Largest change of a cell in a sweep to stop at.
    max_iter : int of at least 1, default: 10000
        Most sweeps.
    check_every : int of at least 1, optional
        Sweeps between two checks of the change.
    source : array_like or address, optional
        F in -laplace(u) = f, an array like the grid or a number.
    spacing : float above 0, default: 1.0
        Distance of neighbouring cells.

    Returns
    -------
    Fitted
        Results by name, also as attributes.

        ``grid``
            Of the input's shape; float32 where the input is of single precision, else float64.
        ``n_iter``, ``change``, ``converged``
            Sweeps, the largest change of a cell by the last of them, and how they ended.
        ``history/sweeps``, ``history/change``
            By round.
    """
