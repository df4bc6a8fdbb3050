from h5py._objects import ObjectID
from h5py.h5d import DatasetID
from h5py.h5g import GroupID
from h5py.h5p import PropID
from h5py.h5t import TypeID

TYPE_GROUP: int
TYPE_DATASET: int
TYPE_NAMED_DATATYPE: int
COPY_SHALLOW_HIERARCHY_FLAG: int
COPY_WITHOUT_ATTR_FLAG: int

class _Messages:
    present: int
    shared: int

class _Header:
    mesg: _Messages

class _ObjInfo:
    hdr: _Header
    fileno: int
    addr: int
    type: int
    rc: int
    atime: int
    mtime: int
    ctime: int
    btime: int
    num_attrs: int

def open(
    loc: ObjectID, name: bytes, lapl: PropID | None = None
) -> GroupID | DatasetID | TypeID: ...
def get_info(
    loc: ObjectID, name: bytes | None = None, index: int = -1, *, obj_name: bytes = b"."
) -> _ObjInfo: ...
def copy(
    src_loc: ObjectID,
    src_name: bytes,
    dst_loc: ObjectID,
    dst_name: bytes,
    copypl: PropID | None = None,
    lcpl: PropID | None = None,
) -> None: ...
def link(obj: ObjectID, loc: ObjectID, name: bytes, lcpl: PropID | None = None) -> None: ...
def get_comment(loc: ObjectID, comment: bytes, *, obj_name: bytes = b".") -> bytes: ...
