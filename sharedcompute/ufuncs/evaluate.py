"""Programs on small arrays: NumPy's functions one after the other."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import lru_cache
from typing import Any

import numpy as np

from sharedcompute.ufuncs.functions import Array
from sharedcompute.ufuncs.program import Program
from sharedcompute.ufuncs.typed import type_program


class Evaluation:
    """A program made ready to be evaluated on whole arrays, as often as wanted.

    Parameters
    ----------
    program : Program
        What to compute.
    """

    def __init__(self, program: Program) -> None:
        typed = type_program(program)
        self._constants = typed.constants
        self._calls: list[tuple[Callable[..., Any], tuple[int, ...]]] = [
            (step.call, step.operands) for step in typed.steps
        ]
        self._result = typed.result

    def __call__(self, operands: Sequence[Array]) -> Array:
        """Return the result for operands, which NumPy broadcasts."""
        values: list[Any] = [*operands, *self._constants]
        with np.errstate(all="ignore"):
            for call, numbers in self._calls:
                if len(numbers) == 2:
                    values.append(call(values[numbers[0]], values[numbers[1]]))
                elif len(numbers) == 1:
                    values.append(call(values[numbers[0]]))
                else:
                    values.append(call(*[values[number] for number in numbers]))
        return np.asarray(values[self._result])


def evaluate(program: Program, operands: Sequence[Array]) -> Array:
    """Return the result of a program on whole arrays, as NumPy computes it.

    Parameters
    ----------
    program : Program
        What to compute.
    operands : sequence of ndarray
        Of the dtypes of its inputs, and of shapes that broadcast.
    """
    return _evaluation(program)(operands)


_evaluation = lru_cache(maxsize=256)(Evaluation)
