"""The datasets of a file, as far as they can be stored in another way."""

from __future__ import annotations

from dataclasses import dataclass

import h5py
from h5py import h5d, h5o

from sharedcompute.hdf5.address import Address
from sharedcompute.hdf5.copying.brief import Briefer
from sharedcompute.hdf5.format.layout import lies_here, share_written
from sharedcompute.hdf5.format.names import text
from sharedcompute.hdf5.format.objects import walk_objects
from sharedcompute.hdf5.inspection.find import find_dataset
from sharedcompute.hdf5.inspection.inspector import Inspector
from sharedcompute.hdf5.reading.source import DatasetSource
from sharedcompute.hdf5.safety.access import AccessPolicy
from sharedcompute.hdf5.safety.files import check_file, open_file
from sharedcompute.hdf5.safety.input_files import Seen
from sharedcompute.planning.recode import recodable

SMALL_NBYTES = 128 << 10
"""Bytes of a dataset that takes longer to be handed to workers than to be encoded."""

MANY = 32
"""Small datasets from which on that counts."""


@dataclass(frozen=True)
class Found:
    """A dataset of the input.

    Parameters
    ----------
    name : str
    source : DatasetSource or None
        None where it cannot be recoded.
    written : float
        The share of it that was ever written, from 0 to 1.
    small : bool
        It is one of many small ones.
    """

    name: str
    source: DatasetSource | None
    written: float
    small: bool = False


def find_all(
    source: Address, reach: AccessPolicy
) -> tuple[str, dict[int, Found], tuple[Seen, ...]]:
    """Find the datasets of a file, or the one that is named.

    Returns
    -------
    file : str
    found : dict of Found
        By their addresses.
    seen : tuple of Seen
        All files that were opened.
    """
    file, describer = check_file(source.file), Inspector(reach)
    with open_file(file) as opened:
        if source.path is None:
            found = _all(opened, file, describer)
        else:
            dataset = find_dataset(opened, source.path, reach)
            found = {place(dataset): _one(source.path, dataset, describer, elsewhere=True)}
        if opened.swmr_mode:
            reach.grows(file)
        return file, found, tuple(reach.met.values())


def _all(opened: h5py.File, file: str, describer: Inspector) -> dict[int, Found]:
    """Find all datasets of the file, in its order: small ones in brief, where there are many."""
    briefer = Briefer(file, SMALL_NBYTES)
    found: dict[int, Found] = {}
    small: dict[int, h5d.DatasetID] = {}
    for path, item, at in walk_objects(opened.id):
        if not isinstance(item, h5d.DatasetID):
            continue
        name = f"/{text(path)}"
        brief = briefer.source(item, b"/" + path)
        if brief is None:
            dataset = h5py.Dataset(item, readonly=True)
            found[at] = _one(name, dataset, describer, elsewhere=False)
        else:
            found[at] = Found(name, brief, 1.0, small=True)
            # No more than are looked at again below.
            if len(small) < MANY:
                small[at] = item
    if len(small) < MANY:
        for at, item in small.items():
            assert item is not None
            dataset = h5py.Dataset(item, readonly=True)
            found[at] = _one(found[at].name, dataset, describer, elsewhere=False)
    return found


def _one(name: str, dataset: h5py.Dataset, describer: Inspector, elsewhere: bool) -> Found:
    made = recodable(dataset, describer, elsewhere)
    here = made is not None and lies_here(dataset)
    return Found(name, made, share_written(dataset) if here else 1.0)


def place(dataset: h5py.Dataset) -> int:
    """Return the address of a dataset in its file, which is one whatever links lead to it."""
    return int(h5o.get_info(dataset.id).addr)
