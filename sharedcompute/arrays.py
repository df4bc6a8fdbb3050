"""Shared arrays: NumPy arrays whose memory every process of this machine can map.

A block is a POSIX shared-memory object. It is opened with ``_posixshmem``, the C module under
`multiprocessing.shared_memory`, and not with its ``SharedMemory`` class, because that class

- cannot be closed while a view exists, and prints "cannot close exported pointers exist" then;
- before Python 3.13 registers a block at every attach, so that an unrelated reader that ends
  unlinks a live block (python/cpython#82300);
- maps at once, with no room for `os.posix_fallocate` first: where ``/dev/shm`` is too small, the
  first touch is then a SIGBUS instead of an error.

Who holds what: an array's chain of ``base`` ends at its `Segment`, so every view, also a plain
ndarray, keeps the block alive. The process that made the block owns it, and unlinks its name when
the last view there is gone, or at exit. Others only map.
"""

from __future__ import annotations

import contextlib
import errno
import itertools
import math
import mmap
import os
import re
import secrets
import weakref
from functools import lru_cache
from multiprocessing import resource_tracker
from pathlib import Path
from typing import Any, NamedTuple

import _posixshmem
import numpy as np
from numpy.typing import ArrayLike, DTypeLike, NDArray

from sharedcompute import machine
from sharedcompute.errors import InputError, MemoryBudgetError

Shape = int | tuple[int, ...]

_PREFIX = "sc_"
_NAME = re.compile(r"sc_(\d+)_(\d+)_\d+_[0-9a-f]+")
_serial = itertools.count()


class Handle(NamedTuple):
    """What travels instead of an array: where it lies in which block."""

    name: str
    size: int
    offset: int
    shape: tuple[int, ...]
    strides: tuple[int, ...]
    dtype: np.dtype[Any] | str
    writable: bool


class Segment(mmap.mmap):
    """A mapped block. `owner` is the pid of the process that made it."""

    name: str
    owner: int
    address: int
    remove: weakref.finalize[Any, Segment] | None
    """Removes the name; None in a process that only attached."""


# Every segment mapped here, so that a block is mapped once and an array that comes back to its
# owner is the owner's memory. Weak: views alone decide how long a segment lives.
_mapped: weakref.WeakValueDictionary[str, Segment] = weakref.WeakValueDictionary()


class SharedArray(np.ndarray[Any, Any]):
    """An ndarray in shared memory; pickled, it is a small handle.

    As with `numpy.memmap`, views are shared arrays and results are not: arithmetic, `copy`,
    `astype` and fancy indexing give plain arrays, reductions give scalars.
    """

    def __array_wrap__(
        self, array: Any, context: Any = None, return_scalar: bool = False
    ) -> Any:
        """Give a ufunc's result as a plain array or a scalar."""
        if self is array or type(self) is not SharedArray:
            return array
        if return_scalar or array.shape == ():
            return array[()]
        return array.view(np.ndarray)

    def __getitem__(self, index: Any) -> Any:
        """Index; what is a copy and not a view comes as a plain array."""
        return _plain_if_private(super().__getitem__(index))

    def copy(self, order: Any = "C") -> NDArray[Any]:
        """Return a private copy, a plain array."""
        return self.view(np.ndarray).copy(order)

    def astype(self, *args: Any, **kwargs: Any) -> NDArray[Any]:
        """Return a private copy with another dtype, a plain array; as `numpy.ndarray.astype`."""
        return self.view(np.ndarray).astype(*args, **kwargs)

    def flatten(self, order: Any = "C") -> NDArray[Any]:
        """Return a private copy in one dimension, a plain array."""
        return self.view(np.ndarray).flatten(order)

    def close(self) -> None:
        """Remove the block's name now; its views stay valid. Closing twice is harmless."""
        segment = segment_of(self)
        if segment is not None and segment.remove is not None:
            segment.remove()

    def __reduce__(self) -> Any:
        """Pickle the handle; a private array of this type pickles as a plain array."""
        found = handle(self)
        if found is None:
            return self.view(np.ndarray).__reduce__()
        return attach, (found,)

    def __reduce_ex__(self, protocol: Any) -> Any:
        """As `__reduce__`: ndarray's own would send the data."""
        del protocol
        return self.__reduce__()


def empty(shape: Shape, dtype: DTypeLike = float) -> SharedArray:
    """Return a new shared array of zeros: the system hands out memory cleared.

    Parameters
    ----------
    shape : int or tuple of int
    dtype : dtype
        Anything of fixed size: numeric, boolean, complex, structured, dates, fixed strings.

    Raises
    ------
    InputError
        For object dtypes, whose elements are pointers into one process, and for bad shapes.
    MemoryBudgetError
        Where the room for shared memory does not hold it.
    """
    kind = _checked_dtype(dtype)
    sizes = _checked_shape(shape)
    segment = _create(math.prod(sizes) * kind.itemsize)
    return SharedArray(sizes, kind, buffer=segment)


def zeros(shape: Shape, dtype: DTypeLike = float) -> SharedArray:
    """Return a new shared array of zeros. See `empty`."""
    return empty(shape, dtype)


def full(shape: Shape, fill_value: Any, dtype: DTypeLike = None) -> SharedArray:
    """Return a new shared array filled with `fill_value`. See `empty`."""
    array = empty(shape, np.asarray(fill_value).dtype if dtype is None else dtype)
    array[...] = fill_value
    return array


def asarray(a: ArrayLike, dtype: DTypeLike = None) -> SharedArray:
    """Return `a` in shared memory: itself where it is a shared array of that dtype, else a copy.

    Parameters
    ----------
    a : array_like
    dtype : dtype, optional
        That of `a` by default.
    """
    source = np.asanyarray(a)
    kind = source.dtype if dtype is None else np.dtype(dtype)
    if isinstance(source, SharedArray) and source.dtype == kind and segment_of(source) is not None:
        return source
    array = empty(source.shape, kind)
    np.copyto(array, source, casting="unsafe")
    return array


def empty_like(a: ArrayLike, dtype: DTypeLike = None) -> SharedArray:
    """Return a new shared array with the shape of `a`, and its dtype unless given."""
    source = np.asanyarray(a)
    return empty(source.shape, source.dtype if dtype is None else dtype)


def segment_of(array: NDArray[Any]) -> Segment | None:
    """Find the segment that `array`, or what it is a view of, lies in."""
    base: Any = array
    while base is not None:
        if isinstance(base, Segment):
            return base
        # A memoryview stands between where a view went through the buffer protocol.
        base = base.obj if isinstance(base, memoryview) else getattr(base, "base", None)
    return None


def handle(array: NDArray[Any]) -> Handle | None:
    """Return what another process needs to map `array`; None where it is private memory.

    Raises
    ------
    InputError
        Where the array was closed: nobody else can open it any more.
    """
    segment = segment_of(array)
    if segment is None:
        return None
    if segment.remove is not None and not segment.remove.alive:
        raise InputError("expected an open shared array, got a closed one; close it after its jobs")
    return Handle(
        segment.name,
        len(segment),
        array.ctypes.data - segment.address if array.size else 0,
        array.shape,
        array.strides,
        # Its name pickles ten times as fast as a dtype, but tells a plain one only.
        array.dtype.str if array.dtype.isbuiltin else array.dtype,
        array.flags.writeable,
    )


def view(segment: Segment, handle: Handle) -> SharedArray:
    """Return the array of `handle` in its mapped segment."""
    array = SharedArray(
        handle.shape, handle.dtype, buffer=segment, offset=handle.offset, strides=handle.strides
    )
    array.flags.writeable = handle.writable
    return array


def attach(handle: Handle) -> SharedArray:
    """Map the array of `handle`.

    Raises
    ------
    InputError
        Where its block is gone.
    """
    return view(open_segment(handle.name, handle.size), handle)


def open_segment(name: str, size: int) -> Segment:
    """Map the block `name`, or find it where this process has it mapped."""
    segment = _mapped.get(name)
    if segment is not None:
        return segment
    try:
        descriptor = _posixshmem.shm_open("/" + name, os.O_RDWR)
    except FileNotFoundError:
        raise InputError(
            f"expected the shared block {name} to exist, its owner has freed it; "
            "keep the array until its jobs are done"
        ) from None
    return _map(descriptor, name, size, owner=int(name.split("_")[1]))


def exists(name: str) -> bool:
    """Whether the block `name` has not been removed."""
    try:
        os.close(_posixshmem.shm_open("/" + name, os.O_RDONLY))
    except FileNotFoundError:
        return False
    return True


def remove_own() -> None:
    """Remove the names of all blocks that this process made. For a process about to `os._exit`."""
    for segment in list(_mapped.values()):
        if segment.remove is not None:
            segment.remove()


class BlockInfo(NamedTuple):
    """A block in ``/dev/shm``: its size in bytes, its owner's pid, whether the owner is alive."""

    name: str
    nbytes: int
    pid: int
    alive: bool


def list_blocks() -> list[BlockInfo]:
    """List the shared blocks of this user, by name. Empty where blocks have no file system."""
    found = []
    for path in sorted(machine.SHM.glob(_PREFIX + "*")) if machine.SHM.is_dir() else []:
        match = _NAME.fullmatch(path.name)
        with contextlib.suppress(FileNotFoundError):
            status = path.lstat()
            if match and status.st_uid == os.getuid():
                pid = int(match[1])
                alive = start_time(pid) == int(match[2])
                found.append(BlockInfo(path.name, status.st_size, pid, alive))
    return found


def clean(pid: int | None = None) -> list[str]:
    """Remove the blocks whose owner is gone and return their names.

    Parameters
    ----------
    pid : int, optional
        Only those of this owner.
    """
    gone = [b.name for b in list_blocks() if not b.alive and pid in (None, b.pid)]
    for name in gone:
        with contextlib.suppress(FileNotFoundError):
            _posixshmem.shm_unlink("/" + name)
    return gone


def start_time(pid: int) -> int | None:
    """When process `pid` started, in clock ticks since boot; None where there is no such process.

    With the pid it names a process for ever: pids are used again, pairs are not. A zombie counts
    as gone, since nobody can use its blocks through it any more.
    """
    try:
        fields = Path(f"/proc/{pid}/stat").read_bytes().rpartition(b")")[2].split()
    except OSError:
        return None if Path("/proc/self/stat").exists() else _start_time_elsewhere(pid)
    return None if fields[0] in (b"Z", b"X") else int(fields[19])


def _start_time_elsewhere(pid: int) -> int | None:
    import psutil

    try:
        return int(psutil.Process(pid).create_time() * 100)
    except psutil.NoSuchProcess:
        return None


@lru_cache(maxsize=1)
def _own_prefix(pid: int) -> str:
    return f"{_PREFIX}{pid}_{start_time(pid)}_"


def _create(nbytes: int) -> Segment:
    """Make a block of `nbytes` (a mapping cannot be empty, so at least one) that we own."""
    size = max(1, nbytes)
    pid = os.getpid()
    name = f"{_own_prefix(pid)}{next(_serial)}_{secrets.token_hex(4)}"
    flags = os.O_CREAT | os.O_EXCL | os.O_RDWR
    descriptor = _posixshmem.shm_open("/" + name, flags, mode=0o600)
    # The tracker is the net under a process killed by SIGKILL: it unlinks what was not unregistered.
    resource_tracker.register("/" + name, "shared_memory")
    try:
        _allocate(descriptor, size)
        segment = _map(descriptor, name, size, owner=pid)
    except BaseException:
        _remove(name, pid)
        raise
    segment.remove = weakref.finalize(segment, _remove, name, pid)
    return segment


def _allocate(descriptor: int, size: int) -> None:
    try:
        if hasattr(os, "posix_fallocate"):
            os.posix_fallocate(descriptor, 0, size)
        else:
            os.ftruncate(descriptor, size)
    except OSError as error:
        os.close(descriptor)
        if error.errno not in (errno.ENOSPC, errno.EFBIG, errno.ENOMEM):
            raise
        need, have = machine.format_size(size), machine.format_size(machine.shm_free())
        raise MemoryBudgetError(
            f"expected {need} of shared memory, {machine.SHM} has {have} free; "
            "free shared arrays, use a smaller one, or enlarge it"
        ) from None
    except OverflowError:
        os.close(descriptor)
        raise MemoryBudgetError(f"expected an array that fits, got one of {size} bytes") from None


def _map(descriptor: int, name: str, size: int, owner: int) -> Segment:
    try:
        segment = Segment(descriptor, size)
    finally:
        os.close(descriptor)
    segment.name, segment.owner, segment.remove = name, owner, None
    segment.address = np.ndarray(1, np.uint8, buffer=segment).ctypes.data
    _mapped[name] = segment
    return segment


def _remove(name: str, owner: int) -> None:
    """Unlink the name, once, and only in the process that made it and not in its forks."""
    if os.getpid() != owner:
        return
    with contextlib.suppress(FileNotFoundError):
        _posixshmem.shm_unlink("/" + name)
    resource_tracker.unregister("/" + name, "shared_memory")


def _plain_if_private(result: Any) -> Any:
    if type(result) is SharedArray and segment_of(result) is None:
        return result.view(np.ndarray)
    return result


def _checked_dtype(dtype: DTypeLike) -> np.dtype[Any]:
    try:
        kind = np.dtype(dtype)
    except TypeError as error:
        raise InputError(f"expected a dtype, got {dtype!r} ({error})") from None
    if kind.hasobject:
        raise InputError(
            f"expected a dtype of fixed size, got {kind}; "
            "objects cannot be shared, convert them to numbers"
        )
    return kind


def _checked_shape(shape: Shape) -> tuple[int, ...]:
    try:
        sizes = (int(shape),) if isinstance(shape, (int, np.integer)) else tuple(map(int, shape))
    except (TypeError, ValueError):
        sizes = (-1,)
    if min(sizes, default=0) < 0:
        raise InputError(f"expected a shape of whole numbers from 0 up, got {shape!r}")
    return sizes
