"""Groups of steps that become one compiled kernel each."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from sharedcompute.ufuncs.compiled import compile_kernel
from sharedcompute.ufuncs.layout import Spans
from sharedcompute.ufuncs.schedule import Operation, call_numpy
from sharedcompute.ufuncs.sources import CLIP_TO_NUMBERS, conversion, expression
from sharedcompute.ufuncs.typed import Step, Typed


@dataclass(frozen=True)
class Fusion:
    """Makes kernels of steps that numba does to NumPy's bits, and calls of NumPy of the others.

    Attributes
    ----------
    typed : Typed
        The program.
    spans : sequence of tuple of bool
        The axes of each value.
    """

    typed: Typed
    spans: Sequence[Spans]

    def __call__(self, whole: Sequence[int]) -> list[Operation]:
        """Return operations for the steps that have these values, in an order that works."""
        operations: list[Operation] = []
        for group in self._groups(whole):
            if self._pays(group):
                operations.append(self._kernel(group))
            else:
                operations += [call_numpy(self._step(v), v, self.spans) for v in group]
        return operations

    def _step(self, value: int) -> Step:
        return self.typed.steps[value - len(self.typed.inputs) - len(self.typed.constants)]

    def _name(self, step: Step) -> str:
        """Return a function's name in the table of sources."""
        first = len(self.typed.inputs)
        numbers = self.typed.constants
        bounds = [x - first for x in step.operands[1:] if 0 <= x - first < len(numbers)]
        if step.function != "clip" or len(bounds) < 2:
            return step.function
        # By a bound that is NaN all are NaN.
        return step.function if any(numbers[k] != numbers[k] for k in bounds) else CLIP_TO_NUMBERS

    def _groups(self, whole: Sequence[int]) -> list[list[int]]:
        """Return the steps in groups, each after those that it needs.

        Along every path of steps the kind alternates: those that can be fused are in a group with
        all that are as many changes of kind behind the inputs, if they have to do with each other.
        """
        levels: dict[int, tuple[int, bool]] = {}
        for value in whole:
            fusable = self._is_fusable(value)
            before = [levels[x] for x in self._step(value).operands if x in levels]
            level = max((n + (f != fusable) for n, f in before), default=0)
            levels[value] = level, fusable
        groups: list[list[int]] = []
        for level in range(1 + max((n for n, _ in levels.values()), default=-1)):
            groups += [[v] for v in whole if levels[v] == (level, False)]
            groups += self._connected([v for v in whole if levels[v] == (level, True)])
        return groups

    def _connected(self, values: Sequence[int]) -> list[list[int]]:
        """Return the groups of steps that use each other's results, or the same arrays."""
        groups: list[tuple[set[int], list[int]]] = []
        for value in values:
            arrays = {value, *(x for x in self._step(value).operands if all(self.spans[x]))}
            members = [value]
            for group in [group for group in groups if group[0] & arrays]:
                groups.remove(group)
                arrays |= group[0]
                members = group[1] + members
            groups.append((arrays, members))
        return [sorted(members) for _, members in groups]

    def _is_fusable(self, value: int) -> bool:
        step, dtypes = self._step(value), self.typed.dtypes
        pairs = zip(step.operands, step.loop.operands, strict=True)
        wanted = step.loop.result if step.function == "astype" else None
        return expression(self._name(step), step.loop) is not None and all(
            conversion("", dtypes[operand], wanted or dtype) is not None for operand, dtype in pairs
        )

    def _pays(self, group: Sequence[int]) -> bool:
        """Return whether a kernel is faster than NumPy: it is for two steps, and for a choice."""
        if not self._is_fusable(group[0]):
            return False
        return len(group) > 1 or self._step(group[0]).function == "where"

    def _kernel(self, group: Sequence[int]) -> Operation:
        operands, results = self._arguments(group)
        source = self._source(group, operands, results)
        dtypes, axes = self.typed.dtypes, len(self.spans[0])
        kernel = compile_kernel(
            source,
            tuple((dtypes[x], axes if any(self.spans[x]) else 0) for x in operands),
            tuple((dtypes[x], axes) for x in results),
        )
        return Operation(kernel, tuple(operands), tuple(results), is_kernel=True)

    def _arguments(self, group: Sequence[int]) -> tuple[list[int], list[int]]:
        """Return the values that a group needs, and those that others need of it."""
        used = {x for value in group for x in self._step(value).operands}
        first = len(self.typed.inputs) + len(self.typed.constants)
        elsewhere = {
            x
            for place, step in enumerate(self.typed.steps)
            if first + place not in group
            for x in step.operands
        }
        needed = elsewhere | {self.typed.result}
        return sorted(used.difference(group)), [value for value in group if value in needed]

    def _source(self, group: Sequence[int], operands: Sequence[int], results: Sequence[int]) -> str:
        """Return loops over the axes of a piece; an operand is loaded where it changes."""
        axes = len(self.spans[0])
        names = {x: f"v{n}" for n, x in enumerate([*operands, *group])}
        loads: list[list[str]] = [[] for _ in range(axes + 1)]
        for n, operand in enumerate(operands):
            spans = self.spans[operand]
            depth = max((axis + 1 for axis in range(axes) if spans[axis]), default=0)
            loads[depth].append(f"{names[operand]} = x{n}[{_index(spans)}]")
        stores = [f"o{n}[{_index((True,) * axes)}] = {names[x]}" for n, x in enumerate(results)]
        loads[axes] += [*(self._line(value, names) for value in group), *stores]
        lines = list(_indented(loads[0], 1))
        for axis in range(axes):
            lines.append("    " * (axis + 1) + f"for p{axis} in range(o0.shape[{axis}]):")
            lines += _indented(loads[axis + 1], axis + 2)
        arguments = [f"x{n}" for n in range(len(operands))] + [f"o{n}" for n in range(len(results))]
        return f"({', '.join(arguments)}):\n" + "\n".join(lines) + "\n"

    def _line(self, value: int, names: dict[int, str]) -> str:
        """Return the statement that computes one step."""
        step, dtypes = self._step(value), self.typed.dtypes
        if step.function == "astype":
            (operand,) = step.operands
            converted = conversion(names[operand], dtypes[operand], step.loop.result)
            return f"{names[value]} = {converted}"
        given = [
            conversion(names[operand], dtypes[operand], dtype)
            for operand, dtype in zip(step.operands, step.loop.operands, strict=True)
        ]
        template = expression(self._name(step), step.loop)
        assert template is not None
        return f"{names[value]} = {template.format(*given)}"


def _index(spans: Spans) -> str:
    if not any(spans):
        return "()"
    return ", ".join(f"p{axis}" if whole else "0" for axis, whole in enumerate(spans))


def _indented(lines: Iterable[str], depth: int) -> list[str]:
    return ["    " * depth + line for line in lines]
