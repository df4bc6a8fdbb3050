"""Large windows are bisected, and give what sorting gives."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from scipy import ndimage

import sharedcompute as sc
from sharedcompute.operations.keys import from_keys, to_keys

DTYPES = st.sampled_from(["?", "i1", "u1", "i2", "u2", "i4", "u4", "f4", "i8", "u8", "f8"])


@given(DTYPES.flatmap(lambda dtype: hnp.arrays(dtype, st.integers(0, 30))))
def test_keys_are_ordered_as_the_numbers_are_and_lead_back_to_them(x: np.ndarray) -> None:
    keys = to_keys(x)
    np.testing.assert_array_equal(from_keys(keys, x.dtype), x)
    np.testing.assert_array_equal(from_keys(np.sort(keys), x.dtype), np.sort(x))


@pytest.mark.parametrize("dtype", ["u1", "i1", "u2", "i2", "i4", "u4", "f4", "f8"])
@pytest.mark.parametrize("size", [(3, 7, 7), 6])
def test_the_median_of_a_large_window_is_that_of_scipy(dtype: str, size: object) -> None:
    rng = np.random.default_rng(0)
    x = (rng.normal(size=(9, 11, 13)) * 50).astype(dtype)
    np.testing.assert_array_equal(sc.map("median", x, size=size), ndimage.median_filter(x, size))


def test_nan_is_sorted_last_in_a_large_window() -> None:
    x = np.arange(40, dtype=np.float32).reshape(20, 2)
    x[3] = np.nan
    x[4] = -np.float32(np.nan)
    got = sc.map("median", x, size=(121, 1), mode="nearest")
    padded = np.pad(x, ((60, 60), (0, 0)), "edge")
    want = [np.sort(padded[i : i + 121], axis=0)[60] for i in range(20)]
    np.testing.assert_array_equal(got, want)
