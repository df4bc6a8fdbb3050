"""Programs: elementwise expressions as plain data."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from sharedcompute.ufuncs.functions import FUNCTIONS
from sharedcompute.ufuncs.promotion import Attributes, DType, Loop, Scalar, find_loop
from sharedcompute.ufuncs.text import write


@dataclass(frozen=True, eq=False)
class Constant:
    """A number in an expression; Python's numbers are weak.

    Two are equal if they have the same type and the same bits: -0.0 is not 0.0, and NaN is NaN.
    """

    value: Scalar

    @property
    def _key(self) -> tuple[str, str | bytes]:
        value = self.value
        if isinstance(value, np.generic):
            return value.dtype.str, value.tobytes()
        return type(value).__name__, repr(value)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Constant) and self._key == other._key

    def __hash__(self) -> int:
        return hash(self._key)


@dataclass(frozen=True)
class Instruction:
    """One function of values, which are numbered: inputs, constants, results of instructions."""

    function: str
    operands: tuple[int, ...]
    attributes: Attributes = ()


@dataclass(frozen=True)
class Program:
    """An elementwise expression: instructions over inputs and constants.

    The result is that of the last instruction. `Builder` makes one.

    Attributes
    ----------
    inputs : tuple of dtype
        Dtypes of the arrays that it is given.
    constants : tuple of Constant
        Numbers.
    instructions : tuple of Instruction
        Each takes values that come before it.
    """

    inputs: tuple[DType, ...]
    constants: tuple[Constant, ...]
    instructions: tuple[Instruction, ...]

    def __hash__(self) -> int:
        return self._hash

    @cached_property
    def _hash(self) -> int:
        return hash((self.inputs, self.constants, self.instructions))

    def __getstate__(self) -> dict[str, object]:
        # What is derived is not sent: hashes of texts differ between processes.
        return {name: getattr(self, name) for name in ("inputs", "constants", "instructions")}

    def __str__(self) -> str:
        return self.text([f"x{position}" for position in range(len(self.inputs))])

    @property
    def dtype(self) -> DType:
        """The dtype of the result."""
        return self.loops[-1].result

    @cached_property
    def loops(self) -> tuple[Loop, ...]:
        """The dtypes that each instruction computes in."""
        values: list[DType | Scalar] = [*self.inputs, *(c.value for c in self.constants)]
        found = []
        for instruction in self.instructions:
            operands = [values[operand] for operand in instruction.operands]
            loop = find_loop(instruction.function, operands, instruction.attributes)
            found.append(loop)
            values.append(loop.result)
        return tuple(found)

    @property
    def uses_dispatched_functions(self) -> bool:
        """Whether the bits of the result may be others on another processor."""
        return any(
            FUNCTIONS[instruction.function].depends_on_processor(loop.operands)
            for instruction, loop in zip(self.instructions, self.loops, strict=True)
        )

    def text(self, names: Sequence[str]) -> str:
        """Return the expression as one would write it, with a name for each input."""
        constants = [_literal(constant.value) for constant in self.constants]
        calls = [(i.function, i.operands, i.attributes) for i in self.instructions]
        return write([*names, *constants], calls)


def _literal(value: Scalar) -> str:
    """Return a number as text; the dtype of one of NumPy's is part of it."""
    return f"{value.dtype}({value.item()!r})" if isinstance(value, np.generic) else repr(value)


class Builder:
    """Makes a program, a call of a function at a time; equal calls are one.

    Parameters
    ----------
    inputs : sequence of dtype
        Dtypes of the arrays, which are the values 0, 1, 2 ...
    """

    def __init__(self, inputs: Sequence[DType]) -> None:
        self._inputs = tuple(inputs)
        self._made: dict[Constant | Instruction, int] = {}

    def constant(self, value: Scalar) -> int:
        """Return the number of a constant."""
        return self._number(Constant(value))

    def call(self, name: str, *operands: int, attributes: Attributes = ()) -> int:
        """Return the number of the result of a function of `FUNCTIONS`."""
        if name not in FUNCTIONS:
            raise KeyError(f"no elementwise function is called {name}")
        return self._number(Instruction(FUNCTIONS[name].name, operands, attributes))

    def program(self, result: int) -> Program:
        """Return the program whose result is that of a call; what it does not need is left out."""
        made = list(self._made)
        first = len(self._inputs)
        needed = {result}
        for position in range(len(made) - 1, -1, -1):
            entry = made[position]
            if isinstance(entry, Instruction) and first + position in needed:
                needed.update(entry.operands)
        kept = [(first + k, entry) for k, entry in enumerate(made) if first + k in needed]
        constants = [(k, entry) for k, entry in kept if isinstance(entry, Constant)]
        calls = [(k, entry) for k, entry in kept if isinstance(entry, Instruction)]
        if not calls or calls[-1][0] != result:
            raise ValueError("the result of a program is that of a call: call positive for a copy")
        order = [*range(first), *(k for k, _ in constants), *(k for k, _ in calls)]
        number = {old: new for new, old in enumerate(order)}
        return Program(
            self._inputs,
            tuple(entry for _, entry in constants),
            tuple(
                Instruction(c.function, tuple(number[x] for x in c.operands), c.attributes)
                for _, c in calls
            ),
        )

    def _number(self, entry: Constant | Instruction) -> int:
        return self._made.setdefault(entry, len(self._inputs) + len(self._made))
