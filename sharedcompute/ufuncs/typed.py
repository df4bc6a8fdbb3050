"""A program as it is computed: constants have dtypes, and what needs no arrays is done."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np

from sharedcompute.ufuncs.functions import COMPARISONS, FUNCTIONS, Array
from sharedcompute.ufuncs.program import Constant, Instruction, Program
from sharedcompute.ufuncs.promotion import DType, Loop, as_operand, fits, within

# What a comparison with an integer that its operand cannot have is replaced by: always true or
# never, as NumPy has it.
ALWAYS, NEVER = "less_equal", "greater"
COPIES = frozenset({"positive", "astype", "real", "conjugate"})
"""Functions that return what they are given, where the dtype is the same and not complex."""


@dataclass(frozen=True)
class Step:
    """A call of a function on numbered values: inputs, constants, results of steps."""

    function: str
    call: Callable[..., Any]
    operands: tuple[int, ...]
    loop: Loop
    in_place: bool


@dataclass(frozen=True)
class Typed:
    """Steps over inputs and typed constants.

    Attributes
    ----------
    inputs : tuple of dtype
        The first values.
    constants : tuple of ndarray
        The values that follow, without axes.
    steps : tuple of Step
        Whose results follow.
    result : int
        The value that is asked for.
    """

    inputs: tuple[DType, ...]
    constants: tuple[Array, ...]
    steps: tuple[Step, ...]
    result: int

    @property
    def dtypes(self) -> tuple[DType, ...]:
        """The dtypes of all values."""
        constants = (constant.dtype for constant in self.constants)
        return (*self.inputs, *constants, *(step.loop.result for step in self.steps))


Value = int | Array
"""An input or the result of a step, counted without the constants; or a constant."""


def type_program(program: Program) -> Typed:
    """Return the steps that a program is computed in."""
    known: list[Value | Constant] = [*range(len(program.inputs)), *program.constants]
    made: list[tuple[Instruction, Loop, list[Value]]] = []
    for instruction, loop in zip(program.instructions, program.loops, strict=True):
        found = [known[operand] for operand in instruction.operands]
        instruction, operands = _give_dtypes(instruction, loop, found)  # noqa: PLW2901
        instruction, operands = _simplify(instruction, operands)  # noqa: PLW2901
        if all(not isinstance(operand, int) for operand in operands):
            known.append(_fold(instruction, operands))
        elif instruction.function in COPIES and _is_copy(program, made, operands[0], loop):
            known.append(operands[0])
        else:
            known.append(len(program.inputs) + len(made))
            made.append((instruction, loop, operands))
    return _number(program.inputs, made, known[-1])


def _give_dtypes(
    instruction: Instruction, loop: Loop, operands: list[Value | Constant]
) -> tuple[Instruction, list[Value]]:
    """Convert constants to the dtypes of a loop."""
    typed: list[Value] = []
    for position, (operand, dtype) in enumerate(zip(operands, loop.operands, strict=True)):
        if not isinstance(operand, Constant):
            typed.append(operand)
            continue
        value = operand.value
        if type(value) is int:
            value = within(instruction.function, position, value, dtype)
            if instruction.function in COMPARISONS and not fits(value, dtype):
                other = operands[1 - position]
                if not isinstance(other, Constant):
                    return _decided(instruction, position, value, (other, dtype))
        typed.append(as_operand(value, dtype))
    return instruction, typed


def _decided(
    instruction: Instruction, position: int, value: int, other: tuple[Value, DType]
) -> tuple[Instruction, list[Value]]:
    """Return a comparison with the greatest integer, in place of one with an integer beyond."""
    compare = FUNCTIONS[instruction.function].call
    outcome = compare(0.0, float(value)) if position else compare(float(value), 0.0)
    operand, dtype = other
    most = as_operand(int(np.iinfo(dtype).max), dtype)
    return Instruction(ALWAYS if outcome else NEVER, instruction.operands), [operand, most]


def _simplify(instruction: Instruction, operands: list[Value]) -> tuple[Instruction, list[Value]]:
    """Multiply by a power of two in place of a division: the bits are the same, and it is faster.

    Both are the exact quotient, rounded once.
    """
    divisor = operands[-1]
    if instruction.function != "divide" or isinstance(divisor, int) or divisor.dtype.kind != "f":
        return instruction, operands
    with np.errstate(all="ignore"):
        mantissa, exponent = np.frexp(divisor)
        limits = np.finfo(divisor.dtype)
        if abs(mantissa) != 0.5 or not limits.minexp + 2 < exponent < limits.maxexp - 2:
            return instruction, operands
        factor = np.asarray(1 / divisor, divisor.dtype)
    return Instruction("multiply", instruction.operands), [operands[0], factor]


def _fold(instruction: Instruction, operands: list[Value]) -> Array:
    with np.errstate(all="ignore"):
        result = FUNCTIONS[instruction.function].call(*operands, **dict(instruction.attributes))
    return as_operand(result, result.dtype)


def _is_copy(
    program: Program,
    made: list[tuple[Instruction, Loop, list[Value]]],
    operand: Value,
    loop: Loop,
) -> bool:
    if not isinstance(operand, int):
        return False
    inputs = len(program.inputs)
    dtype = program.inputs[operand] if operand < inputs else made[operand - inputs][1].result
    return dtype == loop.result and dtype.isnative and dtype.kind in "biuf"


def _number(
    inputs: tuple[DType, ...],
    made: list[tuple[Instruction, Loop, list[Value]]],
    result: Value | Constant,
) -> Typed:
    """Return the steps with numbers for constants, after those of the inputs."""
    constants: dict[tuple[str, bytes], Array] = {}
    for value in [*(value for _, _, operands in made for value in operands), result]:
        if isinstance(value, np.ndarray):
            constants.setdefault((value.dtype.str, value.tobytes()), value)
    places = {key: len(inputs) + place for place, key in enumerate(constants)}

    def number(value: Value | Constant) -> int:
        if isinstance(value, np.ndarray):
            return places[value.dtype.str, value.tobytes()]
        assert isinstance(value, int)
        return value if value < len(inputs) else value + len(constants)

    steps = []
    for instruction, loop, operands in made:
        function = FUNCTIONS[instruction.function]
        attributes = dict(instruction.attributes)
        call = partial(function.call, **attributes) if attributes else function.call
        numbers = tuple(number(operand) for operand in operands)
        steps.append(Step(function.name, call, numbers, loop, function.in_place))
    return Typed(inputs, tuple(constants.values()), tuple(steps), number(result))
