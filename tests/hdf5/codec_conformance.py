"""What every codec of the registry must keep; tests give it each with each of its options."""

from __future__ import annotations

import math

import h5py
import numpy as np
from h5py import h5d, h5p, h5s, h5t, h5z

from sharedcompute.hdf5.filters.available import available
from sharedcompute.hdf5.filters.codec import Codec
from sharedcompute.hdf5.filters.decode import Decoder, decodes
from sharedcompute.hdf5.filters.encode import encoder
from sharedcompute.hdf5.filters.pipeline import Filter, apply, pipeline_of, stored_filters
from sharedcompute.hdf5.format.fill_value import ZEROS

DTYPES = ("|u1", "<i2", ">u4", "<i8", "<f4", ">f8", "<c16", "|b1")
SHAPES = (((17,), (5,)), ((11, 13), (4, 5)), ((3, 5, 7), (2, 5, 3)))


def sample_options(codec: Codec) -> list[tuple[int, ...]]:
    """Options to try: those of its names on the command line, at their lowest and highest level."""
    if codec.options is None:
        # Nobody has a way back from what is stored, so it is never applied here.
        return []
    levels = [(choice, choice.levels or (choice.default,) * 2) for choice in codec.choices]
    found = [choice.options(level) for choice, both in levels for level in both]
    return list(dict.fromkeys(found)) or SAMPLES.get(codec.name, [()])


SAMPLES: dict[str, list[tuple[int, ...]]] = {
    "blosc": [(0, 0, 0, 0, 5, 1, 1), (0, 0, 0, 0, 9, 2, 5)],
    "bzip2": [(1,), (9,)],
    "szip": [(h5z.SZIP_NN_OPTION_MASK, 8)],
    "scaleoffset": [(h5z.SO_FLOAT_DSCALE, 2), (h5z.SO_INT, 0)],
    "zfp": [(5, 0, 0, 0, 0, 0), (2, 0, 12, 0, 0, 0)],
}
"""Options of codecs that have none by name; without an entry, none are given."""


def can_encode(codec: Codec) -> bool:
    """Whether the filter is installed here with its encoder."""
    encodes = h5z.FILTER_CONFIG_ENCODE_ENABLED
    return available(codec.code) and bool(h5z.get_filter_info(codec.code) & encodes)


def make(file, name, pipeline, dtype, shape, chunks):
    """An empty dataset with that pipeline; None where HDF5 refuses the dtype."""
    dcpl = h5p.create(h5p.DATASET_CREATE)
    dcpl.set_chunk(chunks)
    apply(pipeline, dcpl)
    kind = h5t.py_create(np.dtype(dtype), logical=True)
    try:
        low = h5d.create(file.id, name.encode(), kind, h5s.create_simple(shape), dcpl)
    except (ValueError, OSError, RuntimeError):
        return None
    return h5py.Dataset(low)


def values_of(dtype, shape):
    numbers = np.random.default_rng(5).integers(0, 90, shape)
    return numbers % 2 == 0 if np.dtype(dtype).kind == "b" else numbers.astype(dtype)


def check_options(file, codec, options):
    """Stored values lead back to options that another dataset is made alike with, and named so."""
    made = make(file, "a", (Filter(codec.code, options),), "<f4", (8, 8), (4, 4))
    if made is None:
        return
    (step,) = pipeline_of(made.id.get_create_plist())
    assert step.code == codec.code
    assert step.again
    assert step.name == Filter(codec.code, options).name
    again, fresh = (
        make(file, name, (Filter(codec.code, given),), "<f8", (6, 9), (2, 3))
        for name, given in (("b", step.options), ("c", options))
    )
    assert (again is None) == (fresh is None)
    if again is not None:
        first, second = (stored_filters(d.id.get_create_plist()) for d in (again, fresh))
        assert first == second


def check_bytes(file, codec, options, dtype, shape, chunks):
    """What is encoded here h5py reads, and what HDF5 encodes is decoded here, to the same bits."""
    pipeline = (Filter(codec.code, options),)
    made = make(file, "x", pipeline, dtype, shape, chunks)
    if made is None:
        assert not codec.portable
        return
    values = values_of(dtype, shape)
    made[...] = values
    del made
    # Opened again: the cache of chunks has the values as they were before a lossy filter.
    made = file["x"]
    whole = tuple(slice(0, side) for side in chunks)
    chunk = np.ascontiguousarray(made[whole])
    exact = not codec.lossy(options)
    if exact:
        assert made[...].tobytes() == values.astype(dtype).tobytes()
    stored = stored_filters(made.id.get_create_plist())
    coder = encoder(pipeline, chunks, np.dtype(dtype), ZEROS, stored)
    ((mask, data),) = coder.encode([values[whole]])
    coder.close()
    other = make(file, "y", pipeline, dtype, shape, chunks)
    other.id.write_direct_chunk((0,) * len(shape), data, mask)
    del other
    # Opened again: HDF5 2.0 forgets the mask of a chunk that was written through the same handle.
    assert file["y"][whole].tobytes() == chunk.tobytes()
    if decodes(pipeline)[0]:
        assert exact
        nbytes = math.prod(chunks) * np.dtype(dtype).itemsize
        out = np.full(nbytes, 0xA5, np.uint8)
        for source in (made, file["y"]):
            mask, data = source.id.read_direct_chunk((0,) * len(shape))
            Decoder(stored, np.dtype(dtype).itemsize, nbytes).decode(data, mask, out)
            assert out.tobytes() == chunk.tobytes()
