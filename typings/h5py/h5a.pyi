from collections.abc import Callable
from typing import Any, TypeVar

import numpy as np
from h5py._objects import ObjectID
from h5py.h5p import PropID
from h5py.h5s import SpaceID
from h5py.h5t import TypeID
from numpy.typing import NDArray

T = TypeVar("T")

class AttrID(ObjectID):
    @property
    def name(self) -> bytes: ...
    @property
    def shape(self) -> tuple[int, ...]: ...
    @property
    def dtype(self) -> np.dtype[Any]: ...
    def get_name(self) -> bytes: ...
    def get_space(self) -> SpaceID: ...
    def get_type(self) -> TypeID: ...
    def get_storage_size(self) -> int: ...
    def read(self, arr: NDArray[Any], mtype: TypeID | None = None) -> None: ...
    def write(self, arr: NDArray[Any], mtype: TypeID | None = None) -> None: ...

def create(
    loc: ObjectID,
    name: bytes,
    tid: TypeID,
    space: SpaceID,
    *,
    obj_name: bytes = b".",
    lapl: PropID | None = None,
) -> AttrID: ...
def open(
    loc: ObjectID,
    name: bytes | None = None,
    index: int = -1,
    *,
    obj_name: bytes = b".",
    index_type: int = ...,
    order: int = ...,
    lapl: PropID | None = None,
) -> AttrID: ...
def exists(
    loc: ObjectID, name: bytes, *, obj_name: bytes = b".", lapl: PropID | None = None
) -> bool: ...
def delete(
    loc: ObjectID, name: bytes | None = None, index: int = -1, *, obj_name: bytes = b"."
) -> None: ...
def rename(loc: ObjectID, name: bytes, new_name: bytes) -> None: ...
def get_num_attrs(loc: ObjectID) -> int: ...
def iterate(
    loc: ObjectID,
    func: Callable[[bytes], T | None],
    index: int = 0,
    *,
    index_type: int = ...,
    order: int = ...,
    corder: bool = False,
    info: bool = False,
) -> T | None: ...
