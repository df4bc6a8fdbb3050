"""Links and attributes of an object in the order of their creation, where the file keeps it."""

from __future__ import annotations

from dataclasses import dataclass

import h5py
from h5py import h5, h5a, h5g, h5p, h5t

from sharedcompute.hdf5.format.names import ObjectID, is_taken, key, raw

TRACKED = h5p.CRT_ORDER_TRACKED | h5p.CRT_ORDER_INDEXED
"""Links and attributes are kept in the order of their creation, as netCDF-4 requires."""


@dataclass(frozen=True)
class Link:
    """One link of a group.

    Parameters
    ----------
    name : bytes
    kind : int
        HDF5's number for hard, soft, external and user-defined links.
    charset : int
        HDF5's number for the encoding of the name.
    path : bytes
        From the root.
    """

    name: bytes
    kind: int
    charset: int
    path: bytes

    @property
    def properties(self) -> h5p.PropLCID:
        """The creation properties for the same link."""
        lcpl = h5p.create(h5p.LINK_CREATE)
        lcpl.set_char_encoding(self.charset)
        return lcpl


def links_of(group: h5g.GroupID, path: bytes) -> list[Link]:
    """Return the links of a low-level group at `path`, empty for the root."""
    links: list[Link] = []
    order = group.get_create_plist().get_link_creation_order()
    group.links.iterate(
        lambda name, info: links.append(Link(name, info.type, info.cset, path + b"/" + name)),
        info=True,
        idx_type=_index(order),
    )
    return links


def group_properties(group: h5g.GroupID) -> h5p.PropGCID:
    """Return the creation properties of a group, for one that has no links yet.

    Not the group's own list: that holds where its links are stored if there are more than eight,
    and a group made with it looks for them there (HDF5 2.0, "addr overflow").
    """
    old = group.get_create_plist()
    gcpl = h5p.create(h5p.GROUP_CREATE)
    gcpl.set_link_creation_order(old.get_link_creation_order())
    gcpl.set_attr_creation_order(old.get_attr_creation_order())
    gcpl.set_attr_phase_change(*old.get_attr_phase_change())
    gcpl.set_obj_track_times(False)
    return gcpl


def require_group(file: h5py.File, path: str) -> h5py.Group:
    """Open the group at `path`; it and those above it are made where they are missing.

    They keep the order of creation, and no times: the bytes of a file would depend on when it was
    written. `h5py.Group.require_group` does neither.
    """
    group: h5py.Group = file["/"]
    for name in path.strip("/").split("/") if path.strip("/") else ():
        if not is_taken(group, name):
            gcpl = h5p.create(h5p.GROUP_CREATE)
            gcpl.set_link_creation_order(TRACKED)
            gcpl.set_attr_creation_order(TRACKED)
            gcpl.set_obj_track_times(False)
            lcpl = h5p.create(h5p.LINK_CREATE)
            lcpl.set_char_encoding(h5t.CSET_UTF8)
            h5g.create(group.id, raw(name), lcpl, gcpl)
        # h5py's own error where the name is a dataset's.
        group = group.require_group(key(name))
    return group


def attribute_names(item: ObjectID) -> list[bytes]:
    """Return the names of the attributes of a low-level object.

    By name for a named type: h5py does not give its creation properties.
    """
    names: list[bytes] = []
    if not h5a.get_num_attrs(item):
        return names
    order = 0 if isinstance(item, h5t.TypeID) else item.get_create_plist().get_attr_creation_order()
    h5a.iterate(item, names.append, index_type=_index(order))
    return names


def _index(order: int) -> int:
    tracked = order & h5p.CRT_ORDER_TRACKED
    return int(h5.INDEX_CRT_ORDER if tracked else h5.INDEX_NAME)
