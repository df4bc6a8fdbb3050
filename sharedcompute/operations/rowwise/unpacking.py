"""CF decoding as one stage: packed and masked data become the numbers that they mean.

The dtypes and the order of the arithmetic are xarray's (``xarray.coding.variables``, with
``mask_and_scale=True``), so that results are equal to the bit. It differs where xarray would let
numbers pass that the file calls missing: xarray compares after conversion, and a ``_FillValue`` of
-2147483647 that is scaled by a single-precision factor is rounded away from itself. Here stored
numbers are compared, each fill value in their dtype, as netCDF4-python does.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import numpy as np

from sharedcompute.errors import InputError
from sharedcompute.hdf5.format.fill_value import ZEROS
from sharedcompute.hdf5.format.packing import MASKS, NOT_PACKED, comparable
from sharedcompute.hdf5.reading.source import DatasetSource
from sharedcompute.hdf5.reading.stored import Part, Stored
from sharedcompute.hdf5.reading.unpacking import Unpacking
from sharedcompute.hdf5.reading.windowed import windowed
from sharedcompute.kernels import packing as kernels
from sharedcompute.operations.specs import Array, DType
from sharedcompute.operations.stages import Stage
from sharedcompute.wording import flag


def unpack_stage(source: Stored, dtype: DType) -> Stage | None:
    """Return the stage that unpacks rows of `dtype`; None where it would change nothing.

    Parameters
    ----------
    source : Stored
    dtype : numpy.dtype
        Of its rows; half precision is widened before.

    Raises
    ------
    InputError
        An attribute is no number, or there are several for a scale or an offset; complex data have
        a scale or an offset.
    """
    packing, place = source.packing, str(source)
    if packing is None or source.unpacks:
        return None
    meant = packing.meant(dtype)
    scale = packing.number("scale_factor", place)
    offset = packing.number("add_offset", place)
    fills = [f for f in (packing.fills(name, dtype, place) for name in MASKS) if f is not None]
    numbers = [number for found in fills for number in found]
    missing = comparable(numbers, dtype, meant)
    label = f"decode CF ({packing})"
    if scale is None and offset is None:
        if numbers:
            return _mask(label, missing, _with_nan(meant))
        return None if meant == dtype else _mask(label, missing, meant)
    if dtype.kind == "c":
        raise InputError(
            f"expected real data for the scale_factor and add_offset of {place}, got {dtype}: "
            f"leave {flag('decode_cf')} out"
        )
    # xarray takes data whose only fill value is NaN to be converted already.
    out = dtype if fills and not numbers else _unpacked_dtype(meant, scale, offset)
    # -0.0 and not 0.0: added to minus zero it leaves minus zero.
    factor: np.generic = out.type(1) if scale is None else scale
    added: np.generic = out.type(-0.0) if offset is None else offset
    args: list[np.generic] = [np.result_type(out, v).type(v) for v in (factor, added)]
    return Stage(label, kernels.unpack, (missing, *args), out, elementwise=True)


def unpacked(source: DatasetSource, rows: Array) -> Array:
    """Unpack rows of a source in memory; half precision is widened.

    Raises
    ------
    InputError
        As `unpack_stage`.
    """
    found = _unpacking(source, rows.dtype)
    return rows if found is None else found.of(rows)


def as_asked(source: DatasetSource, decode_cf: bool) -> DatasetSource:
    """Return the source with rows whose numbers mean the same in all files that are joined.

    Files that are packed in different ways are unpacked each by its own attributes, as its rows are
    read; the dtype is then the least that holds them all, as in xarray.

    Raises
    ------
    InputError
        They are packed in different ways and are not to be unpacked; or as `unpack_stage`.
    """
    if source.glob is None or source.unpacks:
        return source
    if source.window is not None:
        assert isinstance(source.whole, DatasetSource)
        return windowed(as_asked(source.whole, decode_cf), source.window)
    if not decode_cf:
        _refuse_unlike(source)
        return source
    files = [part.source for part in source.parts]
    if all(file.packing == source.packing for file in files):
        return source
    found = [_unpacking(file, source.dtype) for file in files]
    dtypes = [source.dtype if way is None else way.dtype for way in found]
    dtype = np.result_type(*dtypes)
    ways = [
        Unpacking(None, (), own) if way is None else way
        for way, own in zip(found, dtypes, strict=True)
    ]
    parts = tuple(replace(p, unpacking=w) for p, w in zip(source.parts, ways, strict=True))
    return replace(
        source,
        dtype=dtype,
        stored_dtype=dtype,
        fill=ZEROS,
        packing=source.packing or NOT_PACKED,
        reason=f"{source.reason}; each unpacked by its own attributes",
        parts=parts,
    )


def meant_otherwise(source: DatasetSource) -> Iterator[tuple[str, Part, Part]]:
    """Yield two parts whose equal stored numbers mean others, with the attribute that differs."""
    parts = source.whole.parts
    first = parts[0] if parts else None
    for part in parts[1:]:
        assert first is not None
        packing = first.source.packing or NOT_PACKED
        name = packing.differs(part.source.packing, source.dtype)
        if name is not None:
            yield name, first, part


def _refuse_unlike(source: DatasetSource) -> None:
    for name, *parts in meant_otherwise(source):
        one, other = (_described(part, name) for part in parts)
        raise InputError(
            f"expected files whose stored numbers mean the same, {one} and {other}; give "
            f"{flag('decode_cf')}, which unpacks each by its own attributes"
        )


def _described(part: Part, name: str) -> str:
    values = (part.source.packing or NOT_PACKED).attributes.get(name)
    found = "no " + name if values is None else f"{name} {' '.join(map(str, values))}"
    return f"{part.source.file} has {found}"


def _unpacking(source: Stored, dtype: DType) -> Unpacking | None:
    """Return how rows of a source are unpacked in memory; None where they need it not."""
    wide = np.dtype(np.float32) if dtype == np.float16 else dtype
    stage = unpack_stage(source, wide)
    if stage is None:
        return None if wide == dtype else Unpacking(None, (), wide)
    return Unpacking(stage.kernel, stage.args, stage.dtype, wide)


def _mask(label: str, missing: Array, out: DType) -> Stage:
    nan = complex(np.nan, np.nan) if out.kind == "c" else np.nan
    # Whole numbers only where nothing is missing.
    instead: np.generic = out.type(nan if out.kind in "fc" else 0)
    return Stage(label, kernels.mask, (missing, instead), out, elementwise=True)


def _with_nan(dtype: DType) -> DType:
    """Return the least dtype that holds numbers of `dtype` and NaN, as far as there is one."""
    if dtype.kind in "fc":
        return dtype
    return np.dtype(np.float32 if dtype.itemsize <= 2 else np.float64)


def _unpacked_dtype(dtype: DType, scale: np.generic | None, offset: np.generic | None) -> DType:
    """Return the dtype of unpacked numbers, by the rules of ``xarray.coding.variables``.

    That of the attributes where it is one, but an offset can cost digits: of 32-bit integers, and
    where it is the only attribute or of another dtype than the scale.
    """
    if offset is not None:
        unlike = scale is None or scale.dtype != offset.dtype
        if unlike or (dtype.kind in "iu" and dtype.itemsize == 4):
            return np.dtype(np.float64)
    return np.dtype(type(scale))
