"""Jobs become as few passes as can be, and are refused when they would not fit."""

from __future__ import annotations

import pickle
from typing import Any

import cloudpickle
import numpy as np
import pytest

import sharedcompute as sc
from sharedcompute.operations.catalogue import find
from sharedcompute.options.groups import RunOptions
from sharedcompute.planning.build import build
from sharedcompute.planning.in_memory import ArraySource
from sharedcompute.planning.job import Job, Step, summary, transform
from sharedcompute.planning.plan import Plan

X = np.zeros((100, 6), np.float32)


def plan(*steps: Step, x: Any = X, options: RunOptions | None = None) -> Plan:
    return build(Job(ArraySource(x), steps), options or RunOptions())


def rowwise(name: str, **params: Any) -> Step:
    return transform(find(name), params, None)


def reductions(*names: str, axis: str = "rows") -> Step:
    return summary(tuple(find(n) for n in names), {}, axis, None)


def test_many_reductions_take_one_pass() -> None:
    made = plan(reductions("mean", "std", "min", "max"), reductions("sum", axis="all"))
    assert len(made.passes) == 1


def test_mean_and_std_share_what_is_computed() -> None:
    (work,) = plan(reductions("mean", "std", "var", "sum")).passes
    assert len(work.tallies) == 1


def test_an_anomaly_needs_a_pass_for_its_mean_and_a_given_mean_does_not() -> None:
    assert len(plan(rowwise("anomaly")).passes) == 2
    assert len(plan(rowwise("anomaly", mean=1.0)).passes) == 1


def test_needs_of_the_same_rows_share_a_pass() -> None:
    assert len(plan(rowwise("zscore")).passes) == 2


def test_a_need_behind_another_takes_its_own_pass() -> None:
    made = plan(rowwise("anomaly"), rowwise("gaussian", sigma=1.0), rowwise("zscore"))
    assert len(made.passes) == 3


def test_steps_that_nothing_looks_at_are_left_out() -> None:
    made = plan(reductions("mean"), rowwise("anomaly"))
    assert len(made.passes[0].steps) == 0


def test_a_chain_gives_what_its_steps_give_one_after_the_other() -> None:
    x = np.random.default_rng(0).normal(size=(50, 4))
    whole = sc.map("zscore", sc.map("gaussian", sc.map("anomaly", x), sigma=2.0, axes=0))
    made = plan(rowwise("anomaly"), rowwise("gaussian", sigma=2.0, axes=0), rowwise("zscore"), x=x)
    from sharedcompute.api.jobs import run_plan
    from sharedcompute.events import ignore

    np.testing.assert_allclose(run_plan(made, None, ignore).results[-1], whole, rtol=1e-12)


def test_a_stencil_cannot_follow_a_scan() -> None:
    with pytest.raises(sc.InputError, match="cannot follow cumsum"):
        plan(rowwise("cumsum"), rowwise("gaussian", sigma=1.0))


def test_plans_are_plain_data_that_pickle() -> None:
    made = plan(rowwise("anomaly"), rowwise("median"), reductions("std"))
    again = pickle.loads(cloudpickle.dumps(made.passes))
    assert [p.purpose for p in again] == [p.purpose for p in made.passes]


def test_blocks_do_not_depend_on_workers_schedule_or_memory() -> None:
    x = np.zeros((10_000, 50))
    chosen = {
        (made.blocks, made.passes[-1].strip)
        for made in (
            plan(reductions("mean"), x=x, options=options)
            for options in (
                RunOptions(),
                RunOptions(workers=1),
                RunOptions(workers=7, engine="local"),
                RunOptions(schedule="guided"),
                RunOptions(memory=10**10),
            )
        )
    }
    assert len(chosen) == 1


def test_a_job_that_would_not_fit_is_refused_with_need_and_have() -> None:
    with pytest.raises(sc.MemoryBudgetError, match=r"needs .* of memory and 1 MB was given"):
        plan(reductions("mean"), options=RunOptions(memory=10**6))


def test_a_small_job_stays_in_this_process_and_a_large_one_does_not() -> None:
    assert plan(reductions("mean"), options=RunOptions(workers=2)).engine == "serial"
    large = np.broadcast_to(np.float32(0), (10**8, 8))
    made = plan(reductions("mean"), x=large, options=RunOptions(workers=2, memory=10**12))
    assert (made.engine, made.workers) == ("local", 2)


@pytest.mark.parametrize(
    ("name", "value"),
    [("workers", 0), ("threads", -1), ("block_rows", 0), ("schedule", "fair"), ("engine", "mpi")],
)
def test_options_out_of_range_are_refused(name: str, value: Any) -> None:
    with pytest.raises(sc.InputError, match=name):
        RunOptions(**{name: value})
