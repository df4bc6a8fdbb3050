"""Stored types taken apart: which of them hold references or values of variable length."""

from __future__ import annotations

from collections.abc import Iterator

from h5py import h5t


def nested_types(kind: h5t.TypeID) -> Iterator[h5t.TypeID]:
    """Yield the type and all types in it."""
    yield kind
    if isinstance(kind, h5t.TypeCompoundID):
        for index in range(kind.get_nmembers()):
            yield from nested_types(kind.get_member_type(index))
    elif isinstance(kind, (h5t.TypeArrayID, h5t.TypeVlenID)):
        yield from nested_types(kind.get_super())


def has_references(kind: h5t.TypeID) -> bool:
    """Return whether values of the type hold references."""
    return any(isinstance(part, h5t.TypeReferenceID) for part in nested_types(kind))


def has_vlen(kind: h5t.TypeID) -> bool:
    """Return whether values of the type lie elsewhere in the file: strings, ragged rows."""
    return any(
        isinstance(part, h5t.TypeVlenID)
        or (isinstance(part, h5t.TypeStringID) and part.is_variable_str())
        for part in nested_types(kind)
    )
