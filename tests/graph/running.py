"""Graphs of nodes run as jobs."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import sharedcompute as sc
from sharedcompute.api.jobs import make_job, make_plan, run_and_warn
from sharedcompute.api.settings import Settings
from sharedcompute.events import Listener
from sharedcompute.graph.node import Node
from sharedcompute.hdf5.address import Address
from sharedcompute.planning.job import ExpressionStep
from sharedcompute.planning.plan import Plan


def plan_of(
    nodes: Sequence[Node], out: Path | None = None, team: sc.Team | None = None, **how: Any
) -> Plan:
    """Plan a job whose results are some nodes: in memory, or the datasets r0, r1 ... of a file."""
    settings = Settings.of(how, team)
    steps = tuple(
        ExpressionStep(node, None if out is None else f"/r{number}")
        for number, node in enumerate(nodes)
    )
    address = None if out is None else Address(str(out))
    job = make_job(None, steps, address, settings)  # type: ignore[arg-type]
    return make_plan(job, settings)


def run(
    nodes: Sequence[Node],
    out: Path | None = None,
    team: sc.Team | None = None,
    listen: Listener | None = None,
    **how: Any,
) -> tuple[Any, ...]:
    """Run such a job, and return the results."""
    return run_plan(plan_of(nodes, out, team, **how), team, listen)


def run_plan(
    plan: Plan, team: sc.Team | None = None, listen: Listener | None = None
) -> tuple[Any, ...]:
    """Run such a plan, and return the results."""
    return run_and_warn(plan, team, listen).results
