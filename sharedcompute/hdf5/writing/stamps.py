"""The marks of a result: what made it, and the checksums of its blocks (`format.marks`)."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from importlib import metadata
from typing import Any

import deflate
import h5py
import numpy as np
from numpy.typing import NDArray

from sharedcompute.hdf5.format.marks import BLOCK_ROWS, CRC32, ENTRIES, JOB, VERSION, block_crc


def stamp(dataset: h5py.Dataset, job: Mapping[str, Any]) -> None:
    """Write into `dataset` what made it.

    Parameters
    ----------
    job : mapping
        Operation, parameters and input, as JSON takes them; nothing that differs from run to run.
    """
    dataset.attrs[VERSION] = metadata.version("sharedcompute")
    dataset.attrs[JOB] = json.dumps(job, sort_keys=True, default=str)


def record_crcs(
    dataset: h5py.Dataset, block_rows: int, crcs: Sequence[int] | NDArray[np.uint32]
) -> None:
    """Write the checksums of all blocks into `dataset`.

    Where there are more than `ENTRIES`, neighbouring blocks share an entry: the CRC-32 of their
    own ones, 4 bytes each, little-endian. ``sharedcompute_block_rows`` has two numbers then: the
    rows of a block, and the blocks of an entry.

    Parameters
    ----------
    block_rows : int
        Rows of each block; the last one may be cut short.
    crcs : sequence of int
        In the order of the rows.
    """
    each = np.asarray(crcs, dtype="<u4")
    fold = max(1, math.ceil(len(each) / ENTRIES))
    if fold > 1:
        parts = range(0, len(each), fold)
        each = np.array([deflate.crc32(each[at : at + fold].tobytes()) for at in parts], "<u4")
    dataset.attrs[BLOCK_ROWS] = np.array([max(1, block_rows), fold], "<i8")
    dataset.attrs[CRC32] = each


def record_whole(dataset: h5py.Dataset, values: NDArray[Any]) -> None:
    """Write the one checksum of a small result that the parent wrote at once.

    Parameters
    ----------
    values : ndarray, shape of the dataset
    """
    values = np.asarray(values)
    rows = max(1, dataset.shape[0]) if dataset.shape else 1
    record_crcs(dataset, rows, [block_crc(values, dataset.dtype)] if values.size else [])
