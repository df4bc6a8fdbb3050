from __future__ import annotations

import h5py
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sharedcompute.kernels.filters import fletcher32, shuffle, unshuffle


def run(kernel, data, itemsize):
    """What `kernel` makes of `data`, in memory that is checked for bytes written beyond."""
    room = np.full(data.size + 8, 0xA5, np.uint8)
    kernel(read_only(data), itemsize, room[: data.size])
    assert (room[data.size :] == 0xA5).all()
    return room[: data.size]


def read_only(data):
    shown = data.view()
    shown.flags.writeable = False
    return shown


def by_numpy(data, itemsize):
    whole = data.size // itemsize * itemsize
    planes = data[:whole].reshape(-1, itemsize).T.reshape(-1)
    return np.concatenate([planes, data[whole:]])


@pytest.mark.parametrize("itemsize", range(1, 17))
@pytest.mark.parametrize("count", [0, 1, 2, 31, 64, 511, 512, 513, 3000])
def test_shuffle_puts_the_bytes_of_items_into_planes(itemsize, count):
    data = np.random.default_rng(count).integers(0, 256, count * itemsize, np.uint8)
    np.testing.assert_array_equal(run(shuffle, data, itemsize), by_numpy(data, itemsize))


@settings(max_examples=200, deadline=None)
@given(st.binary(max_size=700), st.integers(1, 16))
def test_unshuffle_undoes_shuffle_whatever_is_left_over(data, itemsize):
    data = np.frombuffer(data, np.uint8)
    planes = run(shuffle, data, itemsize)
    np.testing.assert_array_equal(planes, by_numpy(data, itemsize))
    np.testing.assert_array_equal(run(unshuffle, planes, itemsize), data)


@pytest.fixture(scope="module")
def memory():
    with h5py.File("fletcher", "w", driver="core", backing_store=False) as file:
        yield file


def by_hdf5(file, data):
    """The checksum that HDF5 stores behind `data`."""
    made = file.create_dataset(None, (data.size,), "u1", chunks=(data.size,), fletcher32=True)
    made[...] = data
    stored = made.id.read_direct_chunk((0,))[1]
    assert stored[:-4] == data.tobytes()
    return int.from_bytes(stored[-4:], "little")


@pytest.mark.parametrize("size", [1, 2, 3, 4, 719, 720, 721, 722, 1023, 1024, 1025, 100_001])
@pytest.mark.parametrize("fill", [None, 0, 0xFF])
def test_the_checksum_is_that_of_hdf5(memory, size, fill):
    data = np.full(size, fill or 0, np.uint8)
    if fill is None:
        data = np.random.default_rng(size).integers(0, 256, size, np.uint8)
    assert fletcher32(read_only(data)) == by_hdf5(memory, data)


@settings(max_examples=100, deadline=None)
@given(st.binary(min_size=1, max_size=3000))
def test_the_checksum_is_that_of_hdf5_for_any_bytes(data):
    data = np.frombuffer(data, np.uint8)
    with h5py.File("any", "w", driver="core", backing_store=False) as file:
        assert fletcher32(data) == by_hdf5(file, data)
