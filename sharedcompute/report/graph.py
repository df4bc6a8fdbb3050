"""The passes of a plan as a graph of named values, for text and for pictures."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from sharedcompute.graph.node import Gather, Read, Reduce
from sharedcompute.graph.ports import Source
from sharedcompute.graph.text import free, input_names, inputs_of, text
from sharedcompute.operations.specs import ArraySpec
from sharedcompute.planning.grouped import plain
from sharedcompute.planning.passes import Pass, Step, Store
from sharedcompute.planning.plan import Plan
from sharedcompute.planning.planned import Computed, Decoded
from sharedcompute.ufuncs.kernel import Kernel


@dataclass(frozen=True)
class Value:
    """A value of a pass: rows, or the result of a reduction.

    Parameters
    ----------
    name : str
    label : str
        What makes it.
    text : str
        The same with the names of its inputs.
    spec : ArraySpec
    inputs : tuple of str
        The names of the values that it is computed from.
    halo : int
    mode : str
        How rows are extended beyond the edges.
    """

    name: str
    label: str
    text: str
    spec: ArraySpec
    inputs: tuple[str, ...] = ()
    halo: int = 0
    mode: str = ""


@dataclass(frozen=True)
class DrawnPass:
    """A pass: what it reads, computes, keeps, reduces and gathers."""

    purpose: str
    feeds: tuple[Value, ...]
    steps: tuple[Value, ...]
    kept: tuple[tuple[Store, Value], ...]
    reduced: tuple[Value, ...]
    gathered: tuple[Value, ...] = ()


@dataclass(frozen=True)
class DrawnPlan:
    """A plan.

    Parameters
    ----------
    inputs : tuple of (str, Source)
        All that is read, by name.
    passes : tuple of DrawnPass
    after : tuple of Value
        Values that are computed from the results of passes at the end.
    named : bool
        The user calls an input by a name.
    branches : bool
        Its steps do not simply follow each other, so that values need names.
    """

    inputs: tuple[tuple[str, Source], ...]
    passes: tuple[DrawnPass, ...]
    after: tuple[Value, ...]
    named: bool
    branches: bool


def draw(plan: Plan) -> DrawnPlan:
    """Return the passes of a plan with names for all values."""
    return _Names(plan).drawn()


class _Names:
    """Names for the values of a plan; the same for the same value in several passes."""

    def __init__(self, plan: Plan) -> None:
        self._plan = plan
        reads = inputs_of(plan.result_nodes)
        # By the keys of nodes: what is read, and what is reduced.
        self._nodes = input_names(reads)
        self._inputs = list(zip(self._nodes.values(), plan.inputs, strict=True))
        self._sources = {id(source): name for name, source in self._inputs}
        self._named = any(n.op.name for n in reads if isinstance(n.op, Read))
        self._made: dict[str, str] = {}

    def drawn(self) -> DrawnPlan:
        """Return the plan."""
        passes = tuple(map(self._pass, self._plan.passes))
        after = tuple(
            Value("", "", text(small.node, self._nodes), small.node.spec)
            for small in self._plan.smalls
            if not isinstance(small.node.op, Reduce | Gather)
        )
        return DrawnPlan(tuple(self._inputs), passes, after, self._named, self._branches)

    @property
    def _branches(self) -> bool:
        return (
            self._named
            or len(self._inputs) > 1
            or any(
                step.inputs != (step.result - 1,)
                for work in self._plan.passes
                for step in work.steps
            )
        )

    def _pass(self, work: Pass) -> DrawnPass:
        values = [
            Value(self._feed(feed), "read", "", work.spec(n)) for n, feed in enumerate(work.feeds)
        ]
        feeds = tuple(values)
        for step in work.steps:
            values += self._results(step, values)
        reduced = tuple(self._reduced(o.key, values[o.value]) for o in work.reductions)
        kept = tuple(
            (store, replace(values[store.value], spec=work.stored(store))) for store in work.stores
        )
        gathered = tuple(v for g in work.gathers for v in self._results(g.step, values))
        steps = tuple(values[len(feeds) :])
        return DrawnPass(work.purpose, feeds, steps, kept, reduced, gathered)

    def _feed(self, feed: Source) -> str:
        if isinstance(feed, Computed):
            return text(self._plan.whole[feed.key], self._nodes)
        feed = plain(feed)
        return self._sources[id(feed.source if isinstance(feed, Decoded) else feed)]

    def _results(self, step: Step, values: Sequence[Value]) -> list[Value]:
        inputs = [values[number].name for number in step.inputs]
        wholes = [self._operand(operand.key) for operand in step.operands if operand.key]
        stage = step.stage
        if isinstance(stage.kernel, Kernel):
            written = stage.kernel.program.text([*inputs, *wholes])
        else:
            written = f"{stage.label}({', '.join([*inputs, *wholes])})"
        found = []
        for number, spec in enumerate(step.specs):
            which = f"{written}[{number}]" if len(step.specs) > 1 else written
            name = self._made.get(which) or self._free("t")
            self._made[which] = name
            label = stage.label
            given = (*inputs, *wholes)
            found.append(Value(name, label, which, spec, given, stage.halo, stage.mode))
        return found

    def _free(self, prefix: str) -> str:
        """Return a name for a value that no other has."""
        return free(prefix, 1, {*self._nodes.values(), *self._made.values()})

    def _operand(self, key: str) -> str:
        node = self._plan.whole.get(key)
        return self._nodes.get(key) or ("" if node is None else text(node, self._nodes))

    def _reduced(self, key: str, value: Value) -> Value:
        node = self._plan.whole[key]
        op = node.op
        assert isinstance(op, Reduce)
        name = self._nodes.get(key) or self._free("r")
        self._nodes[key] = name
        every = len(op.axes) == len(node.inputs[0].spec.shape)
        axes = str(op.axes[0]) if len(op.axes) == 1 else str(op.axes)
        over = "all elements" if every else "rows" if op.axes == (0,) else f"axes {axes}"
        called = f"{op.operation.name}({value.name}, axis={None if every else axes})"
        return Value(name, f"{op.operation.name} over {over}", called, node.spec, (value.name,))
