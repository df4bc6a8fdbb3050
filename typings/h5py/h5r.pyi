from typing import overload

from h5py._objects import ObjectID
from h5py.h5d import DatasetID
from h5py.h5g import GroupID
from h5py.h5s import SpaceID
from h5py.h5t import TypeID

OBJECT: int
DATASET_REGION: int

class Reference:
    typecode: int
    def __bool__(self) -> bool: ...

class RegionReference(Reference): ...

@overload
def create(loc: ObjectID, name: bytes, ref_type: int) -> Reference: ...
@overload
def create(loc: ObjectID, name: bytes, ref_type: int, space: SpaceID) -> RegionReference: ...
def dereference(ref: Reference, loc: ObjectID) -> GroupID | DatasetID | TypeID: ...
def get_region(ref: Reference, loc: ObjectID) -> SpaceID: ...
def get_name(ref: Reference, loc: ObjectID) -> bytes: ...
