"""Jobs of expressions that are texts: their inputs, and where their results go."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TypeVar

from sharedcompute.api.addresses import group_of
from sharedcompute.api.chosen import chosen_step
from sharedcompute.api.inputs import as_source
from sharedcompute.api.jobs import make_job
from sharedcompute.api.keywords import check_parameters
from sharedcompute.api.lazy.array import LazyArray
from sharedcompute.api.lazy.opened import Opening
from sharedcompute.api.lazy.written import Written, evaluated
from sharedcompute.api.reductions import Axes
from sharedcompute.api.settings import Settings
from sharedcompute.api.typing import AddressLike
from sharedcompute.errors import InputError
from sharedcompute.expressions import is_expression
from sharedcompute.graph import build
from sharedcompute.hdf5.address import Address, normal_path
from sharedcompute.operations.declarations import Operation
from sharedcompute.options.groups import OF_REDUCTIONS
from sharedcompute.planning.job import Job, Step, summary, transform

T = TypeVar("T")


def opened(addresses: Mapping[str, AddressLike], settings: Settings) -> dict[str, LazyArray]:
    """Return the inputs of an expression, read as the settings say.

    Raises
    ------
    InputError
        There is no such dataset; the name is added.
    """
    found = {}
    reading = settings.reading
    for name, address in addresses.items():
        try:
            source = as_source(address, reading.allow_external, reading.rows)
            node = build.decoded(source, reading.decode_cf)
        except InputError as problem:
            raise InputError(f"{name}: {problem.text}") from None
        found[name] = LazyArray(node, Opening(reading.decode_cf, reading.allow_external))
    return found


def beside(name: str, given: T, arrays: Mapping[str, LazyArray]) -> T | LazyArray:
    """Return what `where` or `weights` is: an array if it is the text of an expression of arrays.

    Parameters
    ----------
    name : {"where", "weights"}
    given : address, array, str or None
    arrays : mapping of str to LazyArray

    Raises
    ------
    InputError
        It is not one expression, or has a name that is not known.
    """
    if not isinstance(given, str) or not is_expression(given, arrays):
        return given
    try:
        return LazyArray(only(evaluated(given, arrays), name).node)
    except InputError as problem:
        raise InputError(f"{name}: {problem.text}") from None


def map_expressions(written: Sequence[Written], output: Address | None, settings: Settings) -> Job:
    """Return the job that computes expressions: a dataset each, or arrays in memory."""
    places = [None for _ in written] if output is None else datasets_of(written, output)
    steps = tuple(each.step(place) for each, place in zip(written, places, strict=True))
    return make_job(None, steps, output, settings)


def datasets_of(written: Sequence[Written], output: Address) -> list[str]:
    """Return the datasets that expressions go to.

    One goes to the path that is given, or by its name into a file; several go by their names into
    a file or a group.

    Raises
    ------
    InputError
        It has no name, and none is given.
    """
    if len(written) > 1:
        return [normal_path(f"{output.path or ''}/{each.name}") for each in written]
    (one,) = written
    if output.path not in (None, "/"):
        return [str(output.path)]
    if not one.name:
        raise InputError(
            f"expected {output.file}::/NAME, or a name in the expression as in NAME = {one.text}, "
            f"got {output.file}: name the dataset"
        )
    return [normal_path(one.name)]


def reduce_expressions(
    written: Sequence[Written],
    ops: tuple[Operation, ...],
    output: Address | None,
    axes: Axes,
    settings: Settings,
    params: Mapping[str, object],
) -> Job:
    """Return the job that reduces expressions; of several, each has a group of its name."""
    check_parameters(params, (p.name for op in ops for p in op.parameters), OF_REDUCTIONS)
    group = group_of(output)
    steps: list[Step] = []
    for each in written:
        save = group if group is None or len(written) == 1 else normal_path(f"{group}/{each.name}")
        step = summary(ops, params, axes.axis, save, keepdims=axes.keepdims)
        steps += [each.rows(), chosen_step(step, axes.where, axes.weights, settings)]
    return make_job(None, tuple(steps), output, settings)


def scan_expression(
    written: Sequence[Written],
    op: Operation,
    output: Address,
    settings: Settings,
    params: Mapping[str, object],
) -> Job:
    """Return the job that accumulates an expression along its rows."""
    one = only(written, op.name)
    check_parameters(params, (p.name for p in op.parameters))
    (save,) = datasets_of([one], output)
    return make_job(None, (one.rows(), transform(op, params, save)), output, settings)


def only(written: Sequence[Written], what: str) -> Written:
    """Return the one expression.

    Raises
    ------
    InputError
        There are several.
    """
    if len(written) != 1:
        names = ", ".join(each.name for each in written)
        raise InputError(
            f"{what}: expected one expression, got {names}: begin the names of parts with an "
            "underscore"
        )
    return written[0]
