"""Compiled kernels on disk, each under a checksum.

numba trusts its cache. A damaged index is an unpickling error at the first call, damaged machine
code runs as it is, and two processes that compile two signatures of a function at once can leave an
index in which one names the code of the other.

Here each signature of a function has a file of its own, named by a hash of the signature, and there
is no index. What does not load, for whatever reason, is compiled again and written anew.
"""

from __future__ import annotations

import hashlib
import inspect
import os
import pickle
import stat
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar, cast

import numba
from numba.core.caching import FunctionCache
from numba.core.dispatcher import Dispatcher
from numba.core.serialize import dumps

if TYPE_CHECKING:
    from numba.core.base import BaseContext, Codegen
    from numba.core.caching import CompileResult
    from numba.core.typing import Signature

F = TypeVar("F", bound=Callable[..., object])

DIGEST = 16
"""Bytes of the BLAKE2 hash at the beginning of a file."""
LARGEST = 2**28
"""The largest file that is read, in bytes; those of our kernels have 10 to 200 kB."""


def cached(jit: Callable[[Callable[..., object]], object]) -> Callable[[F], F]:
    """Decorate like ``njit(nogil=True)`` and its like, and cache in a `CheckedCache`.

    With NUMBA_DISABLE_JIT numba's decorators, and this one, give the plain function.
    """

    def decorate(function: F) -> F:
        made = jit(function)
        if isinstance(made, Dispatcher):
            _give_cache(made)
        return cast(F, made)

    return decorate


def protect(kernel: Any) -> None:
    """Give a function of ``njit(cache=True)``, and the functions that it calls, a `CheckedCache`.

    These are found among its globals and in its closure.
    """
    if type(getattr(kernel, "_cache", None)) is not FunctionCache:
        return
    _give_cache(kernel)
    if isinstance(kernel._cache, CheckedCache):
        with suppress(ValueError):  # a cell of the closure may be empty
            called = inspect.getclosurevars(kernel.py_func)
            for value in (*called.globals.values(), *called.nonlocals.values()):
                protect(value)


def is_kept() -> bool:
    """Return whether there is a folder for compiled code; without one every process compiles."""
    try:
        FunctionCache(is_kept)
    except RuntimeError:
        return False
    return True


def _give_cache(dispatcher: Dispatcher) -> None:
    # Without a writable folder numba refuses to cache: then each process compiles.
    with suppress(RuntimeError):
        dispatcher._cache = CheckedCache(dispatcher.py_func)


class CheckedCache(FunctionCache):
    """The compiled signatures of one function, in the folder that numba would choose."""

    def __init__(self, function: Callable[..., object]) -> None:
        super().__init__(function)
        self._made_of = (numba.__version__, self._impl.locator.get_source_stamp())

    def load_overload(self, sig: Signature, target_context: BaseContext) -> CompileResult | None:
        """Load a signature that was compiled before; return None if no intact file has it."""
        target_context.refresh()
        path = self._path(sig, target_context.codegen())
        content = _read(path) if path else b""
        if not path or not content.startswith(self._digest(path, content)):
            return None
        try:
            return self._impl.rebuild(target_context, pickle.loads(memoryview(content)[DIGEST:]))
        except Exception:  # noqa: BLE001 - any broken file is compiled again
            return None

    def save_overload(self, sig: Signature, data: CompileResult) -> None:
        """Write a compiled signature, if it can be cached."""
        path = self._path(sig, data.codegen)
        if not path or not self._impl.check_cachable(data):
            return
        payload = bytes(DIGEST) + dumps(self._impl.reduce(data))
        content = self._digest(path, payload) + payload[DIGEST:]
        with suppress(OSError):
            path.parent.mkdir(parents=True, exist_ok=True)
            _replace(path, content)

    def flush(self) -> None:
        """Forget all signatures."""
        with suppress(OSError):
            for path in Path(self.cache_path).glob("*.nbk"):
                if path.name.startswith(f"{self._impl.filename_base}."):
                    path.unlink()

    def _path(self, sig: Signature, codegen: Codegen) -> Path | None:
        """Return the file of a signature on this kind of processor."""
        key = repr(self._index_key(sig, codegen))
        if " at 0x" in key:
            return None  # a function as argument: its address means another one elsewhere
        name = hashlib.blake2b(key.encode(), digest_size=DIGEST).hexdigest()
        return Path(self.cache_path, f"{self._impl.filename_base}.{name}.nbk")

    def _digest(self, path: Path, content: bytes) -> bytes:
        """Return the checksum of what follows it, of the source and of the file's name."""
        found = hashlib.blake2b(repr((*self._made_of, path.name)).encode(), digest_size=DIGEST)
        found.update(memoryview(content)[DIGEST:])
        return found.digest()


def _read(path: Path) -> bytes:
    """Return the bytes of a file, none if that is not possible. A pipe is not waited for."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError:
        return b""
    try:
        status = os.fstat(descriptor)
        whole = stat.S_ISREG(status.st_mode) and status.st_size <= LARGEST
        return os.read(descriptor, status.st_size) if whole else b""
    except OSError:
        return b""
    finally:
        os.close(descriptor)


def _replace(path: Path, content: bytes) -> None:
    """Replace a file atomically: others see the old one or the new one."""
    made = path.with_name(f"{path.name}.{os.urandom(8).hex()}")
    try:
        made.write_bytes(content)
        made.replace(path)
    except OSError:
        made.unlink(missing_ok=True)
        raise
