"""Plans and runs for programs, as plain data."""

from __future__ import annotations

from sharedcompute.planning.job import Job
from sharedcompute.planning.plan import Plan
from sharedcompute.planning.structure import Repack
from sharedcompute.report.arrays import place, sampled
from sharedcompute.report.totals import Totals


def plan_record(plan: Plan) -> dict[str, object]:
    """Return a plan for a program, for ``--dry-run --json``."""
    task, out = plan.task, plan.task.output
    described = _job_record(plan) if isinstance(task, Job) else _repack_record(plan, task)
    return {
        **described,
        "memory": plan.projection.memory,
        "disk": plan.projection.disk,
        "output": None if out is None else str(out.address),
    }


def _job_record(plan: Plan) -> dict[str, object]:
    first = plan.inputs[0]
    return {
        "input": place(first),
        "inputs": [place(source) for source in plan.inputs],
        "shape": list(first.shape),
        "dtype": str(first.dtype),
        "read_path": first.read_path,
        "load": plan.loads[0].into if plan.loads else None,
        "passes": [work.purpose for work in plan.passes],
        "blocks": len(plan.blocks),
        "block_rows": plan.blocks.rows * plan.passes[-1].unit,
        "strip_rows": plan.passes[-1].strip * plan.passes[-1].unit,
        "engine": plan.engine,
        "workers": plan.workers,
        "threads": plan.options.threads,
        "schedule": plan.options.schedule,
    }


def _repack_record(plan: Plan, repack: Repack) -> dict[str, object]:
    return {
        "input": str(repack.address),
        "datasets": [
            {
                "path": recoding.source.path,
                "read_path": recoding.source.read_path,
                "chunks": list(recoding.storage.chunks) if recoding.storage.chunks else None,
                "filters": [step.name for step in recoding.storage.filters],
                "load": recoding.load,
                "boxes": len(recoding.boxes),
                "checked": sampled(plan.samples.get(at)),
            }
            for at, recoding in plan.recodings.items()
        ],
        "copied": list(repack.copied),
        "engine": plan.engine,
        "workers": plan.workers,
    }


def run_record(plan: Plan, totals: Totals, seconds: float) -> dict[str, object]:
    """Return a plan and its run for a program, for ``--json``."""
    return {**plan_record(plan), **done_record(totals, seconds)}


def done_record(totals: Totals, seconds: float) -> dict[str, object]:
    """Return what a run took."""
    return {
        "bytes_read": totals.nbytes,
        "seconds": seconds,
        "bytes_per_second": totals.nbytes / seconds if seconds else 0.0,
        "worker_seconds": totals.seconds,
        "start_seconds": totals.start_seconds,
        "parallel_seconds": totals.parallel_seconds,
        "restored_blocks": totals.restored,
        "workers_replaced": totals.replaced,
    }
