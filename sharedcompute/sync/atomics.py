"""Atomic operations on words of shared memory, and futexes: the basis of `sync`.

numba has no atomics on the CPU, so they are intrinsics that emit LLVM's instructions.
"""
# ruff: noqa: ARG001 - numba prescribes the arguments of an intrinsic

from __future__ import annotations

import platform
import sys
import time
from collections.abc import Callable
from typing import Any, TypeVar

import numba
import numpy as np
from llvmlite import ir
from numba.core import cgutils, types
from numba.core.base import BaseContext
from numba.core.typing import Signature
from numba.extending import intrinsic
from numpy.typing import NDArray

from sharedcompute.kernels.cache import cached

Words = NDArray[np.int64]
Block = Words | int
"""Words to operate on: an array, or in compiled code the address of the first. With an array numba
counts references at each call, by two atomic instructions: as much again as a lock costs."""
F = TypeVar("F", bound=Callable[..., Any])

Args = tuple[ir.Value, ...]
Code = Callable[[BaseContext, ir.IRBuilder, Signature, Args], ir.Value]
"""The code generator of an intrinsic."""

SLICE_NS = 20_000_000
"""The longest sleep before a waiter checks the abort word again."""

_FUTEX = {"x86_64": 202, "aarch64": 98}.get(platform.machine()) if sys.platform == "linux" else None
FUTEX = _FUTEX or 0
"""The number of the system call; 0 where there is none."""
FUTEX_WAIT, FUTEX_WAKE, EVERYONE = 0, 1, 1 << 30


def compiled(function: F, inline: bool = False) -> F:
    """Compile by `numba.njit`, even if NUMBA_DISABLE_JIT is set: intrinsics have no Python form.

    With `inline` the machine code is inlined into that of compiled callers.
    """
    disabled, numba.config.DISABLE_JIT = numba.config.DISABLE_JIT, 0
    try:
        return cached(numba.njit(nogil=True, forceinline=inline))(function)
    finally:
        numba.config.DISABLE_JIT = disabled


def _pointer(
    context: BaseContext,
    builder: ir.IRBuilder,
    array_type: types.Type,
    array: ir.Value,
    index: ir.Value,
) -> ir.Value:
    if isinstance(array_type, types.Integer):
        word = ir.IntType(64)
        offset = builder.mul(index, ir.Constant(word, 8))
        return builder.inttoptr(builder.add(array, offset), word.as_pointer())
    made = context.make_array(array_type)(context, builder, array)
    return cgutils.get_item_pointer(context, builder, array_type, made, [index])


def _check_whole(*kinds: types.Type) -> None:
    """Refuse floats: numba would truncate them silently."""
    for kind in kinds:
        if not isinstance(kind, types.Integer | types.Boolean):
            raise numba.TypingError(f"expected a whole number, got {kind}")


def inlined(function: F) -> F:
    """Compile and inline: for a few lines that are called often."""
    return compiled(function, inline=True)


@intrinsic
def add(
    typing: object, words: types.Type, at: types.Type, value: types.Type
) -> tuple[Signature, Code]:
    """Add to a word; return its value before."""
    _check_whole(at, value)

    def code(
        context: BaseContext, builder: ir.IRBuilder, signature: Signature, args: Args
    ) -> ir.Value:
        pointer = _pointer(context, builder, signature.args[0], args[0], args[1])
        return builder.atomic_rmw("add", pointer, args[2], "seq_cst")

    return types.int64(words, types.intp, types.int64), code


@intrinsic
def exchange(
    typing: object, words: types.Type, at: types.Type, value: types.Type
) -> tuple[Signature, Code]:
    """Set a word; return its value before."""
    _check_whole(at, value)

    def code(
        context: BaseContext, builder: ir.IRBuilder, signature: Signature, args: Args
    ) -> ir.Value:
        pointer = _pointer(context, builder, signature.args[0], args[0], args[1])
        return builder.atomic_rmw("xchg", pointer, args[2], "seq_cst")

    return types.int64(words, types.intp, types.int64), code


@intrinsic
def swap(
    typing: object, words: types.Type, at: types.Type, expected: types.Type, value: types.Type
) -> tuple[Signature, Code]:
    """Compare and swap; return the value before."""
    _check_whole(at, expected, value)

    def code(
        context: BaseContext, builder: ir.IRBuilder, signature: Signature, args: Args
    ) -> ir.Value:
        pointer = _pointer(context, builder, signature.args[0], args[0], args[1])
        result = builder.cmpxchg(pointer, args[2], args[3], "seq_cst", "seq_cst")
        return builder.extract_value(result, 0)

    return types.int64(words, types.intp, types.int64, types.int64), code


@intrinsic
def _load(typing: object, words: types.Type, at: types.Type) -> tuple[Signature, Code]:
    _check_whole(at)

    def code(
        context: BaseContext, builder: ir.IRBuilder, signature: Signature, args: Args
    ) -> ir.Value:
        pointer = _pointer(context, builder, signature.args[0], args[0], args[1])
        return builder.load_atomic(pointer, "seq_cst", 8)

    return types.int64(words, types.intp), code


@intrinsic
def pause(typing: object) -> tuple[Signature, Code]:
    """Hint to the processor that this is a spin loop: it saves power, and leaves it sooner."""

    def code(
        context: BaseContext, builder: ir.IRBuilder, signature: Signature, args: Args
    ) -> ir.Value:
        hints: dict[str, tuple[str, list[int]]]
        hints = {"x86_64": ("llvm.x86.sse2.pause", []), "aarch64": ("llvm.aarch64.hint", [1])}
        name, values = hints.get(platform.machine(), ("", []))
        if name:  # LLVM's own functions for this: numba sets up no parser for inline assembly
            given = [ir.Constant(ir.IntType(32), value) for value in values]
            prototype = ir.FunctionType(ir.VoidType(), [value.type for value in given])
            builder.call(cgutils.get_or_insert_function(builder.module, prototype, name), given)
        return context.get_dummy_value()

    return types.void(), code


@intrinsic
def _futex(
    typing: object, words: types.Type, at: types.Type, operation: types.Type, value: types.Type
) -> tuple[Signature, Code]:
    """Call `futex(2)` on a word, with a timeout of `SLICE_NS`."""

    def code(
        context: BaseContext, builder: ir.IRBuilder, signature: Signature, args: Args
    ) -> ir.Value:
        word = ir.IntType(64)
        prototype = ir.FunctionType(word, [word], var_arg=True)
        function = cgutils.get_or_insert_function(builder.module, prototype, "syscall")
        pointer = _pointer(context, builder, signature.args[0], args[0], args[1])
        limit = cgutils.alloca_once_value(builder, ir.Constant.literal_array(_limit(word)))
        none = ir.Constant(word, 0)
        rest = [builder.ptrtoint(limit, word), none, none]
        number = ir.Constant(word, FUTEX)
        where = builder.ptrtoint(pointer, word)
        return builder.call(function, [number, where, args[2], args[3], *rest])

    return types.int64(words, types.intp, types.int64, types.int64), code


def _limit(word: ir.IntType) -> list[ir.Constant]:
    return [ir.Constant(word, 0), ir.Constant(word, SLICE_NS)]  # struct timespec


@intrinsic
def now_ns(typing: object) -> tuple[Signature, Code]:
    """Return the nanoseconds of `time.monotonic`."""

    def code(
        context: BaseContext, builder: ir.IRBuilder, signature: Signature, args: Args
    ) -> ir.Value:
        word = ir.IntType(64)
        prototype = ir.FunctionType(ir.IntType(32), [ir.IntType(32), word.as_pointer()])
        function = cgutils.get_or_insert_function(builder.module, prototype, "clock_gettime")
        found = cgutils.alloca_once_value(builder, ir.Constant.literal_array(_limit(word)))
        first = builder.bitcast(found, word.as_pointer())
        builder.call(function, [ir.Constant(ir.IntType(32), time.CLOCK_MONOTONIC), first])
        seconds, rest = (builder.extract_value(builder.load(found), k) for k in (0, 1))
        return builder.add(builder.mul(seconds, ir.Constant(word, 10**9)), rest)

    return types.int64(), code


def raising(error: type[BaseException]) -> Callable[[bool], object]:
    """Return an intrinsic that raises `error` if its argument is true.

    numba's own ``raise`` refuses classes that are no `Exception`; the code that it generates takes
    any.
    """

    def code(
        context: BaseContext, builder: ir.IRBuilder, signature: Signature, args: Args
    ) -> ir.Value:
        with builder.if_then(args[0], likely=False):
            context.call_conv.return_user_exc(builder, error)
        return context.get_dummy_value()

    @intrinsic
    def raise_if(typing: object, condition: types.Type) -> tuple[Signature, Code]:
        return types.void(types.boolean), code

    return raise_if


_usleep = types.ExternalFunction("usleep", types.int32(types.uint32))
_poll = types.ExternalFunction("poll", types.int32(types.int64, types.uint64, types.int32))
_exit = types.ExternalFunction("_exit", types.void(types.int32))
sched_yield = types.ExternalFunction("sched_yield", types.int32())


@compiled
def fetch_add(words: Block, at: int, value: int) -> int:
    """Add `value` to a word and return what it was before."""
    return add(words, at, value)


@compiled
def load(words: Block, at: int) -> int:
    """Read a word that others write: a plain read would be moved out of a loop."""
    return _load(words, at)


@compiled
def wake(words: Block, at: int, count: int) -> None:
    """Wake up to `count` sleepers on the futex of a word."""
    if FUTEX != 0:
        _futex(words, at, FUTEX_WAKE, count)


@compiled
def sleep_on(words: Block, at: int, seen: int, turn: int = -1) -> None:
    """Sleep while a word is `seen`, one slice at most.

    A futex has 32 bits: the low half of the word on a little-endian machine. Without futexes, and
    with `turn` from 0 up, the number of sleeps before this one, it is a short sleep that does not
    depend on the word.
    """
    if turn < 0 and FUTEX != 0:
        _futex(words, at, FUTEX_WAIT, seen)
    else:
        _usleep(50 << min(max(turn, 0), 5))


@compiled
def exit_after(descriptor: int, grace_us: int) -> None:
    """Wait until a descriptor is readable, then a moment, then end this process.

    For a thread: it does not need the GIL, so a kernel that holds it does not delay the end.
    """
    entry = np.zeros(2, np.int32)  # struct pollfd
    entry[0] = descriptor
    entry[1] = 1  # POLLIN
    while _poll(entry.ctypes.data, 1, -1) < 1:
        pass
    _usleep(grace_us)
    _exit(1)
