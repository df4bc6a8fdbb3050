"""Cutting a chain of stages into passes: one for each depth at which a reduction is needed."""

from __future__ import annotations

from dataclasses import dataclass

from sharedcompute.graph.ports import Source
from sharedcompute.operations.catalogue import find
from sharedcompute.operations.declarations import Reduce
from sharedcompute.operations.parameters import bind
from sharedcompute.operations.reductions.reduction import Reduction
from sharedcompute.operations.stages import Carry, Needed, Stage
from sharedcompute.planning.fit import FitPart
from sharedcompute.planning.passes import Pass, ReductionOutput, Store, needs, spec_after
from sharedcompute.rows import Blocks


@dataclass(frozen=True)
class Frame:
    """What all passes of a plan share."""

    source: Source
    stages: tuple[Stage, ...]
    blocks: Blocks
    strip: int

    def passes(
        self,
        stores: tuple[Store, ...],
        reductions: tuple[ReductionOutput, ...],
        purpose: str,
        fit: FitPart | None,
    ) -> tuple[Pass, ...]:
        """Return the passes that compute what stages need, and the one that gives the results.

        Parameters
        ----------
        stores, reductions : tuple
            The results.
        fit : FitPart or None
            What is iterated before the last pass.
        """
        found = self._preludes()
        depths = [0, *(s.depth for s in stores), *(r.depth for r in reductions)]
        depth = max(depths if fit is None else [*depths, fit.depth])
        last = self._pass(depth, stores, reductions, purpose, len(found) + 1)
        return (*found, last)

    def _preludes(self) -> list[Pass]:
        """Return a pass for each depth at which something is needed.

        Needs at one depth share a pass. One that lies deeper needs the results of those before.
        """
        wanted = needs(self.stages)
        found: list[Pass] = []
        for depth in sorted({i for i, _ in wanted}):
            here = [a for i, a in wanted if i == depth]
            reductions = tuple(
                ReductionOutput(depth, self._reduction(depth, a), argument=a) for a in here
            )
            names = ", ".join(dict.fromkeys(a.reduction for a in here))
            purpose = f"{names} for {self.stages[depth].label}"
            found.append(self._pass(depth, (), reductions, purpose, len(found) + 1))
        return found

    def _pass(
        self,
        depth: int,
        stores: tuple[Store, ...],
        reductions: tuple[ReductionOutput, ...],
        purpose: str,
        number: int,
    ) -> Pass:
        """Return a pass over the stages whose rows are stored, reduced or iterated over."""
        stages = self.stages[:depth]
        return Pass(
            self.source,
            stages,
            stores,
            reductions,
            self.blocks,
            self.strip,
            purpose,
            section=str(number),
        )

    def _reduction(self, depth: int, argument: Needed | Carry) -> Reduction:
        op = find(argument.reduction, "reduce")
        assert isinstance(op, Reduce)
        params = bind(op.name, op.parameters, {"skipna": argument.skipna})
        spec = spec_after(self.source, self.stages, depth)
        return Reduction(op, params, spec, running=isinstance(argument, Carry))
