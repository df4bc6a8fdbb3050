"""What made a result, and whether it is still what was made.

Each result dataset has these attributes, and the file's root says that all of them are whole:

``sharedcompute_version``, ``sharedcompute_job``
    The version, and the job as JSON: no times, hosts or numbers of workers, so that the same job
    makes the same bytes.
``sharedcompute_block_rows``, ``sharedcompute_crc32``
    CRC-32 of the stored elements (before any filter, C order) of each block of so many rows.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib import metadata
from typing import Any

import deflate
import h5py
import numpy as np
from numpy.typing import NDArray

from sharedcompute.errors import InputError
from sharedcompute.hdf5.address import Address
from sharedcompute.hdf5.format.names import path_of, raw
from sharedcompute.hdf5.format.storage import lies_here
from sharedcompute.hdf5.inspection.find import dataset_paths, find_dataset
from sharedcompute.hdf5.safety.access import AccessPolicy
from sharedcompute.hdf5.safety.files import check_file, open_file
from sharedcompute.hdf5.safety.links import follow
from sharedcompute.hdf5.safety.sandbox import look
from sharedcompute.hdf5.writing.output import COMPLETE
from sharedcompute.system import disposable

VERSION = "sharedcompute_version"
JOB = "sharedcompute_job"
BLOCK_ROWS = "sharedcompute_block_rows"
CRC32 = "sharedcompute_crc32"

BLOCK_SECONDS = 60
"""Of computing for each block that is read: no decoder takes so long for one."""

ENTRIES = 4096
"""Checksums kept at most: 16 KiB, as attributes above 64 KiB need another form of storage."""


@dataclass(frozen=True)
class DatasetCheck:
    """What `verify` found of one dataset.

    Parameters
    ----------
    path : str
    ok : bool
    damaged : tuple of (int, int)
        The row ranges that differ from what was written, or cannot be read.
    message : str
        The same for a person.
    version : str
        Of sharedcompute that made it.
    job : dict
        What made it.
    """

    path: str
    ok: bool
    damaged: tuple[tuple[int, int], ...]
    message: str
    version: str
    job: dict[str, Any]


@dataclass(frozen=True)
class Verification:
    """What `verify` found of a file.

    Parameters
    ----------
    file : str
    complete : bool
        The job that wrote it came to its end.
    datasets : tuple of DatasetCheck
    """

    file: str
    complete: bool
    datasets: tuple[DatasetCheck, ...]

    @property
    def ok(self) -> bool:
        """Whether the file is complete and nothing in it is damaged."""
        return self.complete and all(check.ok for check in self.datasets)


def stamp(dataset: h5py.Dataset, job: Mapping[str, Any]) -> None:
    """Write into `dataset` what made it.

    Parameters
    ----------
    job : mapping
        Operation, parameters and input, as JSON takes them; nothing that differs from run to run.
    """
    dataset.attrs[VERSION] = metadata.version("sharedcompute")
    dataset.attrs[JOB] = json.dumps(job, sort_keys=True, default=str)


def block_crc(
    rows: NDArray[Any], stored_dtype: np.dtype[Any] | None = None, before: int = 0
) -> int:
    """CRC-32 of the elements of a block as they will be stored.

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


def verify(address: Address | str) -> Verification:
    """Compare results with the checksums that were written with them.

    Parameters
    ----------
    address : Address or str
        A file, or one dataset or group in it.

    Raises
    ------
    InputError
        The file cannot be read, or nothing in it was made by sharedcompute.
    """
    address = Address.parse(address)
    return look(address.file, _verified, address, seconds=BLOCK_SECONDS)


def _verified(address: Address) -> Verification:
    with open_file(check_file(address.file)) as file:
        named = _named(file, address.path, AccessPolicy.of(address.file, False))
        made = [item for item in named if JOB in item.attrs and lies_here(item)]
        if not made:
            raise InputError(
                f"expected results of sharedcompute in {address}, found none; "
                "there is nothing to compare it with"
            )
        complete = bool(file.attrs.get(COMPLETE, False))
        return Verification(address.file, complete, tuple(_check(item) for item in made))


def _named(file: h5py.File, path: str | None, reach: AccessPolicy) -> list[h5py.Dataset]:
    found = follow(file, path or "/", reach)
    if isinstance(found, h5py.Group):
        return [found[raw(name)] for name in dataset_paths(found)]
    return [find_dataset(file, path, reach)]


def _check(dataset: h5py.Dataset) -> DatasetCheck:
    damaged: tuple[tuple[int, int], ...] = ()
    if CRC32 not in dataset.attrs:
        ok, message = True, "no checksums were written for it"
    else:
        damaged = tuple(_damaged(dataset))
        ok = not damaged
        listed = ", ".join(f"{start}:{stop}" for start, stop in damaged[:8])
        more = f" and {len(damaged) - 8} more" if len(damaged) > 8 else ""
        message = "intact" if ok else f"rows {listed}{more} are damaged"
    return DatasetCheck(
        path=path_of(dataset),
        ok=ok,
        damaged=damaged,
        message=message,
        version=str(dataset.attrs.get(VERSION, "unknown")),
        job=json.loads(dataset.attrs[JOB]),
    )


def _damaged(dataset: h5py.Dataset) -> list[tuple[int, int]]:
    """The row ranges whose checksum differs."""
    expected = np.atleast_1d(dataset.attrs[CRC32])
    block_rows, fold = (int(number) for number in dataset.attrs[BLOCK_ROWS])
    length = dataset.shape[0] if dataset.shape else 1
    step = block_rows * fold
    starts = range(0, length, step)
    if len(expected) != len(starts) and dataset.size:
        return [(0, length)]
    wrong = []
    for start, crc in zip(starts, expected, strict=False):
        stop = min(start + step, length)
        if _crc_of(dataset, start, stop, block_rows, fold) != int(crc):
            wrong.append((start, stop))
    return wrong


def _crc_of(dataset: h5py.Dataset, start: int, stop: int, block_rows: int, fold: int) -> int | None:
    """The checksum of one entry as the file is now; None where it cannot be read."""
    crcs = []
    for at in range(start, stop, block_rows):
        disposable.progress()
        try:
            rows = dataset[at : min(at + block_rows, stop)] if dataset.shape else dataset[()]
        except (OSError, RuntimeError):
            # A filter that refuses its chunk.
            return None
        crcs.append(block_crc(np.asarray(rows), dataset.dtype))
    return crcs[0] if fold == 1 else deflate.crc32(np.array(crcs, "<u4").tobytes())
