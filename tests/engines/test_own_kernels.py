"""A user's kernel that forgets something is told so, and never publishes what was in memory."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import sharedcompute as sc

X = np.arange(20.0).reshape(10, 2)


@pytest.mark.parametrize("engine", ["serial", "local"])
def test_a_kernel_that_returns_its_result_is_refused(engine: str, team: sc.Team) -> None:
    how: dict[str, Any] = {"team": team} if engine == "local" else {"engine": engine}
    with pytest.raises(sc.InputError, match="writes into out"):
        sc.map(lambda x, out: x * 2, X, **how)


def test_a_function_that_returns_its_result_is_refused_by_a_team(team: sc.Team) -> None:
    with pytest.raises(sc.InputError, match="returned a value"):
        team.map(lambda x, out: x * 2, X)


@pytest.mark.parametrize("engine", ["serial", "local"])
def test_what_a_kernel_finds_in_out_is_zero(engine: str, team: sc.Team) -> None:
    def adds(x: Any, out: Any) -> None:
        out += x

    how: dict[str, Any] = {"team": team} if engine == "local" else {"engine": engine}
    for _ in range(3):
        np.testing.assert_array_equal(sc.map(adds, X, block_rows=3, **how), X)


def test_names_of_options_are_not_for_parameters() -> None:
    with pytest.raises(sc.InputError, match="'memory' is an option of every job"):
        sc.Parameter("memory", int, "mine")


def test_a_team_has_its_own_size(team: sc.Team) -> None:
    with pytest.raises(sc.InputError, match="workers=3 does not go with a team"):
        sc.reduce("mean", X, team=team, workers=3)
    with pytest.raises(sc.InputError, match="engine='serial'"):
        sc.reduce("mean", X, team=team, engine="serial")
