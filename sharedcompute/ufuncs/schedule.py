"""In which order a program is computed on a strip, and where each value stands meanwhile."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from sharedcompute.ufuncs.functions import Array
from sharedcompute.ufuncs.layout import Layout, Spans
from sharedcompute.ufuncs.promotion import DType
from sharedcompute.ufuncs.typed import Step, Typed


@dataclass(frozen=True)
class Operation:
    """One call that fills some values: of a NumPy function, or of a kernel made of several.

    Attributes
    ----------
    call : callable
        A NumPy function, called ``call(*operands, out=result)``; or a kernel, called
        ``call(*operands, *results)``.
    operands, results : tuple of int
        Numbers of values.
    in_place : bool
        Whether the result may stand where an operand stood.
    is_kernel : bool
        Which of the two it is.
    """

    call: Callable[..., Any]
    operands: tuple[int, ...]
    results: tuple[int, ...]
    in_place: bool = False
    is_kernel: bool = False


@dataclass(frozen=True)
class Register:
    """A buffer for values of one dtype that have the same axes."""

    dtype: DType
    spans: Spans


@dataclass
class Schedule:
    """Operations, and the register of each value.

    Attributes
    ----------
    once : list of Operation
        What is the same in all rows; each result has a buffer of its own.
    operations : list of Operation
        What is done for each piece of a strip.
    registers : list of Register
        Buffers for a piece.
    places : dict of int to int
        The register of each value that `operations` compute; -1 is the strip itself.
    spans : list of tuple of bool
        The axes of every value.
    """

    once: list[Operation]
    operations: list[Operation]
    registers: list[Register] = field(default_factory=list)
    places: dict[int, int] = field(default_factory=dict)
    spans: list[Spans] = field(default_factory=list)


Fuse = Callable[[Sequence[int]], list[Operation]]
"""Makes operations of the steps, by their values, whose results have all axes."""


def value_spans(typed: Typed, layout: Layout) -> list[Spans]:
    """Return the axes of each value: those of its operands together."""
    spans = list(layout.spans) + [(False,) * len(layout.shape)] * len(typed.constants)
    for step in typed.steps:
        of_operands = [spans[operand] for operand in step.operands]
        spans.append(tuple(any(axes) for axes in zip(*of_operands, strict=True)))
    return spans


def make_schedule(typed: Typed, layout: Layout, fuse: Fuse | None = None) -> Schedule:
    """Return how a program is computed on strips of a layout.

    Parameters
    ----------
    typed : Typed
        The program.
    layout : Layout
        The axes.
    fuse : callable, optional
        Makes kernels of several steps; without it each step is a call of NumPy.
    """
    spans = value_spans(typed, layout)
    first = len(typed.inputs) + len(typed.constants)
    values = range(first, first + len(typed.steps))
    once = [value for value in values if not spans[value][0]]
    partial = [value for value in values if spans[value][0] and not all(spans[value])]
    whole = [value for value in values if all(spans[value])]
    operations = [call_numpy(typed.steps[value - first], value, spans) for value in partial]
    if fuse:
        operations += fuse(whole)
    else:
        operations += [call_numpy(typed.steps[value - first], value, spans) for value in whole]
    result = typed.result
    if result not in whole:
        result = len(spans)
        operations.append(Operation(_copy, (typed.result,), (result,)))
        spans.append((True,) * len(layout.shape))
    schedule = Schedule(
        [call_numpy(typed.steps[value - first], value, spans) for value in once],
        operations,
        spans=spans,
    )
    _assign(schedule, [*typed.dtypes, typed.dtypes[typed.result]], result)
    return schedule


def call_numpy(step: Step, value: int, spans: Sequence[Spans]) -> Operation:
    """Return the operation that is one step by NumPy."""
    if step.function == "power" and any(spans[step.operands[1]]):
        return Operation(_power, step.operands, (value,), step.in_place)
    return Operation(step.call, step.operands, (value,), step.in_place)


def _power(x: Array, exponents: Array, out: Array) -> None:
    """Raise to powers that differ.

    To a power that is the same for all, some of NumPy's loops have a shorter way and other bits,
    and a single one looks like that to them: so there are always two.
    """
    if out.size == 1:
        np.copyto(out, np.power(np.repeat(x, 2), np.repeat(exponents, 2))[0])
    else:
        np.power(x, exponents, out=out)


def _copy(x: Array, out: Array) -> None:
    np.copyto(out, x, casting="unsafe")


def _assign(schedule: Schedule, dtypes: Sequence[DType], result: int) -> None:
    """Give values registers, so that few are needed; the result's is the strip itself."""
    operations, places = schedule.operations, schedule.places
    last_use = {v: k for k, operation in enumerate(operations) for v in operation.operands}
    free: list[int] = []
    for k, operation in enumerate(operations):
        dying = {v for v in operation.operands if v in places and last_use[v] == k}
        released = [places[value] for value in dying]
        if operation.in_place:
            free += released
        for value in operation.results:
            wanted = Register(dtypes[value], schedule.spans[value])
            found = next((r for r in free if schedule.registers[r] == wanted), None)
            if found is None:
                found = len(schedule.registers)
                schedule.registers.append(wanted)
            else:
                free.remove(found)
            places[value] = found
        if not operation.in_place:
            free += released
    strip = places[result]
    for value, place in places.items():
        places[value] = place - (place > strip) if place != strip else -1
    del schedule.registers[strip]
