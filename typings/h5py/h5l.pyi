from collections.abc import Callable
from typing import Any, TypeVar

from h5py._objects import ObjectID
from h5py.h5p import PropID

TYPE_HARD: int
TYPE_SOFT: int
TYPE_EXTERNAL: int

T = TypeVar("T")

class LinkInfo:
    type: int
    corder_valid: bool
    corder: int
    cset: int
    @property
    def u(self) -> int: ...

class LinkProxy:
    def create_hard(
        self,
        new_name: bytes,
        cur_loc: ObjectID,
        cur_name: bytes,
        lcpl: PropID | None = None,
        lapl: PropID | None = None,
    ) -> None: ...
    def create_soft(
        self,
        new_name: bytes,
        target: bytes,
        lcpl: PropID | None = None,
        lapl: PropID | None = None,
    ) -> None: ...
    def create_external(
        self,
        link_name: bytes,
        file_name: bytes,
        obj_name: bytes,
        lcpl: PropID | None = None,
        lapl: PropID | None = None,
    ) -> None: ...
    # Bytes of a soft link, two of an external one.
    def get_val(self, name: bytes, lapl: PropID | None = None) -> Any: ...
    def exists(self, name: bytes, lapl: PropID | None = None) -> bool: ...
    def get_info(self, name: bytes, index: int = -1, lapl: PropID | None = None) -> LinkInfo: ...
    def visit(
        self,
        func: Callable[[bytes, LinkInfo], T | None],
        idx_type: int = ...,
        order: int = ...,
        obj_name: bytes = b".",
        lapl: PropID | None = None,
        info: bool = False,
    ) -> T | None: ...
    def iterate(
        self,
        func: Callable[[bytes, LinkInfo], T | None],
        idx_type: int = ...,
        order: int = ...,
        obj_name: bytes = b".",
        lapl: PropID | None = None,
        info: bool = False,
        idx: int = 0,
    ) -> T | None: ...
