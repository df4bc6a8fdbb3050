from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
from h5py._objects import ObjectID
from h5py.h5p import PropDAID, PropDCID, PropDXID, PropID
from h5py.h5s import SpaceID
from h5py.h5t import TypeID
from numpy.typing import NDArray

COMPACT: int
CONTIGUOUS: int
CHUNKED: int
VIRTUAL: int
ALLOC_TIME_DEFAULT: int
ALLOC_TIME_LATE: int
ALLOC_TIME_EARLY: int
ALLOC_TIME_INCR: int
SPACE_STATUS_NOT_ALLOCATED: int
SPACE_STATUS_PART_ALLOCATED: int
SPACE_STATUS_ALLOCATED: int
FILL_TIME_ALLOC: int
FILL_TIME_NEVER: int
FILL_TIME_IFSET: int
FILL_VALUE_UNDEFINED: int
FILL_VALUE_DEFAULT: int
FILL_VALUE_USER_DEFINED: int

class StoreInfo(NamedTuple):
    chunk_offset: tuple[int, ...] | None
    filter_mask: int
    byte_offset: int | None
    size: int

class DatasetID(ObjectID):
    @property
    def dtype(self) -> np.dtype[Any]: ...
    @property
    def shape(self) -> tuple[int, ...]: ...
    @property
    def rank(self) -> int: ...
    def read(
        self,
        mspace: SpaceID,
        fspace: SpaceID,
        arr_obj: NDArray[Any],
        mtype: TypeID | None = None,
        dxpl: PropDXID | None = None,
    ) -> None: ...
    def write(
        self,
        mspace: SpaceID,
        fspace: SpaceID,
        arr_obj: NDArray[Any],
        mtype: TypeID | None = None,
        dxpl: PropDXID | None = None,
    ) -> None: ...
    def set_extent(self, dims: tuple[int, ...]) -> None: ...
    def get_space(self) -> SpaceID: ...
    def get_space_status(self) -> int: ...
    def get_type(self) -> TypeID: ...
    def get_create_plist(self) -> PropDCID: ...
    def get_access_plist(self) -> PropDAID: ...
    def get_offset(self) -> int | None: ...
    def get_storage_size(self) -> int: ...
    def flush(self) -> None: ...
    def refresh(self) -> None: ...
    def write_direct_chunk(
        self,
        offsets: tuple[int, ...],
        data: bytes | bytearray | memoryview,
        filter_mask: int = 0,
        dxpl: PropID | None = None,
    ) -> None: ...
    def read_direct_chunk(
        self, offsets: tuple[int, ...], dxpl: PropID | None = None, out: bytearray | None = None
    ) -> tuple[int, bytes]: ...
    def get_num_chunks(self, space: SpaceID | None = None) -> int: ...
    def get_chunk_info(self, index: int, space: SpaceID | None = None) -> StoreInfo: ...
    def get_chunk_info_by_coord(self, offsets: tuple[int, ...]) -> StoreInfo: ...
    def chunk_iter(
        self, func: Callable[[StoreInfo], object], dxpl: PropID | None = None
    ) -> object: ...

def create(
    loc: ObjectID,
    name: bytes | None,
    tid: TypeID,
    space: SpaceID,
    dcpl: PropID | None = None,
    lcpl: PropID | None = None,
    dapl: PropID | None = None,
    gcpl: PropID | None = None,
) -> DatasetID: ...
def open(loc: ObjectID, name: bytes, dapl: PropID | None = None) -> DatasetID: ...
