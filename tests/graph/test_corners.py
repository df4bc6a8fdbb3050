"""Graphs in the corners: nothing to read by rows, hardly any rows, thousands of nodes."""

from __future__ import annotations

from functools import reduce
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest

import sharedcompute as sc
from sharedcompute.graph import build
from sharedcompute.graph.node import Node
from sharedcompute.hdf5.inspection.inspector import open_source
from sharedcompute.operations.catalogue import find
from sharedcompute.operations.declarations import Map, Reduce, Scan
from sharedcompute.operations.parameters import bind
from sharedcompute.planning.in_memory import ArraySource
from sharedcompute.ufuncs.promotion import result_dtype

from .random_graphs import same_bits
from .running import run


def read(x: Any) -> Node:
    return build.read(ArraySource(x))


def call(name: str, *given: Node | float) -> Node:
    """A function of nodes and numbers."""
    nodes = [x if isinstance(x, Node) else build.constant(x) for x in given]
    kinds = [x.spec.dtype if isinstance(x, Node) else x for x in given]
    return build.elementwise(name, result_dtype(name, kinds), nodes)


def of(name: str, node: Node, **params: Any) -> Node:
    operation = find(name)
    assert isinstance(operation, Map | Scan)
    return build.apply(operation, bind(name, operation.parameters, params), node)


def reduced(name: str, node: Node, *axes: int) -> Node:
    operation = find(name)
    assert isinstance(operation, Reduce)
    return build.reduced(operation, bind(name, operation.parameters, {}), node, axes)


def test_a_result_that_needs_no_rows_is_computed_as_a_whole() -> None:
    x = np.arange(12.0).reshape(3, 4)
    found = run([build.permute(read(x), (1, 0)), build.reshape(read(x), (12,))], engine="serial")
    assert np.array_equal(found[0], x.T)
    assert np.array_equal(found[1], x.ravel())


@pytest.mark.parametrize("workers", [1, 2])
def test_what_is_needed_by_rows_and_as_a_whole_is_both(
    teams: dict[int, sc.Team], workers: int
) -> None:
    x = np.random.default_rng(0).normal(size=(30, 30))
    node = read(x)
    smooth = of("gaussian", node, sigma=1.0)
    turned = call("add", smooth, build.permute(smooth, (1, 0)))
    both = call("add", node, build.permute(node, (1, 0)))
    found = run([turned, both, smooth, smooth], team=teams[workers], block_rows=7)
    want = sc.map("gaussian", x, sigma=1.0, engine="serial")
    for have, wanted in zip(found, (want + want.T, x + x.T, want, want), strict=True):
        assert same_bits(have, wanted)


def test_an_array_that_is_read_twice_is_read_once() -> None:
    x = np.arange(20.0).reshape(10, 2)
    source = ArraySource(x)
    (found,) = run([call("multiply", build.read(source), build.read(source))], engine="serial")
    assert np.array_equal(found, x * x)


def test_a_scan_may_stand_beside_what_it_is_made_of(teams: dict[int, sc.Team]) -> None:
    x = np.random.default_rng(1).normal(size=(50, 3))
    node = call("multiply", read(x), 2.0)
    running = of("cumsum", node)
    rest = call("subtract", running, node)
    top = reduced("max", rest, 0)
    for how in ({"engine": "serial"}, {"team": teams[2]}):
        scanned, left, most = run([running, rest, top], block_rows=7, **how)
        assert same_bits(scanned, sc.scan("cumsum", x * 2.0, block_rows=7, engine="serial"))
        assert same_bits(left, scanned - x * 2.0)
        assert same_bits(most, left.max(0))


@pytest.mark.parametrize("shape", [(0, 3), (1, 3), (0,), (1,)])
def test_hardly_any_rows(shape: tuple[int, ...]) -> None:
    x = np.ones(shape, "f4")
    node = call("add", read(x), 1)
    total = reduced("sum", node, 0)
    after = call("multiply", call("subtract", node, total), 2)
    first, second, third = run([node, total, after], engine="serial")
    assert same_bits(first, x + 1)
    assert same_bits(second, (x + 1).sum(0))
    assert same_bits(third, ((x + 1) - (x + 1).sum(0)) * 2)


def test_a_number_is_an_operand_of_rows_and_a_result() -> None:
    x = np.arange(10.0)
    greatest = reduced("max", read(x), 0)
    share = call("divide", read(x), greatest)
    doubled = call("multiply", greatest, 2)
    found = run([share, greatest, doubled], engine="serial")
    assert same_bits(found[0], x / 9)
    assert (found[1], found[2], found[2].shape) == (9, 18, ())


def test_thousands_of_arrays_are_added_up() -> None:
    x = np.arange(8, dtype="i8").reshape(4, 2)
    node = read(x)
    total = reduce(lambda have, number: call("add", have, number % 3), range(3000), node)
    (found,) = run([total], engine="serial")
    assert np.array_equal(found, x + sum(number % 3 for number in range(3000)))


def test_half_precision_and_packed_numbers(tmp_path: Path) -> None:
    x = np.random.default_rng(2).normal(size=(20, 3)).astype("f2")
    with h5py.File(tmp_path / "in.h5", "w") as file:
        file["half"] = x
    node = build.read(open_source(f"{tmp_path}/in.h5::/half"))
    assert same_bits(run([call("add", node, node)], engine="serial")[0], x + x)
    smooth = of("uniform", build.widened(node), size=3)
    want = sc.map("uniform", x.astype("f4"), size=3, engine="serial")
    assert same_bits(run([smooth], engine="serial")[0], want)


def test_an_array_multiplied_by_itself_again_and_again() -> None:
    """Written out, the expression would be a text of 2**40 names."""
    x = np.array([1.0, -1.0, 0.5])
    (found,) = run([reduce(lambda have, _: call("multiply", have, have), range(40), read(x))])
    assert same_bits(found, np.array([1.0, 1.0, 0.0]))
