"""References, translated from one file to its copy.

A reference is an address in its own file: HDF5 copies it as it is, and it then points to nothing,
or to something else. Values are translated as they lie in memory, so that a type which NumPy cannot
express is no obstacle, and everything but the references keeps its bits.
"""

from __future__ import annotations

import ctypes
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import h5py
import numpy as np
from h5py import h5o, h5r, h5t
from numpy.typing import NDArray

from sharedcompute.hdf5.format.names import ObjectID
from sharedcompute.hdf5.format.types import has_references


@dataclass(frozen=True)
class ObjectAddresses:
    """Addresses of the objects of one file in its copy.

    Parameters
    ----------
    addresses : dict
        The address of each object in the copy, by its address in the original.
    paths : dict
        One path to each of them, in either file, by its address in the original.
    """

    addresses: dict[int, int] = field(default_factory=dict)
    paths: dict[int, bytes] = field(default_factory=dict)

    def __contains__(self, address: int) -> bool:
        return address in self.addresses

    def add(self, address: int, new: ObjectID, path: bytes) -> None:
        """Note that the open object `new` is the copy of the one at `address`."""
        self.addresses[address] = h5o.get_info(new).addr
        self.paths[address] = path


class Translator:
    """Lets the references in raw values of `source` point to the same objects in `target`.

    Parameters
    ----------
    source, target : h5py.File
    addresses : ObjectAddresses
        Complete: an object that is not in it is taken to be lost.
    """

    def __init__(self, source: h5py.File, target: h5py.File, addresses: ObjectAddresses) -> None:
        self._source = source.id
        self._target = target.id
        self._addresses = addresses
        self._regions: dict[bytes, bytes | None] = {}

    def translate(self, kind: h5t.TypeID, items: NDArray[np.uint8]) -> int:
        """Translate in place.

        Parameters
        ----------
        kind : h5py.h5t.TypeID
            As in memory.
        items : ndarray of uint8, shape (n, bytes of an element)

        Returns
        -------
        int
            References that had a target before and are null now.
        """
        if isinstance(kind, h5t.TypeReferenceID):
            return self._references(kind, items)
        if isinstance(kind, h5t.TypeCompoundID):
            return sum(
                self._member(kind.get_member_type(index), kind.get_member_offset(index), items)
                for index in range(kind.get_nmembers())
            )
        if not has_references(kind):
            return 0
        base = kind.get_super()
        if isinstance(kind, h5t.TypeArrayID):
            inner = np.ascontiguousarray(items).reshape(-1, base.get_size())
            lost = self.translate(base, inner)
            items[...] = inner.reshape(items.shape)
            return lost
        return sum(self.translate(base, row) for row in _rows(items, base.get_size()))

    def _member(self, kind: h5t.TypeID, offset: int, items: NDArray[np.uint8]) -> int:
        if not has_references(kind):
            return 0
        return self.translate(kind, items[:, offset : offset + kind.get_size()])

    def _references(self, kind: h5t.TypeID, items: NDArray[np.uint8]) -> int:
        if kind.equal(h5t.STD_REF_OBJ):
            return self._object_references(items)
        if kind.equal(h5t.STD_REF_DSETREG):
            return self._region_references(items)
        # HDF5 1.12's own kind is opaque, and h5py cannot make one.
        lost = int(items.any(axis=1).sum())
        items[...] = 0
        return lost

    def _object_references(self, items: NDArray[np.uint8]) -> int:
        old = np.ascontiguousarray(items).view(np.uint64)[:, 0]
        known, index = np.unique(old, return_inverse=True)
        found = [self._addresses.addresses.get(int(address), 0) for address in known]
        new = np.array(found, np.uint64)[index]
        # Before `items` changes: `old` may be a view of it.
        lost = int(((old != 0) & (new == 0)).sum())
        items[...] = new[:, None].view(np.uint8)
        return lost

    def _region_references(self, items: NDArray[np.uint8]) -> int:
        lost = 0
        for item in items:
            raw = item.tobytes()
            if not any(raw):
                continue
            if raw not in self._regions:
                self._regions[raw] = self._region(raw)
            new = self._regions[raw]
            item[...] = np.frombuffer(new or bytes(len(raw)), np.uint8)
            lost += new is None
        return lost

    def _region(self, raw: bytes) -> bytes | None:
        """Return the same region of the same dataset in the other file; None if it is not there."""
        reference = _as_object(raw)
        try:
            dataset = h5r.dereference(reference, self._source)
            space = h5r.get_region(reference, self._source)
        except (KeyError, OSError, RuntimeError, ValueError):
            return None
        path = self._addresses.paths.get(h5o.get_info(dataset).addr)
        if path is None:
            return None
        return _as_bytes(h5r.create(self._target, path, h5r.DATASET_REGION, space))


def _rows(items: NDArray[np.uint8], itemsize: int) -> Iterator[NDArray[np.uint8]]:
    """Yield the memory of each row of variable length, from HDF5's lengths and pointers."""
    pairs = np.ascontiguousarray(items).view(np.uint64)
    for length, pointer in pairs.tolist():
        if length:
            memory = (ctypes.c_ubyte * (length * itemsize)).from_address(pointer)
            yield np.frombuffer(memory, np.uint8).reshape(length, itemsize)


def _as_object(raw: bytes) -> h5py.RegionReference:
    """Return h5py's object for a region reference: only HDF5's conversion makes one."""
    memory = bytearray(16)
    memory[: len(raw)] = raw
    buffer = np.frombuffer(memory, np.uint8)
    h5t.convert(h5t.STD_REF_DSETREG, h5t.PYTHON_OBJECT, 1, buffer, np.zeros_like(buffer))
    held: ctypes.py_object[Any] = ctypes.py_object.from_buffer(memory)
    reference: h5py.RegionReference = held.value
    # The pointer in the buffer was a reference of its own.
    ctypes.pythonapi.Py_DecRef(held)
    return reference


def _as_bytes(reference: h5py.RegionReference) -> bytes:
    buffer = np.zeros(16, np.uint8)
    buffer[:8].view(np.uint64)[0] = id(reference)
    h5t.convert(h5t.PYTHON_OBJECT, h5t.STD_REF_DSETREG, 1, buffer, np.zeros_like(buffer))
    return buffer[: h5t.STD_REF_DSETREG.get_size()].tobytes()
