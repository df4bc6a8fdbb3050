"""Objects below a group, each under one of its names."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import h5py
from h5py import h5d, h5g, h5l, h5o

from sharedcompute.hdf5.format.names import Object, ObjectID, text
from sharedcompute.system import disposable


def dataset_paths(group: h5py.Group) -> list[str]:
    """Return the paths of all datasets below `group`, each object once, whatever links it."""
    return [name for name, item in objects(group) if isinstance(item, h5py.Dataset)]


def external_links(group: h5py.Group) -> list[str]:
    """Return the paths, from `group`, of the external links below it, following none.

    A detector's master file holds nothing else.
    """
    # Not `visititems_links`: that fails at a name that is no UTF-8 (h5py 3.16.0).
    found = _links(group.id.links.visit, h5l.TYPE_EXTERNAL, disposable.progress)
    return list(map(text, found))


def _hard_links(group: h5g.GroupID) -> list[bytes]:
    """Return the names in a low-level group that lead to its own objects."""
    # No progress: the index of a damaged group may have no end.
    return _links(group.links.iterate, h5l.TYPE_HARD, lambda: None)


def _links(go_over: Callable[..., object], kind: int, at_each: Callable[[], None]) -> list[bytes]:
    """Return the names of the links of one kind."""
    names: list[bytes] = []

    def note(name: bytes, link: h5l.LinkInfo) -> None:
        at_each()
        if link.type == kind:
            names.append(name)

    go_over(note, info=True)
    return names


def objects(group: h5py.Group) -> Iterator[tuple[str, Object | None]]:
    """Yield all objects below `group` under one name each; None for one that cannot be opened."""
    readonly = group.file.mode == "r"
    for path, item, _ in walk_objects(group.id):
        yield text(path), None if item is None else _object(item, readonly)


def walk_objects(group: h5g.GroupID) -> Iterator[tuple[bytes, ObjectID | None, int]]:
    """Yield path, low-level object and address of all objects below a low-level group.

    Each once, as by `objects`.

    Each is opened from its own group. From the root it would take, in a file of 3,000 nested
    groups, up to 3,000 steps for each of them. And not by h5py's `group[name]`, which asks the file
    for its mode each time: 0.2 ms, which were two thirds of the time for 3,000 datasets.
    """
    seen = {h5o.get_info(group).addr}
    walks: list[tuple[bytes, h5g.GroupID, Iterator[bytes]]]
    walks = [(b"", group, iter(_hard_links(group)))]
    while walks:
        path, here, names = walks[-1]
        name = next(names, None)
        if name is None:
            walks.pop()
            continue
        disposable.progress()
        try:
            item = h5o.open(here, name)
            address = h5o.get_info(item).addr
        except (KeyError, OSError, RuntimeError):
            yield path + name, None, 0
            continue
        if address not in seen:
            seen.add(address)
            yield path + name, item, address
            if isinstance(item, h5g.GroupID):
                walks.append((path + name + b"/", item, iter(_hard_links(item))))


def _object(item: ObjectID, readonly: bool) -> Object:
    """Return h5py's object for a low-level one."""
    if isinstance(item, h5d.DatasetID):
        return h5py.Dataset(item, readonly=readonly)
    return h5py.Group(item) if isinstance(item, h5g.GroupID) else h5py.Datatype(item)
