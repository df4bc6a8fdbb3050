"""Names of objects and attributes: bytes in a file, which need not be UTF-8, and text here.

What is no UTF-8 becomes text as Python does it with names of files (PEP 383): each such byte is a
lone surrogate, so that a name that is printed, or typed on the command line, is the same bytes
again. h5py itself takes and gives such names as bytes.
"""

from __future__ import annotations

import os

import h5py
from h5py import h5a, h5d, h5f, h5g, h5i, h5o, h5t

Object = h5py.Group | h5py.Dataset | h5py.Datatype
"""An open object of a file."""

ObjectID = h5g.GroupID | h5d.DatasetID | h5t.TypeID
"""An open object of a file, in h5py's low-level interface."""


def text(name: bytes) -> str:
    """Return the text of a name."""
    return name.decode("utf-8", "surrogateescape")


def raw(name: str) -> bytes:
    """Return the bytes of a name, by which h5py finds it whatever they are."""
    return name.encode("utf-8", "surrogateescape")


def key(name: str) -> str | bytes:
    """Return a name as h5py takes it for a new object: UTF-8 as text, anything else as bytes."""
    try:
        name.encode()
    except UnicodeEncodeError:
        return raw(name)
    return name


def path_of(item: Object) -> str:
    """Return the path of an open h5py object in its file; empty for one without a name."""
    return text(h5i.get_name(item.id) or b"")


def file_of(item: Object) -> str:
    """Return the name of the file that an open h5py object lies in.

    `item.file` makes two more objects for that, 40 us each time.
    """
    return os.fsdecode(h5f.get_name(item.id))


def where(item: Object) -> str:
    """Return the address of an open h5py object, for messages."""
    return f"{file_of(item)}::{path_of(item)}"


def is_taken(group: h5py.Group, path: str) -> bool:
    """Return whether there is a link at `path`, wherever it leads.

    Not `path in group`, which fails at a name that is no UTF-8 (h5py 3.16).
    """
    above, _, last = raw(path).rpartition(b"/")
    here = _open(h5g.open(group.id, b"/" if path.startswith("/") else b"."), above)
    return isinstance(here, h5g.GroupID) and bool(here.links.exists(last))


def item_at(group: h5py.Group, path: str) -> Object | None:
    """Return what is at `path` in a file that is trusted; None for nothing.

    Not `group.get`, for the same reason.
    """
    start = h5g.open(group.id, b"/" if path.startswith("/") else b".")
    return group[raw(path)] if _open(start, raw(path)) is not None else None


def _open(here: ObjectID, path: bytes) -> ObjectID | None:
    try:
        for part in filter(None, path.split(b"/")):
            if not isinstance(here, h5g.GroupID) or not here.links.exists(part):
                return None
            here = h5o.open(here, part)
    except (KeyError, OSError, RuntimeError, UnicodeDecodeError):
        # A link to nothing.
        return None
    return here


def text_attribute(item: Object, name: str) -> str:
    """Return the text of an attribute, empty where there is none or it is no text."""
    try:
        # Not `attrs.get`, which looks for it twice.
        value = item.attrs[name] if h5a.exists(item.id, raw(name)) else None
    except (OSError, TypeError, ValueError, RuntimeError):
        return ""
    if isinstance(value, bytes):
        return text(value)
    return value if isinstance(value, str) else ""
