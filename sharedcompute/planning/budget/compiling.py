"""What a job has to compile: a process that does so takes more memory than one that loads code."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cache, lru_cache
from importlib import metadata

import numpy as np

from sharedcompute.graph.node import Elementwise, Node
from sharedcompute.graph.ports import Source
from sharedcompute.kernels.known import is_known, note
from sharedcompute.operations.fingerprint import fingerprint
from sharedcompute.operations.reductions.tally import Tally
from sharedcompute.operations.stages import is_ours
from sharedcompute.planning.grouped import plain
from sharedcompute.planning.passes import Operand, Pass, Step
from sharedcompute.traits import Traits
from sharedcompute.ufuncs.kernel import Kernel

EXPRESSION_BYTES = 10_000_000
"""What compiling a kernel of elementwise functions leaves in the process that does it."""

ROW_REDUCTION_BYTES = 54_000_000
"""The same of a reduction of each row."""

STAGE_BYTES = 36_000_000
"""The same of any other kernel for rows."""

VARIANCE_BYTES = 62_000_000
"""The same of deviations from the mean, which call ten kernels."""

TALLY_BYTES = 26_000_000
"""The same of any other reduction over rows."""

CODEC_BYTES = 45_000_000
"""The same of what decodes or encodes chunks, or converts numbers as they are stored."""

SERVER_BYTES = 130_000_000
"""The same of what teams synchronise with, in the process that runs the job and in the server that
forks workers: measured 36 and 83 MB."""

WORKER_BYTES = 48_000_000
"""The same in each worker, which compiles nothing but a user's kernels: 45 MB."""


@dataclass(frozen=True)
class Piece:
    """A part of a job's code.

    Parameters
    ----------
    text : str
        All that decides what numba compiles for it.
    nbytes : int
        What compiling it takes.
    """

    text: str
    nbytes: int

    @property
    def is_known(self) -> bool:
        """Whether it was compiled before."""
        return is_known(self.text)


TEAM = Piece("teams", SERVER_BYTES)


@dataclass(frozen=True)
class Code:
    """The code that a job runs.

    Parameters
    ----------
    pieces : tuple of Piece
        Of our own code.
    foreign : int
        How many kernels are a user's: of these nothing is known.
    beside : int
        What it takes to compile the rest of our code.
    """

    pieces: tuple[Piece, ...]
    foreign: int = 0
    beside: int = 0

    def nbytes(self, traits: Traits, workers: int) -> int:
        """Return what it takes to compile what was not compiled before, in all processes.

        Parameters
        ----------
        traits : Traits
            Of the engine.
        """
        taken = sum(piece.nbytes for piece in self._all(traits) if not piece.is_known)
        taken += self.beside + self.foreign * STAGE_BYTES
        return taken + (workers * WORKER_BYTES if traits.processes and self.foreign else 0)

    def note(self, traits: Traits) -> None:
        """Note that it ran to its end, and is compiled."""
        for piece in self._all(traits):
            note(piece.text)

    def _all(self, traits: Traits) -> tuple[Piece, ...]:
        return (*self.pieces, TEAM) if traits.processes else self.pieces


def code_of(passes: Sequence[Pass], whole: Iterable[Node], *, fits: bool) -> Code:
    """Return the code of passes, and of what is computed as a whole between them.

    Parameters
    ----------
    fits : bool
        Something is iterated beside them, whose kernels are not among theirs.
    """
    found = [_of_node(node) for node in whole if isinstance(node.op, Elementwise)]
    for work in passes:
        found += _of_pass(work)
    pieces = {piece.text: piece for piece in found}
    foreign = sum(not is_ours(step.stage.kernel) for work in passes for step in work.calls)
    foreign += sum(not is_ours(t.partial.kernel) for work in passes for _, t in work.tallies)
    return Code(tuple(pieces.values()), foreign, VARIANCE_BYTES if fits else 0)


def piece_of(nbytes: int, *decides: object) -> Piece:
    """Return a piece, of this version of the package."""
    return Piece(repr((_version(), *decides)), nbytes)


@cache
def _version() -> str:
    return metadata.version("sharedcompute")


def _code_of(kernel: object) -> str:
    """Return what tells the code of a kernel from another's; ours does not change in a process."""
    try:
        return _fingerprint(kernel)
    except TypeError:  # it has no hash
        return fingerprint(kernel)


@lru_cache(maxsize=1024)
def _fingerprint(kernel: object) -> str:
    return fingerprint(kernel)


def _of_node(node: Node) -> Piece:
    given = [(i.spec.shape, i.spec.dtype.str) for i in node.inputs]
    return piece_of(EXPRESSION_BYTES, node.op, given, node.spec.shape, node.spec.dtype.str)


def _of_pass(work: Pass) -> Iterator[Piece]:
    """Yield what decides the types of all kernels of a pass; the number of rows does not."""
    for feed in map(plain, work.feeds):
        if getattr(feed, "filters", ()) or getattr(feed, "parts", ()):
            yield _of_feed(feed)
    for step in work.calls:
        if is_ours(step.stage.kernel):
            yield _of_step(work, step)
    for _, tally in work.tallies:
        if is_ours(tally.partial.kernel):
            yield _of_tally(tally)
    for store in work.stores:
        filters = getattr(store.sink, "filters", ())
        if filters:
            yield piece_of(CODEC_BYTES, "encoding", work.spec(store.value).dtype.str, filters)


def _of_feed(feed: Source) -> Piece:
    filters, parts = getattr(feed, "filters", ()), bool(getattr(feed, "parts", ()))
    return piece_of(CODEC_BYTES, "decoding", feed.read_path, feed.dtype.str, filters, parts)


def _of_step(work: Pass, step: Step) -> Piece:
    specs = [work.spec(value) for value in step.inputs] + list(step.specs)
    rows = [(spec.shape[1:], spec.dtype.str) for spec in specs]
    operands = [_of_operand(operand) for operand in step.operands]
    nbytes = EXPRESSION_BYTES if isinstance(step.stage.kernel, Kernel) else STAGE_BYTES
    if len(step.specs[0].shape) < len(work.spec(step.inputs[0]).shape):
        nbytes = ROW_REDUCTION_BYTES
    return piece_of(nbytes, _code_of(step.stage.kernel), rows, operands, step.stage.matrix)


def _of_operand(operand: Operand) -> tuple[object, ...]:
    value = operand.value
    if isinstance(value, np.ndarray):
        return value.shape, value.dtype.str
    return bool(operand.key), type(value).__name__, operand.per_block


def _of_tally(tally: Tally) -> Piece:
    kernel = tally.partial.kernel
    deviates = "variances" in str(getattr(kernel, "__module__", ""))
    nbytes = VARIANCE_BYTES if deviates else TALLY_BYTES
    rows = (tally.row, tally.dtype.str, tally.axes)
    return piece_of(nbytes, _code_of(kernel), tally.skipna, rows, tally.running)
