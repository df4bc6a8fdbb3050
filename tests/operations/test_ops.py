"""`sc.ops`: each operation is a function with its own signature, help and examples that run."""

from __future__ import annotations

import doctest
import inspect
import pickle
import re
from typing import Any

import numpy as np
import pytest

import sharedcompute as sc
from sharedcompute.api.generated import entries, options_of, runner_of, sections
from sharedcompute.operations.catalogue import CATALOGUE, everything
from tests.operations.reference import BESIDE_FITS, CASES
from tools.operations import STUB, stub

OPERATIONS = {op.name: op for op in everything()}


def test_every_operation_has_a_case() -> None:
    assert {*CASES, *BESIDE_FITS} == set(CATALOGUE)


def test_all_operations_are_listed_and_no_other_name() -> None:
    assert dir(sc.ops) == sorted(OPERATIONS)
    with pytest.raises(AttributeError, match="did you mean 'gaussian'"):
        sc.ops.gausian  # type: ignore[attr-defined]  # noqa: B018


@pytest.mark.parametrize("name", OPERATIONS)
def test_the_signature_has_the_parameters_and_the_options(name: str) -> None:
    op = OPERATIONS[name]
    found = inspect.signature(getattr(sc.ops, name)).parameters
    options = [p.name for p in options_of(runner_of(op.kind))]
    assert list(found) == ["input", "output", *(p.name for p in op.parameters), *options]
    for p in op.parameters:
        assert found[p.name].annotation == p.annotation != "object"
        assert found[p.name].default is (inspect.Parameter.empty if p.required else p.default)


@pytest.mark.parametrize("name", OPERATIONS)
def test_the_help_is_complete(name: str) -> None:
    op, function = OPERATIONS[name], getattr(sc.ops, name)
    text = inspect.getdoc(function) or ""
    assert re.match(r"[A-Z][\w -]+", op.summary)
    assert text.startswith(f"{op.summary}.\n")
    assert op.description or op.references or op.kind == "reduce"
    found = sections(text)
    assert list(found) == [
        s for s in ("Parameters", "Returns", "Raises", "References", "Examples") if s in found
    ]
    assert {"Parameters", "Returns", "Raises", "Examples"} <= set(found) | {"Raises"}
    described = entries(found["Parameters"])
    assert set(inspect.signature(function).parameters) <= set(described)
    assert "dtype" in found["Returns"] or op.returns


@pytest.mark.parametrize("name", OPERATIONS)
def test_the_examples_run(name: str) -> None:
    text = inspect.getdoc(getattr(sc.ops, name)) or ""
    example = doctest.DocTestParser().get_doctest(text, {}, name, None, None)
    assert example.examples
    said: list[str] = []
    failed = doctest.DocTestRunner().run(example, out=said.append).failed
    assert not failed, "".join(said)


def test_it_runs_what_the_calls_by_name_run(team: sc.Team) -> None:
    x = np.random.default_rng(0).normal(size=(40, 7))
    calls: list[tuple[Any, Any, dict[str, Any]]] = [
        (sc.map, "gaussian", {"sigma": 2, "mode": "nearest"}),
        (sc.map, "clip", {"lower": 0}),
        (sc.scan, "cumsum", {}),
        (sc.reduce, "std", {"ddof": 1, "axis": "all"}),
    ]
    for run, name, params in calls:
        expected = run(name, x, team=team, **params)
        np.testing.assert_array_equal(getattr(sc.ops, name)(x, team=team, **params), expected)
    out = np.empty_like(x)
    assert sc.ops.scale(x, out, factor=2.0) is out
    with pytest.raises(sc.InputError, match="did you mean 'sigma'"):
        sc.ops.gaussian(x, sigam=2)  # type: ignore[call-overload]
    with pytest.raises(sc.InputError, match=r"needs the parameter 'sigma' \(float"):
        sc.ops.gaussian(x)  # type: ignore[call-overload]


def test_it_travels_by_name() -> None:
    assert pickle.loads(pickle.dumps(sc.ops.gaussian)) is sc.ops.gaussian


def test_the_stub_is_what_the_catalogue_gives() -> None:
    assert STUB.read_text() == stub(), "run `make stubs`"
