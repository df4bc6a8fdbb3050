"""Finding a dataset in a file, with an error for each way in which it may not be there."""

from __future__ import annotations

import contextlib
import difflib
import errno
import os
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import h5py
from h5py import h5l

from sharedcompute.errors import InputError
from sharedcompute.hdf5.dtypes import numeric_dtype

LISTED = 8
"""Names that an error lists at most."""

AXIS_ATTRIBUTES = ("bounds", "climatology")
"""CF attributes of a coordinate that name the variable with its cells' edges."""

COMPANIONS = ("coordinates", "grid_mapping")
"""CF attributes of a variable that name others which it cannot be understood without."""


def check_file(file: str) -> str:
    """The absolute path of `file`, links resolved.

    Raises
    ------
    InputError
        It is missing, no regular file, not readable, or not HDF5.
    """
    try:
        mode = Path(file).stat().st_mode
    except OSError as error:
        raise InputError(_not_there(file, error)) from None
    if not stat.S_ISREG(mode):
        kind = "a folder" if stat.S_ISDIR(mode) else "no regular file"
        raise InputError(f"expected an HDF5 file at {file}, found {kind}; name a file")
    try:
        with Path(file).open("rb") as opened:
            magic = opened.read(4)
    except OSError as error:
        raise InputError(_not_there(file, error)) from None
    if not h5py.is_hdf5(file):
        if magic[:3] == b"CDF":
            raise InputError(
                f"expected an HDF5 file, {file} is classic NetCDF; "
                f"convert it with: nccopy -k netCDF-4 {file} new.nc"
            )
        what = "is empty" if not magic else "is not HDF5"
        raise InputError(f"expected an HDF5 file, {file} {what}; name an HDF5 or NetCDF-4 file")
    return os.path.realpath(file)


def _not_there(file: str, error: OSError) -> str:
    if error.errno == errno.EACCES:
        return f"expected a readable file, {file} may not be read; change its permissions"
    if error.errno not in (errno.ENOENT, errno.ENOTDIR):
        return f"expected a readable file at {file}, got {error.strerror}; check the path"
    near: list[str] = []
    with contextlib.suppress(OSError):
        near = nearest(Path(file).name, [item.name for item in Path(file).parent.iterdir()])
    meant = f"; did you mean {Path(file).parent / near[0]}?" if near else "; check the path"
    return f"expected an HDF5 file at {file}, found nothing{meant}"


def open_file(file: str, cache_nbytes: int | None = None) -> h5py.File:
    """Open `file` for reading; one that is being written in SWMR mode is opened so as well.

    Parameters
    ----------
    cache_nbytes : int, optional
        Bytes of decoded chunks kept for each dataset. None is HDF5's default.

    Raises
    ------
    InputError
        It is being written by another process, is cut short, or is damaged.
    """
    cache: dict[str, Any] = {}
    if cache_nbytes is not None:
        # 10,007 slots: a prime above the chunks of any strip that fits the cache.
        cache = {"rdcc_nbytes": cache_nbytes, "rdcc_nslots": 10_007, "rdcc_w0": 1.0}
    try:
        return h5py.File(file, "r", **cache)
    except (OSError, RuntimeError) as error:
        text = " ".join(str(error).split())
        if "already open" in text:
            # What HDF5 says of a file in SWMR mode, and of one that was not closed.
            with contextlib.suppress(OSError, RuntimeError):
                return h5py.File(file, "r", swmr=True, **cache)
        if "lock file" in text:
            why = "is being written by another process; wait until that has closed it"
        elif "already open" in text:
            why = f"is marked as open for writing; close it, or clear the mark: h5clear -s {file}"
        elif "truncated" in text:
            why = "is cut short; copy it again from where it came"
        else:
            why = f"cannot be opened ({text}); check it with h5debug or copy it again"
        raise InputError(f"expected a whole HDF5 file, {file} {why}") from None


def find_dataset(file: h5py.File, path: str | None) -> h5py.Dataset:
    """The dataset at `path`; without a path, the only array of numbers in the file.

    Raises
    ------
    InputError
        There is nothing at `path`, or something else; without a path, there is no candidate or
        more than one.
    """
    if path is None:
        found = candidates(file)
        if len(found) != 1:
            raise InputError(_no_single(file, found))
        return file[found[0]]
    item = _follow(file, path)
    if isinstance(item, h5py.Group):
        inside = [f"{path.rstrip('/')}/{name}" for name in dataset_paths(item)]
        inside += [f"{path.rstrip('/')}{at[len(item.name) :]}" for _, at in external_datasets(item)]
        listed = f"choose {some(inside)}" if inside else "it holds no dataset"
        raise InputError(f"expected a dataset at {file.filename}::{path}, found a group; {listed}")
    if not isinstance(item, h5py.Dataset):
        raise InputError(
            f"expected a dataset at {file.filename}::{path}, found a named type; "
            f"choose {some(dataset_paths(file)) or 'another file'}"
        )
    return item


def _no_single(file: h5py.File, found: list[str]) -> str:
    if found:
        return (
            f"expected FILE::PATH, as {file.filename} has {len(found)} arrays; choose {some(found)}"
        )
    linked = [path for _, path in external_datasets(file)]
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


def _follow(file: h5py.File, path: str) -> Any:
    """What is at `path`, each link on the way looked at before it is followed."""
    here: Any = file
    parts = [part for part in path.split("/") if part]
    for depth, part in enumerate(parts):
        if not isinstance(here, h5py.Group):
            raise InputError(
                f"expected a group at {file.filename}::/{'/'.join(parts[:depth])}, found a "
                "dataset; shorten the path"
            )
        link = here.get(part, getlink=True) if part in _names(here) else None
        if link is None:
            raise InputError(_missing(file, path))
        try:
            here = here[part]
        except (KeyError, OSError, RuntimeError):
            raise InputError(_dangling(file, "/" + "/".join(parts[: depth + 1]), link)) from None
    return here


def _names(group: h5py.Group) -> list[str]:
    return list(group.keys())


def _dangling(file: h5py.File, path: str, link: Any) -> str:
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


def dataset_paths(group: h5py.Group) -> list[str]:
    """The paths of all datasets below `group`, from it; each object once, whatever links it."""
    return [name for name, item in _items(group) if isinstance(item, h5py.Dataset)]


def external_datasets(group: h5py.Group) -> Iterator[tuple[h5py.Dataset, str]]:
    """The datasets of other files that external links below `group` lead to, and the links' paths.

    A detector's master file holds nothing else. Links that lead nowhere are left out.
    """
    links: list[bytes] = []

    def note(name: bytes, link: Any) -> None:
        if link.type == h5l.TYPE_EXTERNAL:
            links.append(name)

    # Not `visititems_links`: that fails at a name that is no UTF-8 (h5py 3.16.0).
    group.id.links.visit(note, info=True)
    for stored in links:
        with contextlib.suppress(KeyError, OSError, RuntimeError, UnicodeDecodeError):
            name = stored.decode()
            item = group[name]
            if isinstance(item, h5py.Dataset):
                yield item, f"{str(group.name).rstrip('/')}/{name}"


def _items(group: h5py.Group) -> Iterator[tuple[str, Any]]:
    names: list[str] = []
    # Only the names: opening an object may fail, and should then fail for that object alone.
    group.visit(names.append)
    # A name that is no UTF-8 comes as bytes; no address can mean it.
    for name in (name for name in names if isinstance(name, str)):
        with contextlib.suppress(KeyError, OSError, RuntimeError):
            yield name, group[name]


def candidates(file: h5py.File) -> list[str]:
    """The paths of the datasets that an address without PATH may mean.

    Arrays of numbers with at least one dimension. A NetCDF coordinate is not what a job is about:
    dimension scales, and the variables that another one's ``bounds`` or ``coordinates`` names, are
    left out.
    """
    found: list[str] = []
    companions: set[str] = set()
    for name, item in _items(file):
        if not isinstance(item, h5py.Dataset):
            continue
        parent = name.rpartition("/")[0]
        for key in (*AXIS_ATTRIBUTES, *COMPANIONS):
            named = text_attribute(item, key)
            companions.update(f"{parent}/{word}".strip("/:") for word in named.split())
        if item.shape and text_attribute(item, "CLASS") != "DIMENSION_SCALE" and _numeric(item):
            found.append(name)
    return ["/" + name for name in found if name not in companions]


def _numeric(dataset: h5py.Dataset) -> bool:
    try:
        numeric_dtype(dataset)
    except InputError:
        return False
    return True


def text_attribute(item: Any, name: str) -> str:
    """The text of an attribute, empty where there is none or it is no text."""
    try:
        value = item.attrs.get(name)
    except (OSError, TypeError, RuntimeError):
        return ""
    if isinstance(value, bytes):
        return value.decode("utf-8", "replace")
    return value if isinstance(value, str) else ""


def name_of(dataset: h5py.Dataset) -> str:
    """The path of `dataset`.

    Raises
    ------
    InputError
        It is no UTF-8: h5py gives it as bytes then, and no text finds it again.
    """
    if isinstance(dataset.name, str):
        return dataset.name
    raise InputError(
        f"expected a dataset whose name is UTF-8 in {dataset.file.filename}, got {dataset.name!r}; "
        "give it another name"
    )


def nearest(name: str, known: list[str]) -> list[str]:
    """The names most like `name`."""
    return difflib.get_close_matches(name, known, n=3, cutoff=0.5)


def some(names: list[str]) -> str:
    """The first few names, in one line."""
    rest = len(names) - LISTED
    return ", ".join(names[:LISTED]) + (f" and {rest} more" if rest > 0 else "")
