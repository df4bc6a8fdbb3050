"""Planning and running maps of several inputs and outputs, and of functions that return."""

from __future__ import annotations

import functools
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from sharedcompute.api.addresses import output_address
from sharedcompute.api.inputs import as_source, is_decoded
from sharedcompute.api.into import check_into
from sharedcompute.api.jobs import make_job, make_plan, run_and_warn
from sharedcompute.api.keywords import check_parameters
from sharedcompute.api.lazy.array import LazyArray
from sharedcompute.api.lazy.opening import open_array
from sharedcompute.api.operations import operation
from sharedcompute.api.plans import JobPlan
from sharedcompute.api.rowwise import plan_rowwise, run_rowwise
from sharedcompute.api.settings import Settings
from sharedcompute.api.typing import AddressLike, ArrayInput, OperationLike
from sharedcompute.errors import InputError
from sharedcompute.events import Listener
from sharedcompute.graph.ports import Source
from sharedcompute.hdf5.address import Address
from sharedcompute.operations.declarations import Map, Operation
from sharedcompute.operations.specs import Array
from sharedcompute.planning.job import calling
from sharedcompute.planning.job_graph import rows_of
from sharedcompute.planning.plan import Plan
from sharedcompute.planning.trial import tried
from sharedcompute.team.map_arguments import fills

Output = AddressLike | Array | Sequence[AddressLike] | Sequence[Array] | None
Results = Array | LazyArray | tuple[Array | LazyArray, ...]

_SEVERAL = (tuple, list)


def plan_map(
    op: OperationLike,
    input: ArrayInput,
    output: Output,
    settings: Settings,
    params: Mapping[str, object],
) -> JobPlan[Any]:
    """Plan `map`."""
    if _takes_several(op, input, output):
        return plan_several(op, input, output, settings, params)
    one: Any = output
    return plan_rowwise(operation(op, "map", "stencil"), input, one, settings, params)


def run_map(
    op: OperationLike,
    input: ArrayInput,
    output: Output,
    settings: Settings,
    params: Mapping[str, object],
    listen: Listener | None,
) -> Any:
    """Run `map`."""
    if _takes_several(op, input, output):
        return plan_several(op, input, output, settings, params).run(listen=listen)
    one: Any = output
    return run_rowwise(operation(op, "map", "stencil"), input, one, settings, params, listen)


def _takes_several(op: OperationLike, input: ArrayInput, output: Output) -> bool:
    """Return whether a map has several inputs or outputs, or may have."""
    if isinstance(output, _SEVERAL):
        return True
    if isinstance(op, Map):
        return op.inputs > 1 or op.outputs > 1
    if isinstance(op, str | Operation) or not callable(op):
        return False
    return _is_several(input) or (output is None and not fills(op, 1, 0, 0))


def _is_several(given: object) -> bool:
    """Return whether an input is several arrays: a tuple or a list of them. One of numbers is one.

    Nor are several the rows of an array as nested lists.
    """
    if not isinstance(given, _SEVERAL) or not given:
        return False
    return all(isinstance(each, str | os.PathLike | Address) or _is_array(each) for each in given)


def _is_array(given: object) -> bool:
    return hasattr(given, "__array__") and getattr(given, "ndim", 1) > 0


@dataclass(frozen=True)
class _Places:
    """Where results go.

    Parameters
    ----------
    addresses : tuple of Address
        Of datasets of one file.
    arrays : tuple of ndarray
        With neither, results are returned.
    one : bool
        One place was given, and not a list of them.
    """

    addresses: tuple[Address, ...] = ()
    arrays: tuple[Array, ...] = ()
    one: bool = False

    @property
    def count(self) -> int:
        """The number of results; 0 where it is not said."""
        return len(self.addresses) + len(self.arrays)

    @property
    def output(self) -> Address | None:
        """The output of the job: the first dataset, as all that a file has besides is kept."""
        return self.addresses[0] if self.addresses else None

    def saves(self, count: int) -> list[str | None]:
        """Return the path of each result."""
        return [address.path for address in self.addresses] or [None] * count


def _places(output: Output) -> _Places:
    """Return where results go.

    Raises
    ------
    InputError
        They are no datasets of one file, nor arrays.
    """
    if output is None:
        return _Places()
    one = not isinstance(output, _SEVERAL)
    given: Sequence[object] = [output] if one else list(output)  # type: ignore[arg-type]
    if not given:
        raise InputError("expected a place for each result, got an empty list; name them")
    arrays = tuple(each for each in given if isinstance(each, np.ndarray))
    if len(arrays) == len(given):
        return _Places((), arrays, one)
    if arrays:
        raise InputError("expected arrays as outputs, or addresses, got some of each")
    if not all(isinstance(each, str | os.PathLike | Address) for each in given):
        output_address(output, rowwise=True)  # type: ignore[arg-type] # refuses it
    addresses = tuple(output_address(each, rowwise=True) for each in given)  # type: ignore[arg-type]
    named = tuple(address for address in addresses if address is not None)
    for address in named:
        if address.path in (None, "/"):
            raise InputError(f"expected FILE::PATH, the address of a dataset, got {address}")
        if os.path.realpath(address.file) != os.path.realpath(named[0].file):
            raise InputError(
                f"expected outputs in one file, got {named[0].file} and {address.file}: name "
                "datasets of one of them"
            )
    return _Places(named, (), one)


def plan_several(
    op: OperationLike,
    input: ArrayInput,
    output: Output,
    settings: Settings,
    params: Mapping[str, object],
) -> JobPlan[Results]:
    """Plan `map` for several inputs or outputs, or a function that may return several."""
    places = _places(output)
    given = list(input) if _is_several(input) else [input]  # type: ignore[arg-type]
    for each in given:
        settings = settings.decoding(is_decoded(each))
    reading = settings.reading
    sources = [as_source(each, reading.allow_external, reading.rows) for each in given]
    named = _operation(op, sources, places, settings)
    check_parameters(params, (p.name for p in named.parameters))
    several = len(sources) > 1
    steps = calling(named, params, tuple(sources) if several else (), places.saves(named.outputs))
    job = make_job(None if several else sources[0], steps, places.output, settings)
    plan = make_plan(job, settings)
    if places.arrays and named.variable:
        raise InputError(
            "output: expected FILE::PATH, or none, for a variable number of rows, got arrays"
        )
    for step, array in enumerate(places.arrays):
        check_into(array, plan.row_nodes[step, ""].spec)
    as_tuple = not places.one and (places.count > 0 or named.outputs > 1)
    return JobPlan(plan, functools.partial(_run, places, plan, settings, as_tuple))


def _operation(
    op: OperationLike, sources: Sequence[Source], places: _Places, settings: Settings
) -> Map:
    """Return the map with as many inputs and outputs as are given."""
    named = operation(op, "map", "stencil")
    assert isinstance(named, Map)
    if named is not op and not isinstance(op, str):
        named = _of_function(named, sources, places, settings)
    if len(sources) != named.inputs:
        raise InputError(
            f"{named.name} takes {named.inputs} input{'s' * (named.inputs > 1)}, got "
            f"{len(sources)}: give so many"
        )
    if places.count not in (0, named.outputs):
        raise InputError(
            f"{named.name} gives {named.outputs} result{'s' * (named.outputs > 1)}, got "
            f"{places.count} place{'s' * (places.count > 1)} for them: name one for each"
        )
    return named


def _of_function(plain: Map, sources: Sequence[Source], places: _Places, settings: Settings) -> Map:
    """Return the map of a function: what it returns is found on the first rows."""
    made = replace(plain, inputs=len(sources), outputs=places.count or 1)
    if not fills(made.called, len(sources), places.count, 0):
        if places.count:
            return made
        rows = [rows_of(source, settings.reading.decode_cf) for source in sources]
        return tried(made, {}, rows, count=False)
    if not places.arrays:
        return made
    dtypes = tuple(array.dtype.newbyteorder("=") for array in places.arrays)
    shapes = tuple(array.shape[1:] for array in places.arrays)
    one = len(dtypes) == 1
    return replace(
        made,
        dtype=lambda *_: dtypes[0] if one else dtypes,
        row_shape=lambda *_: shapes[0] if one else shapes,
    )


def _run(
    places: _Places, plan: Plan, settings: Settings, as_tuple: bool, listen: Listener
) -> Results:
    """Run a plan and return its results, or what they went to."""
    found: list[Array | LazyArray] = list(run_and_warn(plan, settings.team, listen).results)
    for array, values in zip(places.arrays, found, strict=False):
        np.copyto(array, np.asarray(values))
    if places.arrays:
        found = list(places.arrays)
    elif places.addresses:
        found = [open_array(address) for address in places.addresses]
    return tuple(found) if as_tuple else found[0]
