"""Storing lazy arrays in datasets of files."""

from __future__ import annotations

import functools
import os
from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np

from sharedcompute.api.addresses import output_address
from sharedcompute.api.into import can_take_rows, check_into
from sharedcompute.api.jobs import make_job, make_plan, run_and_warn
from sharedcompute.api.lazy.array import LazyArray
from sharedcompute.api.lazy.opening import open_array
from sharedcompute.api.lazy.operands import node_of, node_of_array
from sharedcompute.api.lazy.running import plan_of, ready
from sharedcompute.api.plans import JobPlan
from sharedcompute.api.settings import Settings
from sharedcompute.errors import InputError
from sharedcompute.events import Listener
from sharedcompute.graph.node import Node
from sharedcompute.hdf5.address import Address
from sharedcompute.operations.specs import Array
from sharedcompute.planning.job import ExpressionStep
from sharedcompute.planning.plan import Plan
from sharedcompute.planning.planned import Expression

Wanted = tuple[str, Address, Node]
"""A name that a user gave, the address that it is, and what is stored there."""


def plan_store(outputs: Mapping[str, object], settings: Settings) -> JobPlan[dict[str, LazyArray]]:
    """Plan to store arrays in datasets of one file.

    Raises
    ------
    InputError
        There are none, or they are of several files.
    """
    if not isinstance(outputs, Mapping) or not outputs:
        raise InputError(
            f"expected a dict of arrays by the addresses of their datasets, got {outputs!r}"
        )
    wanted = [_wanted(name, array) for name, array in outputs.items()]
    file = wanted[0][1].file
    for _, address, _ in wanted:
        if os.path.realpath(address.file) != os.path.realpath(file):
            raise InputError(
                f"expected datasets of one file, got {file} and {address.file}: store those of "
                "each file by themselves"
            )
    nodes = ready([node for _, _, node in wanted], settings, None)
    saved = [(node, address.path) for node, (_, address, _) in zip(nodes, wanted, strict=True)]
    plan = plan_of(saved, Address(file), settings)
    return JobPlan(plan, functools.partial(_run, wanted, plan, settings))


def store_into(node: Node, output: Array, settings: Settings, listen: Listener | None) -> LazyArray:
    """Compute a node into an array in memory, and return that as a lazy array.

    Raises
    ------
    InputError
        It has another shape or dtype, or an option of files is given.
    """
    (node,) = ready([node], settings, listen)
    check_into(output, node.spec)
    step = ExpressionStep(node, None)
    job = make_job(None, (step,), None, settings)
    if can_take_rows(output, Expression(node)):
        job = replace(job, into=output)
    found = run_and_warn(make_plan(job, settings), settings.team, listen).results[0]
    if found is not output:
        np.copyto(output, found)
    return LazyArray(node_of_array(output))


def _wanted(name: str, array: object) -> Wanted:
    address = output_address(name)
    assert address is not None
    if address.path is None or address.path == "/":
        raise InputError(f"expected FILE::PATH, the address of a dataset, got {name}")
    return name, address, node_of(array)


def _run(
    wanted: Sequence[Wanted], plan: Plan, settings: Settings, listen: Listener
) -> dict[str, LazyArray]:
    found = run_and_warn(plan, settings.team, listen).results
    return {
        # A single number cannot be opened; it is at hand.
        name: open_array(address) if node.spec.shape else LazyArray(node_of_array(value))
        for (name, address, node), value in zip(wanted, found, strict=True)
    }
