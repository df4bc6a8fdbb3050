"""Finding a dataset in a file, with an error for each way in which it may not be there."""

from __future__ import annotations

import h5py

from sharedcompute.errors import InputError
from sharedcompute.hdf5.format.cf import AXIS_ATTRIBUTES, COMPANIONS
from sharedcompute.hdf5.format.dtypes import numeric_dtype
from sharedcompute.hdf5.format.members import member_names
from sharedcompute.hdf5.format.names import Object, raw, text_attribute
from sharedcompute.hdf5.format.objects import dataset_paths, external_links, objects
from sharedcompute.hdf5.safety.access import AccessPolicy
from sharedcompute.hdf5.safety.links import Link, walk
from sharedcompute.validation.names import nearest

LISTED = 8
"""Names that an error lists at most."""


def find_dataset(file: h5py.File, path: str | None, policy: AccessPolicy) -> h5py.Dataset:
    """Return the dataset at `path`; without a path, the only array of numbers in the file.

    Raises
    ------
    InputError
        There is nothing at `path`, or something else, or in a file that may not be read; without
        a path, there is no candidate or more than one.
    """
    if path is None:
        found = candidates(file)
        if len(found) != 1:
            raise InputError(_no_single(file, found))
        only: h5py.Dataset = file[raw(found[0])]
        return only
    item = _at(file, path, policy)
    if isinstance(item, h5py.Group):
        inside = [f"{path.rstrip('/')}/{name}" for name in dataset_paths(item)]
        inside += [f"{path.rstrip('/')}/{name}" for name in external_links(item)]
        listed = f"choose {some(inside)}" if inside else "it holds no dataset"
        raise InputError(f"expected a dataset at {file.filename}::{path}, found a group; {listed}")
    if not isinstance(item, h5py.Dataset):
        raise InputError(
            f"expected a dataset at {file.filename}::{path}, found a named type; "
            f"choose {some(dataset_paths(file)) or 'another file'}"
        )
    return item


def find_numbers(
    file: h5py.File, path: str | None, policy: AccessPolicy
) -> tuple[h5py.Dataset, str | None]:
    """Return the dataset at `path`, and the member of its compound type that follows after a dot.

    A dataset that has the whole name is that one.

    Raises
    ------
    InputError
        As `find_dataset`.
    """
    if path is not None and walk(file, path, policy).item is None:
        above, _, last = path.rpartition("/")
        for at in reversed([place for place, sign in enumerate(last) if sign == "." and place]):
            found = walk(file, f"{above}/{last[:at]}", policy).item
            if isinstance(found, h5py.Dataset) and member_names(found):
                return found, last[at + 1 :]
    return find_dataset(file, path, policy), None


def _no_single(file: h5py.File, found: list[str]) -> str:
    if found:
        return (
            f"expected FILE::PATH, as {file.filename} has {len(found)} arrays; choose {some(found)}"
        )
    linked = [f"/{name}" for name in external_links(file)]
    if linked:
        return (
            f"expected FILE::PATH, as the arrays of {file.filename} lie in other files; choose "
            f"{some(linked)}"
        )
    return (
        f"expected an array of numbers in {file.filename}, found none; name another file"
        if not dataset_paths(file)
        else f"expected an array of numbers in {file.filename}, found only scalars, coordinates or "
        f"other types ({some(['/' + name for name in dataset_paths(file)])}); name one with ::PATH"
    )


def _at(file: h5py.File, path: str, policy: AccessPolicy) -> Object:
    """Return what is at `path`, or raise an error that says how far it leads."""
    trail = walk(file, path, policy)
    if trail.item is not None:
        return trail.item
    if trail.link is not None:
        raise InputError(_dangling(file, trail.at, trail.link))
    if trail.through_dataset:
        raise InputError(
            f"expected a group at {file.filename}::{trail.at}, found a dataset; shorten the path"
        )
    raise InputError(_missing(file, path))


def _dangling(file: h5py.File, path: str, link: Link) -> str:
    where = f"{file.filename}::{path}"
    if isinstance(link, h5py.ExternalLink):
        target = f"{link.filename}::{link.path}"
        return (
            f"expected a dataset at {where}, found a link to {target}, which cannot be opened; "
            f"bring {link.filename} back beside the file"
        )
    if isinstance(link, h5py.SoftLink):
        return (
            f"expected a dataset at {where}, found a link to {link.path}, which is not there; "
            "name another path"
        )
    return (
        f"expected a dataset at {where}, found an object that cannot be read; copy the file again"
    )


def _missing(file: h5py.File, path: str) -> str:
    known = ["/" + name for name in dataset_paths(file)]
    near = nearest(path, known)
    last = path.rpartition("/")[2]
    near += [name for name in known if name.rpartition("/")[2] == last and name not in near]
    meant = f"did you mean {some(near)}?" if near else f"it has {some(known) or 'no dataset'}"
    return f"expected a dataset at {file.filename}::{path}, found nothing; {meant}"


def candidates(file: h5py.File) -> list[str]:
    """Return the paths of the datasets that an address without PATH may mean.

    Arrays of numbers with at least one dimension. A NetCDF coordinate is not what a job is about:
    dimension scales, and the variables that another one's ``bounds`` or ``coordinates`` names, are
    left out.
    """
    found: list[str] = []
    companions: set[str] = set()
    for name, item in objects(file):
        if not isinstance(item, h5py.Dataset):
            continue
        parent = name.rpartition("/")[0]
        for key in (*AXIS_ATTRIBUTES, *COMPANIONS):
            named = text_attribute(item, key)
            companions.update(f"{parent}/{word}".strip("/:") for word in named.split())
        # HDF5 may have to open other files for the shape of a virtual dataset. It has one.
        array = item.is_virtual or item.shape
        if array and text_attribute(item, "CLASS") != "DIMENSION_SCALE" and _numeric(item):
            found.append(name)
    return ["/" + name for name in found if name not in companions]


def _numeric(dataset: h5py.Dataset) -> bool:
    try:
        numeric_dtype(dataset)
    except InputError:
        return False
    return True


def some(names: list[str]) -> str:
    """Return the first few names, in one line."""
    rest = len(names) - LISTED
    return ", ".join(names[:LISTED]) + (f" and {rest} more" if rest > 0 else "")
