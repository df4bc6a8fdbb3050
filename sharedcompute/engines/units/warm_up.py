"""Compiling kernels and codecs here, before the workers ask for them."""

from __future__ import annotations

import functools
from dataclasses import replace

import numpy as np

from sharedcompute.engines.engine import undeliverable
from sharedcompute.engines.units.block import BlockRunner
from sharedcompute.engines.units.ports import state_ports
from sharedcompute.hdf5.filters import decode, encode
from sharedcompute.hdf5.filters.pipeline import Pipeline
from sharedcompute.hdf5.reading.stored import Part
from sharedcompute.operations.specs import Array, Kernel, State
from sharedcompute.operations.stages import is_ours
from sharedcompute.planning.in_memory import ArraySource
from sharedcompute.planning.passes import Pass, Step, Store
from sharedcompute.rows import Blocks


def warm_up_coding(source: object, *targets: object) -> None:
    """Compile here what workers will code chunks with: N workers compile nothing then.

    Each that compiled took 45 MB for it.
    """
    decoding: Pipeline = getattr(source, "filters", ())
    parts: tuple[Part, ...] = getattr(getattr(source, "whole", source), "parts", ())
    decode.warm_up(decoding)
    for part in parts:
        if part.unpacking is not None:
            part.unpacking.of(np.empty((0, *part.source_shape[1:]), part.source.dtype))
    for target in targets:
        encoding: Pipeline = getattr(target, "filters", ())
        encode.warm_up(encoding)


def warm_up(work: Pass) -> None:
    """Compile the kernels of a pass in this process, on one made-up row.

    Then they are in numba's cache when the workers ask: N workers compile nothing, and cannot race.
    """
    work = replace(work, steps=tuple(map(_callable, work.steps)))
    feeds = (np.zeros((1, *feed.shape[1:]), feed.dtype) for feed in work.feeds)
    wanted = [s.value for s in work.stores] + [v for g in work.gathers for v in g.step.inputs]
    small = replace(
        work,
        feeds=tuple(map(ArraySource, feeds)),
        stores=tuple(Store(value, _Nowhere()) for value in wanted),
        gathers=(),
        blocks=Blocks(1, 1),
        strip=1,
    )
    states = [t.states(1, np.empty) for _, t in work.tallies]
    runner = BlockRunner(small, state_ports(small, states, 0), undeliverable)
    # The made-up row need not suit a user's kernel; what is wrong with it, a worker will report.
    try:
        runner.run(0)
        for (_, tally), state in zip(work.tallies, states, strict=True):
            first: State = {name: s[0] for name, s in state.items()}
            tally.combine(first, {name: s.copy() for name, s in first.items()})
    except Exception:  # noqa: BLE001
        return
    finally:
        runner.close()


def _callable(step: Step) -> Step:
    """Return the step with a kernel that may be called on a made-up row."""
    if _is_cached(step.stage.kernel):
        return step
    zeros = functools.partial(_zeros, len(step.inputs), len(step.specs))
    return replace(step, stage=replace(step.stage, kernel=zeros, returns=False))


def _zeros(first: int, count: int, *args: Array) -> None:
    """Stand in for a kernel that is not to be called on a made-up row."""
    for out in args[first : first + count]:
        out[...] = 0


def _is_cached(kernel: Kernel) -> bool:
    """Return whether workers find the kernel in numba's cache once it is compiled here.

    Ours are. A user's plain function is not called on rows that are made up.
    """
    inner: object = getattr(kernel, "func", kernel)
    found: object = getattr(inner, "_cache", None)
    cache = type(found).__name__
    return is_ours(kernel) or cache in ("FunctionCache", "CheckedCache")


class _Nowhere:
    """A sink for the made-up row."""

    row_alignment = 1

    def open(self) -> _Nowhere:
        return self

    def write(self, _start: int, _rows: Array) -> tuple[()]:
        return ()

    def close(self) -> None:
        return
