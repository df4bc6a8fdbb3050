"""Planning and running what gives one row for each row: map and scan."""

from __future__ import annotations

import functools
from collections.abc import Mapping
from dataclasses import replace

import numpy as np

from sharedcompute.api.addresses import dataset_of, output_address
from sharedcompute.api.at_once import at_once, is_small
from sharedcompute.api.inputs import as_source, is_decoded
from sharedcompute.api.into import can_take_rows, check_into
from sharedcompute.api.jobs import make_job, make_plan, run_and_warn
from sharedcompute.api.keywords import check_parameters
from sharedcompute.api.lazy.array import LazyArray
from sharedcompute.api.lazy.opening import open_array
from sharedcompute.api.plans import JobPlan
from sharedcompute.api.settings import Settings
from sharedcompute.api.typing import AddressLike, ArrayInput
from sharedcompute.errors import InputError
from sharedcompute.events import Listener
from sharedcompute.graph.ports import Source
from sharedcompute.hdf5.address import Address
from sharedcompute.operations.declarations import Operation
from sharedcompute.operations.specs import Array
from sharedcompute.planning.job import Job, transform
from sharedcompute.planning.plan import Plan


def map_job(
    op: Operation,
    source: Source,
    output: Address | None,
    settings: Settings,
    params: Mapping[str, object],
) -> Job:
    """Return the job of `map` and `scan`."""
    save = None if output is None else dataset_of(output, source)
    check_parameters(params, (p.name for p in op.parameters))
    return make_job(source, (transform(op, params, save),), output, settings)


def plan_rowwise(
    op: Operation,
    input: ArrayInput,
    output: AddressLike | Array | None,
    settings: Settings,
    params: Mapping[str, object],
) -> JobPlan[Array | LazyArray]:
    """Plan `map` or `scan`."""
    settings = settings.decoding(is_decoded(input))
    source = as_source(input, settings.reading.allow_external, settings.reading.rows)
    if isinstance(output, np.ndarray):
        job = map_job(op, source, None, settings, params)
        if can_take_rows(output, source):
            job = replace(job, into=output)
        plan = make_plan(job, settings)
        last = plan.passes[-1]
        if not last.stores:
            raise InputError(
                "output: expected FILE::PATH, or none, for a variable number of rows, got an array"
            )
        check_into(output, last.stored(last.stores[0]))
        return JobPlan(plan, functools.partial(_run_into, output, plan, settings))
    address = output_address(output, rowwise=True)
    plan = make_plan(map_job(op, source, address, settings, params), settings)
    made = None if address is None else Address(address.file, dataset_of(address, source))
    return JobPlan(plan, functools.partial(_run_rowwise, made, plan, settings))


def run_rowwise(
    op: Operation,
    input: ArrayInput,
    output: AddressLike | Array | None,
    settings: Settings,
    params: Mapping[str, object],
    listen: Listener | None,
) -> Array | LazyArray:
    """Run `map` or `scan`; of a small array without a plan, where that can be."""
    if is_small(input, output, settings, listen):
        found = at_once(map_job(op, as_source(input), None, settings, params))
        if found is not None:
            return found[0, ""]
    return plan_rowwise(op, input, output, settings, params).run(listen=listen)


def _run_into(output: Array, plan: Plan, settings: Settings, listen: Listener) -> Array | LazyArray:
    """Run a plan whose result goes to an array in memory."""
    found: Array = run_and_warn(plan, settings.team, listen).results[0]
    if found is not output:
        np.copyto(output, found)
    return output


def _run_rowwise(
    made: Address | None, plan: Plan, settings: Settings, listen: Listener
) -> Array | LazyArray:
    """Run a plan whose result is returned, or goes to a dataset of a file."""
    found: Array = run_and_warn(plan, settings.team, listen).results[0]
    return found if made is None else open_array(made)
