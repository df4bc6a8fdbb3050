"""The control block: what the workers of a team synchronise through.

An array of 64-bit words in shared memory, worked on with atomic instructions by functions that
compile with numba, so that a barrier costs a microsecond or two and can stand inside a kernel.

Every wait spins a little, then sleeps in slices (a futex on Linux, else a short sleep), and looks
at the abort word between slices: whoever waits learns within a slice that the job is over. So
nobody hangs on a dead worker, as they would on `multiprocessing.Lock` or `Barrier`.
"""

from __future__ import annotations

import platform
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, TypeVar

import numba
import numpy as np
from llvmlite import ir
from numba.core import cgutils, types
from numba.extending import intrinsic
from numpy.typing import NDArray

from sharedcompute.rows import Rows

Words = NDArray[np.int64]
F = TypeVar("F", bound=Callable[..., Any])

# The layout. Words that different workers write lie on cache lines (8 words) of their own.
ABORT = 0  # not 0: the job is over, leave
FINISHED = 8  # how many ranks have left the program
ARRIVED = 24  # at the barrier
GENERATION = 32  # of the barrier
BARRIER_SLEEPERS = 33
LOCK = 40  # 0 free, 1 held, 2 held and waited for
CLAIMS = 48  # CLAIM_SLOTS words
CLAIM_SLOTS = 64
RANKS = CLAIMS + CLAIM_SLOTS  # a line for each rank, and one more for the semaphores
LINE = 8
# In a line: the rows in hand, a semaphore (of as many permits as the line's number), and the last
# job that the rank has done with. The last is never cleared: it tells who is idle after an abort.
ROW_START, ROW_STOP, PERMITS_TAKEN, PERMIT_SLEEPERS, JOB_DONE = range(5)

OK, ABORTED, LEFT = 0, 1, 2

SPINS = 2000
"""About 5 us: longer than a barrier takes when all have a core, shorter than a sleep and wake."""
SLICE_NS = 20_000_000
"""The longest sleep before the abort word is looked at again."""
CLAIM_BITS = 36
"""A claim word holds the claim's number above and the next block below: 2**36 blocks."""

_FUTEX = {"x86_64": 202, "aarch64": 98}.get(platform.machine()) if sys.platform == "linux" else None
FUTEX = _FUTEX or 0
FUTEX_WAIT, FUTEX_WAKE, EVERYONE = 0, 1, 1 << 30


class Aborted(BaseException):
    """The job is over, another worker failed. Not an Exception: programs should not catch it."""


class ProgramLeft(RuntimeError):
    """A barrier can never open: another rank has returned from the program."""


def _compiled(function: F) -> F:
    """`numba.njit`, also where NUMBA_DISABLE_JIT is set: intrinsics have no Python form."""
    disabled, numba.config.DISABLE_JIT = numba.config.DISABLE_JIT, 0
    try:
        return numba.njit(nogil=True, cache=True)(function)  # type: ignore[no-any-return]
    finally:
        numba.config.DISABLE_JIT = disabled


def _pointer(context: Any, builder: Any, array_type: Any, array: Any, index: Any) -> Any:
    made = context.make_array(array_type)(context, builder, array)
    return cgutils.get_item_pointer(context, builder, array_type, made, [index])


@intrinsic  # type: ignore[untyped-decorator]
def _add(typing: Any, words: Any, at: Any, value: Any) -> Any:
    def code(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        pointer = _pointer(context, builder, signature.args[0], args[0], args[1])
        return builder.atomic_rmw("add", pointer, args[2], "seq_cst")

    return types.int64(words, types.intp, types.int64), code


@intrinsic  # type: ignore[untyped-decorator]
def _exchange(typing: Any, words: Any, at: Any, value: Any) -> Any:
    def code(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        pointer = _pointer(context, builder, signature.args[0], args[0], args[1])
        return builder.atomic_rmw("xchg", pointer, args[2], "seq_cst")

    return types.int64(words, types.intp, types.int64), code


@intrinsic  # type: ignore[untyped-decorator]
def _swap(typing: Any, words: Any, at: Any, expected: Any, value: Any) -> Any:
    """Compare and swap; gives what was there before."""

    def code(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        pointer = _pointer(context, builder, signature.args[0], args[0], args[1])
        result = builder.cmpxchg(pointer, args[2], args[3], "seq_cst", "seq_cst")
        return builder.extract_value(result, 0)

    return types.int64(words, types.intp, types.int64, types.int64), code


@intrinsic  # type: ignore[untyped-decorator]
def _address(typing: Any, words: Any, at: Any) -> Any:
    def code(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        pointer = _pointer(context, builder, signature.args[0], args[0], args[1])
        return builder.ptrtoint(pointer, ir.IntType(64))

    return types.int64(words, types.intp), code


@intrinsic  # type: ignore[untyped-decorator]
def _syscall(typing: Any, number: Any, address: Any, operation: Any, value: Any, limit: Any) -> Any:
    """`syscall(2)` with the arguments that futex takes."""

    def code(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        word = ir.IntType(64)
        prototype = ir.FunctionType(word, [word], var_arg=True)
        function = cgutils.get_or_insert_function(builder.module, prototype, "syscall")
        none = ir.Constant(word, 0)
        return builder.call(function, [*args, none, none])

    return types.int64(*[types.int64] * 5), code


@intrinsic  # type: ignore[untyped-decorator]
def _usleep(typing: Any, microseconds: Any) -> Any:
    def code(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        prototype = ir.FunctionType(ir.IntType(32), [ir.IntType(32)])
        function = cgutils.get_or_insert_function(builder.module, prototype, "usleep")
        return builder.call(function, args)

    return types.int32(types.uint32), code


@_compiled
def fetch_add(words: Words, at: int, value: int) -> int:
    """Add `value` to a word and return what it was before."""
    return _add(words, at, value)  # type: ignore[no-any-return]


@_compiled
def load(words: Words, at: int) -> int:
    """Read a word that others write. A plain read in a loop would be moved out of the loop."""
    return _add(words, at, 0)  # type: ignore[no-any-return]


@_compiled
def compare_and_swap(words: Words, at: int, expected: int, value: int) -> int:
    """Set a word to `value` if it is `expected`; return what it was before."""
    return _swap(words, at, expected, value)  # type: ignore[no-any-return]


@_compiled
def wake(words: Words, at: int, count: int) -> None:
    """Wake up to `count` sleepers on a word."""
    if FUTEX != 0:
        _syscall(FUTEX, _address(words, at), FUTEX_WAKE, count, 0)


@_compiled
def sleep_on(words: Words, at: int, seen: int) -> None:
    """Sleep while a word is `seen`, one slice at most.

    A futex has 32 bits: the low half of the word on a little-endian machine.
    """
    if FUTEX != 0:
        limit = np.empty(2, np.int64)
        limit[0] = 0
        limit[1] = SLICE_NS
        _syscall(FUTEX, _address(words, at), FUTEX_WAIT, seen, _address(limit, 0))
    else:
        _usleep(50)


@_compiled
def barrier(words: Words, size: int, spins: int) -> int:
    """Wait until `size` ranks are here; OK, ABORTED, or LEFT where one has left the program."""
    generation = load(words, GENERATION)
    if _add(words, ARRIVED, 1) == size - 1:
        words[ARRIVED] = 0
        _add(words, GENERATION, 1)
        if load(words, BARRIER_SLEEPERS) > 0:
            wake(words, GENERATION, EVERYONE)
        return OK
    for _ in range(spins):
        if load(words, GENERATION) != generation:
            return OK
    _add(words, BARRIER_SLEEPERS, 1)
    status = OK
    while load(words, GENERATION) == generation:
        if load(words, ABORT) != 0:
            status = ABORTED
            break
        # Who has left came through this barrier or never will: the generation decides which.
        if load(words, FINISHED) != 0 and load(words, GENERATION) == generation:
            status = LEFT
            break
        sleep_on(words, GENERATION, generation)
    _add(words, BARRIER_SLEEPERS, -1)
    return status


@_compiled
def acquire(words: Words, spins: int) -> int:
    """Take the lock; OK or ABORTED. The three states are Drepper's ("Futexes are tricky")."""
    for _ in range(spins):
        if _swap(words, LOCK, 0, 1) == 0:
            return OK
    while _exchange(words, LOCK, 2) != 0:
        if load(words, ABORT) != 0:
            return ABORTED
        sleep_on(words, LOCK, 2)
    return OK


@_compiled
def release(words: Words) -> None:
    """Give the lock back."""
    if _exchange(words, LOCK, 0) == 2:
        wake(words, LOCK, 1)


@_compiled
def take_permit(words: Words, at: int, permits: int, spins: int) -> int:
    """Take one of `permits` of the semaphore at `at`; OK or ABORTED."""
    tries = 0
    while True:
        taken = load(words, at)
        if taken < permits:
            if _swap(words, at, taken, taken + 1) == taken:
                return OK
        elif load(words, ABORT) != 0:
            return ABORTED
        elif tries < spins:
            tries += 1
        else:
            _add(words, at + 1, 1)
            sleep_on(words, at, permits)
            _add(words, at + 1, -1)


@_compiled
def give_permit(words: Words, at: int) -> None:
    """Give a semaphore's permit back."""
    _add(words, at, -1)
    if load(words, at + 1) > 0:
        wake(words, at, 1)


@_compiled
def claim(words: Words, number: int, blocks: int, parts: int) -> tuple[int, int]:
    """Take the next blocks of claim `number`: ``(first, end)``, empty at the end or after an abort.

    With `parts` 0 one block at a time, else half of a fair share (guided). Claims share a few
    words: a word of a later claim means that this one was used up.
    """
    at = CLAIMS + number % CLAIM_SLOTS
    while load(words, ABORT) == 0:
        seen = load(words, at)
        owner = seen >> CLAIM_BITS
        first = seen & ((1 << CLAIM_BITS) - 1) if owner == number else 0
        if owner > number or first >= blocks:
            break
        count = max(1, (blocks - first) // (2 * parts)) if parts else 1
        if _swap(words, at, seen, (number << CLAIM_BITS) + first + count) == seen:
            return first, first + count
    return 0, 0


class Control:
    """One rank's hold on the control block of its team. The parent's rank is -1.

    Parameters
    ----------
    words : ndarray of int64, shape (`Control.size_for(size)`,)
        The block, in shared memory.
    size, rank, cores : int
        With more ranks than cores nobody spins: the one waited for needs the core.
    """

    def __init__(self, words: Words, size: int, rank: int = -1, cores: int = 1) -> None:
        self.words = words.view(np.ndarray)
        self.size = size
        self.spins = SPINS if size <= cores else 0
        self._row = RANKS + LINE * rank

    @staticmethod
    def size_for(size: int) -> int:
        """How many words a team of `size` needs."""
        return RANKS + LINE * (size + 1)

    def reset(self) -> None:
        """Make ready for a job. Only while every rank is idle."""
        self.words[:RANKS] = 0  # claims count from 1: a cleared word belongs to none of them
        lines = self.words[RANKS:].reshape(-1, LINE)
        lines[:, :JOB_DONE] = -1, -1, 0, 0

    def abort(self) -> None:
        """End the job: whoever waits, or comes to wait, raises `Aborted`.

        Sleepers look within a slice. To wake them at once the parent would need compiled code,
        which takes numba 0.4 s to set up in a process.
        """
        self.words[ABORT] = 1

    def check(self) -> None:
        """Raise `Aborted` where the job is over."""
        if self.words[ABORT]:
            raise Aborted

    def at(self, start: int, stop: int) -> None:
        """Note the rows that this rank has in hand."""
        self.words[self._row] = start
        self.words[self._row + 1] = stop

    def rows_of(self, rank: int) -> Rows | None:
        """Return the rows that a rank noted."""
        start, stop = self.words[RANKS + LINE * rank :][:2].tolist()
        return Rows(start, stop) if start >= 0 else None

    def leave(self) -> bool:
        """Note that this rank is out of the program; whether it was the last one."""
        return int(fetch_add(self.words, FINISHED, 1)) == self.size - 1

    def done(self, job: int) -> None:
        """Note that this rank will touch nothing of `job` any more."""
        self.words[self._row + JOB_DONE] = job

    def is_done(self, rank: int, job: int) -> bool:
        """Whether a rank is done with `job`."""
        return bool(self.words[RANKS + LINE * rank + JOB_DONE] == job)

    def barrier(self) -> None:
        """Wait for all ranks."""
        status = barrier(self.words, self.size, self.spins)
        if status == LEFT:
            raise ProgramLeft(
                "expected all ranks at the barrier, another one has returned from the program; "
                "call barrier the same number of times on every rank"
            )
        _raise_if(status)

    @contextmanager
    def lock(self) -> Iterator[None]:
        """Hold the team's one lock."""
        _raise_if(acquire(self.words, self.spins))
        try:
            yield
        finally:
            release(self.words)

    @contextmanager
    def semaphore(self, permits: int) -> Iterator[None]:
        """Hold one of `permits`, from 1 up. Equal numbers mean the same semaphore."""
        # More permits than ranks never block.
        at = RANKS + LINE * min(permits, self.size) + PERMITS_TAKEN
        _raise_if(take_permit(self.words, at, permits, self.spins))
        try:
            yield
        finally:
            give_permit(self.words, at)

    def claim(self, number: int, blocks: int, guided: bool) -> tuple[int, int]:
        """Take blocks of claim `number` (from 1 up): ``(first, end)``, empty at the end."""
        first, end = claim(self.words, number, blocks, self.size if guided else 0)
        if first == end:
            self.check()
        return int(first), int(end)


def _raise_if(status: int) -> None:
    if status != OK:
        raise Aborted
