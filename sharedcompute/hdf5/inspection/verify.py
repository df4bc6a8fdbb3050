"""Results compared with the checksums that were written with them."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

import deflate
import h5py
import numpy as np

from sharedcompute.errors import InputError
from sharedcompute.hdf5.address import Address
from sharedcompute.hdf5.format.layout import lies_here
from sharedcompute.hdf5.format.marks import BLOCK_ROWS, COMPLETE, CRC32, JOB, VERSION, block_crc
from sharedcompute.hdf5.format.names import path_of, raw
from sharedcompute.hdf5.format.objects import dataset_paths
from sharedcompute.hdf5.inspection.find import find_dataset
from sharedcompute.hdf5.safety.access import AccessPolicy
from sharedcompute.hdf5.safety.files import check_file, open_file
from sharedcompute.hdf5.safety.links import follow
from sharedcompute.hdf5.safety.sandbox import run_sandboxed
from sharedcompute.system import disposable

BLOCK_SECONDS = 60
"""Of computing for each block that is read: no decoder takes so long for one."""


@dataclass(frozen=True)
class DatasetCheck:
    """The result of `verify` for one dataset.

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
    """The result of `verify` for a file.

    Parameters
    ----------
    file : str
    complete : bool
        The job that wrote it has finished.
    datasets : tuple of DatasetCheck
    """

    file: str
    complete: bool
    datasets: tuple[DatasetCheck, ...]

    @property
    def ok(self) -> bool:
        """True if the file is complete and nothing in it is damaged."""
        return self.complete and all(check.ok for check in self.datasets)


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
    address = Address.parse(address).literal
    return run_sandboxed(address.file, _verified, address, seconds=BLOCK_SECONDS)


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


def _named(file: h5py.File, path: str | None, policy: AccessPolicy) -> list[h5py.Dataset]:
    found = follow(file, path or "/", policy)
    if isinstance(found, h5py.Group):
        return [found[raw(name)] for name in dataset_paths(found)]
    return [find_dataset(file, path, policy)]


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
    """Return the row ranges whose checksum differs."""
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
    """Return the checksum of one entry as the file is now; None where it cannot be read."""
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
