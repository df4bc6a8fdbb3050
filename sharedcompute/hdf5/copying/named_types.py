"""Named types, copied from file to file."""

from __future__ import annotations

import h5py
from h5py import h5a, h5g, h5o, h5p, h5t

from sharedcompute.hdf5.copying.creation_order import attribute_names
from sharedcompute.hdf5.copying.references import ObjectAddresses
from sharedcompute.hdf5.format.names import ObjectID
from sharedcompute.hdf5.format.types import has_references


class NamedTypes:
    """The named types of one file, which may be needed before their own links are due.

    Links must be made in their order, so such a type waits in a group without a name, which goes
    with this object. Going, it sets the times of such types to now, and HDF5 has no other way.

    Parameters
    ----------
    target : h5py.File
    addresses : ObjectAddresses
        Where the objects of the source stand in the target, so far.

    Attributes
    ----------
    copying : dict of bool
        How H5Ocopy is to copy an object: with its attributes, or without.
    """

    def __init__(self, target: h5py.File, addresses: ObjectAddresses) -> None:
        self._target = target
        self._addresses = addresses
        self._waiting = h5g.create(target.id, None)
        # Made once: each object of h5py takes 10 us.
        self.copying = {plain: _copy_properties(plain) for plain in (True, False)}

    def link(
        self, old: h5t.TypeID, group: h5g.GroupID, name: bytes, lcpl: h5p.PropLCID
    ) -> tuple[h5t.TypeID, bool]:
        """Put a named type in its place.

        Returns
        -------
        new : h5py.h5t.TypeID
        complete : bool
            Whether its attributes have been copied with it.
        """
        own, plain = _name(old), has_plain_attributes(old)
        if self._waiting.links.exists(own):
            group.links.create_hard(name, self._waiting, own, lcpl)
        else:
            h5o.copy(old, b".", group, name, self.copying[plain], lcpl)
        return h5t.open(group, name), plain

    def copy_of(self, old: h5t.TypeID) -> h5t.TypeID:
        """Return the type in the new file; a named one may be needed before its place is there."""
        if not old.committed():
            return old
        path = self._addresses.paths.get(h5o.get_info(old).addr)
        if path is not None:
            return h5t.open(self._target.id, path)
        name = _name(old)
        if not self._waiting.links.exists(name):
            h5o.copy(old, b".", self._waiting, name, self.copying[has_plain_attributes(old)])
        return h5t.open(self._waiting, name)


def has_plain_attributes(item: ObjectID) -> bool:
    """Return whether H5Ocopy keeps all attributes: no references, no named types."""
    kinds = [h5a.open(item, name).get_type() for name in attribute_names(item)]
    return not any(kind.committed() or has_references(kind) for kind in kinds)


def _copy_properties(attributes: bool) -> h5p.PropCopyID:
    copying = h5p.create(h5p.OBJECT_COPY)
    if not attributes:
        copying.set_copy_object(h5o.COPY_WITHOUT_ATTR_FLAG)
    return copying


def _name(kind: h5t.TypeID) -> bytes:
    return b"%d" % h5o.get_info(kind).addr
