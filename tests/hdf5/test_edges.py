from __future__ import annotations

import ctypes

import h5py
import numpy as np
from h5py import h5d, h5p, h5s, h5t

from sharedcompute.hdf5.source import open_source


def test_chunks_that_have_no_filters_at_the_edge_are_left_to_hdf5(tmp_path):
    """HDF5 says so in a property that h5py does not know, and their masks do not tell."""
    values = np.arange(60, dtype="i4").reshape(10, 6) * 1000 + 7
    with h5py.File(tmp_path / "x.h5", "w", libver="latest") as file:
        dcpl = h5p.create(h5p.DATASET_CREATE)
        dcpl.set_chunk((4, 4))
        dcpl.set_shuffle()
        library = ctypes.CDLL(h5p.__file__)
        assert library.H5Pset_chunk_opts(ctypes.c_int64(dcpl.id), ctypes.c_uint(2)) == 0
        made = h5d.create(file.id, b"x", h5t.NATIVE_INT32, h5s.create_simple((10, 6)), dcpl)
        h5py.Dataset(made)[...] = values
    source = open_source(f"{tmp_path}/x.h5::/x")
    assert (source.read_path, source.reason) == ("h5py", "chunks at the edge have no filters")
    with source.open() as reader:
        np.testing.assert_array_equal(reader.read(0, 10), values)
