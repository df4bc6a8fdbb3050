"""From the steps of a job to a chain of stages, with the depths at which results are taken."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from sharedcompute.errors import InputError
from sharedcompute.hdf5.inspection.inspector import open_source
from sharedcompute.hdf5.reading.source import DatasetSource
from sharedcompute.hdf5.rehearsal import read_box
from sharedcompute.operations.declarations import Operation
from sharedcompute.operations.fits.declaration import Iterative
from sharedcompute.operations.kinds import is_address
from sharedcompute.operations.reductions.reduction import Reduction, normal_axes
from sharedcompute.operations.reductions.tally import tallies
from sharedcompute.operations.rowwise.unpacking import as_asked, unpack_stage, unpacked
from sharedcompute.operations.specs import Array, ArraySpec
from sharedcompute.operations.stages import Stage
from sharedcompute.planning.fit import FitPart
from sharedcompute.planning.job import FitStep, Job, MapStep, ReduceStep, Step
from sharedcompute.planning.passes import ReductionOutput, needs, spec_after


class Chain:
    """The stages of a job, lowered step by step.

    Attributes
    ----------
    source : ArraySpec
    given : list of DatasetSource
        The arrays that parameters name by their addresses.
    stages : list of Stage
    depths : dict of int to int
        For each step that gives rows, how many stages lie before them.
    reductions : list of ReductionOutput
        The results of all reductions; where they are saved is not chosen yet.
    fit : FitPart or None
    """

    def __init__(self, job: Job) -> None:
        self.source = ArraySpec(job.source.shape, job.source.dtype)
        self._job = job
        self.given: list[DatasetSource] = []
        self.stages: list[Stage] = []
        self.depths: dict[int, int] = {}
        self.reductions: list[ReductionOutput] = []
        self.fit: FitPart | None = None
        self._scanned = ""
        if self.spec.dtype == np.float16:
            single = np.dtype(np.float32)
            self.stages.append(
                Stage("half to single precision", widen, (), single, elementwise=True)
            )
        if job.decode_cf and isinstance(job.source, DatasetSource):
            stage = unpack_stage(job.source, self.spec.dtype)
            self.stages += [] if stage is None else [stage]
        for number, step in enumerate(job.steps):
            self._add(number, step)

    @property
    def spec(self) -> ArraySpec:
        """Shape and dtype at the end."""
        return self.spec_at(len(self.stages))

    def spec_at(self, depth: int) -> ArraySpec:
        """Return shape and dtype after `depth` stages."""
        return spec_after(self.source, self.stages, depth)

    @property
    def state_nbytes(self) -> tuple[int, int]:
        """Bytes of the reductions' state: what a strip goes through, and what each block keeps."""
        depths = {o.depth for o in self.reductions}
        made = [
            t
            for d in depths
            for t in tallies([o.reduction for o in self.reductions if o.depth == d])
        ]
        needed = sum(self.source.row_size * 24 for _ in needs(tuple(self.stages)))
        used = needed + sum(t.nbytes for t in made)
        if self.fit is not None:
            # Each fit has fresh memory for its states, which is slow: half as many blocks for that.
            used += 2 * self.fit.state_nbytes
        return used, used - sum(t.nbytes for t in made if t.exact)

    def _add(self, number: int, step: Step) -> None:
        """Lower a step."""
        if self.fit is not None:
            raise InputError(f"expected {self.fit.name} as the last step, got steps after it")
        if isinstance(step, FitStep):
            self._add_fit(number, step)
        elif isinstance(step, ReduceStep):
            self._add_reductions(number, step)
        else:
            self._add_rows(number, step)

    def _add_reductions(self, number: int, step: ReduceStep) -> None:
        axes = normal_axes(None if step.over_all else 0, len(self.spec.shape))
        for reduce, params in step.operations:
            reduction = Reduction(reduce, params, self.spec, axes)
            reduction.check()
            self.reductions.append(ReductionOutput(len(self.stages), reduction, step=number))

    def _add_rows(self, number: int, step: MapStep) -> None:
        op = step.operation
        stages = op.stages(self._loaded(op, step.params), self.spec)
        if self._scanned and any(stage.halo for stage in stages):
            raise InputError(
                f"{op.name} needs neighbouring rows and cannot follow {self._scanned} in one job: "
                "write the scan to a file and run it as a second job"
            )
        self._scanned = op.name if op.kind == "scan" else self._scanned
        self.stages += stages
        self.depths[number] = len(self.stages)

    def _add_fit(self, number: int, step: FitStep) -> None:
        """Iterate over the rows here; what the fit gives for each row is one more stage."""
        op = step.operation
        algorithm = op.algorithm(self._loaded(op, step.params), self.spec)
        self.fit = FitPart(op, algorithm, len(self.stages))
        if self.fit.rows is not None:
            self.stages.append(self.fit.rows[1])
            self.depths[number] = len(self.stages)

    def _loaded(self, op: Operation | Iterative, params: Mapping[str, Any]) -> dict[str, Any]:
        """Return the parameters with the arrays that addresses stand for."""
        kinds = {p.name: p.kind for p in op.parameters}
        return {
            name: self._read(value) if is_address(kinds[name], value) else value
            for name, value in params.items()
        }

    def _read(self, address: str) -> Array:
        """Read all of an array that a parameter names, which is an input as any other is."""
        decode_cf = self._job.decode_cf
        source = as_asked(open_source(address, self._job.allow_external), decode_cf)
        self.given.append(source)
        rows = read_box(source, (0,) * source.ndim, source.shape)
        return unpacked(source, rows) if decode_cf else rows


def widen(x: Array, out: Array) -> None:
    """Convert half precision to single: numba has no arithmetic for half."""
    np.copyto(out, x)
