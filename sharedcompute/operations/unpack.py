"""Packed and masked CF data to the numbers that they mean: the rules, as one stage.

The dtypes and the order of the arithmetic are xarray's (``xarray.coding.variables``, with
``mask_and_scale=True``), so that results are equal to the bit. It differs where xarray would let
numbers pass that the file calls missing: xarray compares after conversion, and a ``_FillValue`` of
-2147483647 that is scaled by a single-precision factor is rounded away from itself. Here stored
numbers are compared, each fill value in their dtype, as netCDF4-python does.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from sharedcompute.errors import InputError
from sharedcompute.hdf5.packing import Packing
from sharedcompute.hdf5.source import DatasetSource
from sharedcompute.kernels import packing as kernels
from sharedcompute.operations.base import Array, DType, Stage

MASKS = ("_FillValue", "missing_value")


def unpack_stage(source: DatasetSource, dtype: DType) -> Stage | None:
    """The stage that unpacks rows of `dtype`; None where it would change nothing.

    Parameters
    ----------
    source : DatasetSource
    dtype : numpy.dtype
        Of its rows; half precision is widened before.

    Raises
    ------
    InputError
        An attribute is no number, or there are several for a scale or an offset; complex data have
        a scale or an offset; files that are joined are packed in different ways.
    """
    _check_joined(source)
    packing, place = source.packing, str(source)
    if packing is None:
        return None
    meant = _meant(packing, dtype)
    scale, offset = (_number(packing, name, place) for name in ("scale_factor", "add_offset"))
    fills = [f for f in (_fills(packing, name, dtype, place) for name in MASKS) if f is not None]
    numbers = [number for found in fills for number in found]
    missing = _comparable(numbers, dtype, meant)
    label = f"decode CF ({packing})"
    if scale is None and offset is None:
        if numbers:
            return _mask(label, missing, _with_nan(meant))
        return None if meant == dtype else _mask(label, missing, meant)
    if dtype.kind == "c":
        raise InputError(
            f"expected real data for the scale_factor and add_offset of {place}, got {dtype}: "
            "leave --decode-cf out"
        )
    # xarray takes data whose only fill value is NaN to be converted already.
    out = dtype if fills and not numbers else _unpacked_dtype(meant, scale, offset)
    # -0.0 and not 0.0: added to minus zero it leaves minus zero.
    factor, added = out.type(1) if scale is None else scale, offset
    added = out.type(-0.0) if added is None else added
    args = [np.result_type(out, value).type(value) for value in (factor, added)]
    return Stage(label, kernels.unpack, (missing, *args), out, elementwise=True)


def unpacked(source: DatasetSource, rows: Array) -> Array:
    """Rows of a source in memory, unpacked; half precision is widened.

    Raises
    ------
    InputError
        As `unpack_stage`.
    """
    if rows.dtype == np.float16:
        rows = rows.astype(np.float32)
    stage = unpack_stage(source, rows.dtype)
    if stage is None:
        return rows
    out: Array = np.empty(rows.shape, stage.dtype)
    stage.kernel(rows, out, *stage.args)
    return out


def _check_joined(source: DatasetSource) -> None:
    """Refuse files that are packed in different ways: one stage unpacks all rows.

    What the sources of a virtual dataset say of themselves does not hold for it.
    """
    others = [part.source for part in source.parts]
    if not others or (others[0].file, others[0].path) != (source.file, source.path):
        return
    for other in others:
        if other.packing != source.packing:
            raise InputError(
                f"expected all files packed as {source.file} ({source.packing or 'not at all'}), "
                f"{other.file} is packed by {other.packing or 'nothing'}: decode each by itself"
            )


def _mask(label: str, missing: Array, out: DType) -> Stage:
    nan = complex(np.nan, np.nan) if out.kind == "c" else np.nan
    # Whole numbers only where nothing is missing.
    instead = out.type(nan if out.kind in "fc" else 0)
    return Stage(label, kernels.mask, (missing, instead), out, elementwise=True)


def _meant(packing: Packing, dtype: DType) -> DType:
    """The dtype that the stored bits are meant in: ``_Unsigned`` is for formats without it."""
    said = "".join(packing.attributes.get("_Unsigned", np.empty(0)).astype(str)).lower()
    if (dtype.kind, said) == ("i", "true"):
        return np.dtype(f"u{dtype.itemsize}")
    if (dtype.kind, said) == ("u", "false"):
        return np.dtype(f"i{dtype.itemsize}")
    return dtype


def _with_nan(dtype: DType) -> DType:
    """The least dtype that holds numbers of `dtype` and NaN, as far as there is one."""
    if dtype.kind in "fc":
        return dtype
    return np.dtype(np.float32 if dtype.itemsize <= 2 else np.float64)


def _unpacked_dtype(dtype: DType, scale: Any, offset: Any) -> DType:
    """The dtype of unpacked numbers; the rules of ``xarray.coding.variables``.

    That of the attributes where it is one, but an offset can cost digits: of 32-bit integers, and
    where it is the only attribute or of another dtype than the scale.
    """
    if offset is not None:
        unlike = scale is None or scale.dtype != offset.dtype
        if unlike or (dtype.kind in "iu" and dtype.itemsize == 4):
            return np.dtype(np.float64)
    return np.dtype(type(scale))


def _number(packing: Packing, name: str, place: str) -> Any:
    """A scale or an offset; None where there is none.

    Whatever is not single precision counts as double: xarray would unpack to whole numbers by a
    whole scale, and has no NaN then.
    """
    values = packing.attributes.get(name)
    if values is None:
        return None
    if values.size != 1 or values.dtype.kind not in "biuf":
        raise _wrong(name, place, "one number", values)
    single = values.dtype == np.float32
    return (np.float32 if single else np.float64)(values[0])


def _fills(packing: Packing, name: str, dtype: DType, place: str) -> list[Any] | None:
    """The numbers that an attribute calls missing; None where it says nothing.

    NaN is missing anyway, and whole numbers have none.
    """
    values = packing.attributes.get(name)
    if values is None or not values.size:
        return None
    kinds = "biufc" if dtype.kind == "c" else "biuf"
    if values.dtype.kind not in kinds:
        raise _wrong(name, place, "numbers", values)
    found = [v for v in values.tolist() if v == v]  # noqa: PLR0124
    return found if found or dtype.kind in "fc" else None


def _wrong(name: str, place: str, wanted: str, values: Array) -> InputError:
    got = ", ".join(map(repr, values.tolist())) or "nothing"
    return InputError(
        f"expected {wanted} in the attribute {name} of {place}, got {got}: correct it, or leave "
        "--decode-cf out"
    )


def _comparable(numbers: list[Any], dtype: DType, meant: DType) -> Array:
    """Those of the `numbers` that data can be equal to, as data have them, each once."""
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
