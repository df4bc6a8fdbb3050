"""Picking by labels: the indices of what coordinates say."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from sharedcompute.api.lazy.opened import Labelled, names_of
from sharedcompute.errors import InputError
from sharedcompute.graph import build
from sharedcompute.graph.node import Node, Read, ordered
from sharedcompute.graph.ports import Source
from sharedcompute.hdf5.inspection.labels import selected
from sharedcompute.hdf5.reading.source import DatasetSource
from sharedcompute.validation.names import suggestion

Key = int | slice | Any


def by_labels(node: Node, labels: Mapping[str, object]) -> tuple[Key, ...]:
    """Return the index of what labels of dimensions pick.

    Raises
    ------
    InputError
        There is no such dimension, it has no coordinate, or that has no such value.
    """
    keys: list[Key] = [slice(None)] * len(node.spec.shape)
    for name, label in labels.items():
        axis = _axis(node, name)
        keys[axis] = _picked(_source_with(node, name, node.spec.shape[axis]), name, label)
    return tuple(keys)


def by_indices(node: Node, indices: Mapping[str, object]) -> tuple[Key, ...]:
    """Return the index that picks by the names of dimensions.

    Raises
    ------
    InputError
        There is no such dimension.
    """
    keys: list[Key] = [slice(None)] * len(node.spec.shape)
    for name, key in indices.items():
        keys[_axis(node, name)] = key
    return tuple(keys)


def _axis(node: Node, name: str) -> int:
    names = names_of(node)
    if name not in names:
        known = [n for n in names if n is not None]
        hint = suggestion(name, known) if known else "its axes have no names: use an index"
        raise InputError(f"expected a dimension of the array, got {name!r}; {hint}")
    return names.index(name)


def _source_with(node: Node, name: str, length: int) -> Source:
    """Return what is read whose dimension of that name an array has."""
    for found in ordered((node,)):
        if not isinstance(found.op, Read):
            continue
        names = names_of(found)
        if name in names and found.spec.shape[names.index(name)] == length:
            return found.op.source
    raise InputError(f"{name}: expected a coordinate of the array, got none: select first")


def _picked(source: Source, name: str, label: object) -> Key:
    if isinstance(source, DatasetSource):
        window = selected(source, {name: label})
        return window.index[names_of(build.read(source)).index(name)]
    assert isinstance(source, Labelled)
    return _by_xarray(source, name, label)


def _by_xarray(source: Labelled, name: str, label: object) -> Key:
    """Return the index of a label in a coordinate of an array of xarray, by its own rules."""
    import xarray  # noqa: PLC0415 - there is one, or the array would have no names

    values = dict(source.coordinates).get(name)
    if values is None:
        raise InputError(f"{name}: expected a coordinate, got a dimension without one: use isel")
    places = xarray.DataArray(np.arange(len(values)), {name: values}, (name,))
    try:
        found = np.asarray(places.sel({name: label}))
    except (KeyError, TypeError, ValueError) as problem:
        raise InputError(f"{name}: expected a value of this coordinate, {problem}") from None
    if found.ndim == 0:
        return int(found)
    steps = {int(step) for step in np.diff(found)}
    if len(found) == 0 or len(steps) > 1:
        return found if len(found) else slice(0, 0)
    step = steps.pop() if steps else 1
    stop = int(found[-1]) + (1 if step > 0 else -1)
    return slice(int(found[0]), stop if stop >= 0 else None, step)
