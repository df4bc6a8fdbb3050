"""Attributes by which a result says what made it and whether it is whole.

Each result dataset has these attributes, and the file's root says that all of them are whole:

``sharedcompute_version``, ``sharedcompute_job``
    The version, and the job as JSON: no times, hosts or numbers of workers, so that the same job
    makes the same bytes.
``sharedcompute_block_rows``, ``sharedcompute_crc32``
    CRC-32 of the stored elements (before any filter, C order) of each block of so many rows.
"""

from __future__ import annotations

from typing import Any

import deflate
import numpy as np
from numpy.typing import NDArray

PREFIX = "sharedcompute_"
"""Attributes that begin so say what made a dataset, and hold for that dataset alone."""

VERSION = "sharedcompute_version"
JOB = "sharedcompute_job"
BLOCK_ROWS = "sharedcompute_block_rows"
CRC32 = "sharedcompute_crc32"

COMPLETE = "sharedcompute_complete"
"""Attribute of the root: 1 once every row of every result is in the file.

A number: xarray cannot write HDF5's booleans back to a netCDF file.
"""

ENTRIES = 4096
"""Checksums kept at most: 16 KiB, as attributes above 64 KiB need another form of storage."""


def block_crc(
    rows: NDArray[Any], stored_dtype: np.dtype[Any] | None = None, before: int = 0
) -> int:
    """Return the CRC-32 of the elements of a block as they will be stored.

    Parameters
    ----------
    rows : ndarray
    stored_dtype : numpy.dtype, optional
        The dtype in the file; None for that of `rows`.
    before : int
        The CRC of the rows of the block that come before these.
    """
    if not rows.size:
        return before
    data = np.ascontiguousarray(rows, dtype=stored_dtype or rows.dtype)
    # 50 GB/s, where zlib has 6: every byte that is written goes through it.
    return int(deflate.crc32(data.reshape(-1).view(np.uint8), before))
