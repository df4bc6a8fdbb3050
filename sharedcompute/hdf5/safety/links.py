"""Paths followed link by link, so that none leads where the access policy forbids.

HDF5 opens what an external link names without asking, also one that a soft link leads to.
"""

from __future__ import annotations

import os
from dataclasses import dataclass

import h5py
from h5py import h5l

from sharedcompute.hdf5.format.names import Object, file_of, path_of, raw, text
from sharedcompute.hdf5.safety.access import AccessPolicy, linked_file
from sharedcompute.hdf5.safety.files import open_file

Link = h5py.HardLink | h5py.SoftLink | h5py.ExternalLink

LINKS = 16
"""Links that are followed on one way at most: HDF5's own limit."""


@dataclass(frozen=True)
class Trail:
    """Where a path leads.

    Parameters
    ----------
    item : h5py object or None
        What is there; None for nothing.
    at : str
        How far the path of the file that it began in could be followed.
    link : h5py.SoftLink, h5py.ExternalLink or None
        What leads nowhere, there.
    through_dataset : bool
        The path continues below a dataset.
    """

    item: Object | None
    at: str = ""
    link: Link | None = None
    through_dataset: bool = False


def follow(file: h5py.Group, path: str, policy: AccessPolicy) -> Object | None:
    """Return what is at `path`; None for nothing.

    Raises
    ------
    InputError
        A link leads to a file that may not be read, or cannot be.
    """
    return walk(file, path, policy).item


def walk(file: h5py.Group, path: str, policy: AccessPolicy, followed: int = 0) -> Trail:
    """Return where `path` leads, and if it is nowhere, what stands in the way.

    Parameters
    ----------
    followed : int
        Links that have led here.

    Raises
    ------
    InputError
        A link leads to a file that may not be read, or cannot be.
    """
    here: Object | None = file
    root: Object | None = file["/"]
    done: list[str] = []
    link: Link | None = None
    left = [(part, True) for part in _parts(path)][::-1]
    while left:
        part, named = left.pop()
        if named:
            link = None
            done.append(part)
        at = "/" + "/".join(done)
        if not isinstance(here, h5py.Group):
            through = "/" + "/".join(done[:-1] if named else done)
            return Trail(None, through, link, through_dataset=True)
        found = _link(here, part)
        if found is None:
            return Trail(None, at, link)
        if isinstance(found, h5py.HardLink):
            here = _opened(here, part)
        else:
            link = link or found
            followed += 1
            if followed > LINKS:
                return Trail(None, at, link)
            if isinstance(found, h5py.SoftLink):
                here = root if found.path.startswith("/") else here
                left += [(below, False) for below in _parts(found.path)][::-1]
                continue
            here = _behind(here, part, found, policy, followed)
            root = None if here is None else here.file["/"]
        if here is None:
            return Trail(None, at, link or found)
    return Trail(here)


def _parts(path: str) -> list[str]:
    return [part for part in path.split("/") if part not in ("", ".")]


def _link(group: h5py.Group, name: str) -> Link | None:
    """Return the link of that name; None where there is none."""
    links, stored = group.id.links, raw(name)
    try:
        # Not `name in group`, which follows the link.
        kind = links.get_info(stored).type if links.exists(stored) else None
        if kind == h5l.TYPE_HARD:
            return h5py.HardLink()
        if kind == h5l.TYPE_SOFT:
            return h5py.SoftLink(text(links.get_val(stored)))
        if kind == h5l.TYPE_EXTERNAL:
            file, path = links.get_val(stored)
            return h5py.ExternalLink(os.fsdecode(file), text(path))
    except (KeyError, OSError, RuntimeError, TypeError, ValueError):
        pass
    return None


def _opened(group: h5py.Group, name: str) -> Object | None:
    try:
        found: Object = group[raw(name)]
        return found
    except (KeyError, OSError, RuntimeError):
        return None


def _behind(
    group: h5py.Group, name: str, link: h5py.ExternalLink, policy: AccessPolicy, followed: int
) -> Object | None:
    """Return what an external link leads to, once the way there is checked; else None."""
    file = file_of(group)
    what = f"the link {file}::{path_of(group).rstrip('/')}/{name}"
    target = linked_file(file, link.filename, policy, what)
    if target is None:
        return None
    with open_file(os.path.realpath(target)) as opened:
        if walk(opened, link.path, policy, followed).item is None:
            return None
    return _opened(group, name)
