"""The code in docs/programs.md and docs/fits.md runs as it stands there."""

from __future__ import annotations

import importlib.util
import re
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
from scipy.optimize import minimize

import sharedcompute as sc

DOCS = Path(__file__).parent.parent / "docs"
X = np.random.default_rng(0).random((1050, 3))


def block(page: str, text: str, folder: Path) -> ModuleType:
    """The block of a page's code that has `text`, as a module that a user would write."""
    blocks = re.findall(r"```python\n(.*?)```", (DOCS / page).read_text(), re.S)
    (code,) = [code for code in blocks if text in code]
    path = folder / "written.py"
    path.write_text(f"import numba\nimport numpy as np\nimport sharedcompute as sc\n{code}")
    spec = importlib.util.spec_from_file_location("written", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def moved(x: np.ndarray, sweeps: int) -> np.ndarray:
    x = x.copy()
    for _ in range(sweeps):
        x[1:-1] = (x[:-2] + x[1:-1] + x[2:]) / 3
    return x


@pytest.fixture(scope="module")
def pair():
    with sc.Team(2) as team:
        yield team


@pytest.mark.parametrize(
    ("text", "f"),
    [
        ("np.sqrt", np.sqrt),
        ("len(x), 100, schedule", np.square),
        ("fetch_add(control, 0", np.square),
    ],
)
def test_programs_on_rows_fill_in_all_rows(pair, tmp_path, text, f) -> None:
    x = sc.asarray(X if "fetch_add" not in text else X.ravel())
    y = sc.empty_like(x)
    pair.run(block("programs.md", text, tmp_path).program, x, y)
    np.testing.assert_array_equal(y, f(x))


def test_the_loop_with_a_barrier_reads_what_its_neighbours_wrote(pair, tmp_path) -> None:
    a = sc.asarray(X[:, 0])
    pair.run(block("programs.md", "def smooth", tmp_path).program, a, sc.asarray(X[:, 0].copy()))
    np.testing.assert_allclose(a, moved(X[:, 0], 100), rtol=1e-12)


def test_collectives_messages_and_queues_give_what_the_page_says(pair, tmp_path) -> None:
    collectives = block("programs.md", "worker.allreduce", tmp_path).program
    (total, lowest, settings, sizes), other = pair.run(collectives, sc.full((1000, 3), 0.5))
    np.testing.assert_array_equal(total, [500.0] * 3)
    assert (lowest, settings, sizes, other[3]) == (0.5, {"tol": 1e-6}, [500, 500], None)
    messages = block("programs.md", "worker.recv(left)", tmp_path).program
    assert pair.run(messages) == [{"from": 1}, {"from": 0}]
    queue = block("programs.md", "worker.queue", tmp_path).program
    assert pair.run(queue) == [[], [task**2 for task in range(100)]]


def test_the_deadlock_says_what_the_page_shows(pair, tmp_path) -> None:
    with pytest.raises(sc.DeadlockError) as caught:
        pair.run(block("programs.md", "worker.locks(second)", tmp_path).program)
    assert str(caught.value) in (DOCS / "programs.md").read_text()


def test_sums_and_random_numbers_by_block_have_the_bits_of_any_team(pair, tmp_path) -> None:
    sums = block("programs.md", "BLOCK = 1000", tmp_path).program
    numbers = block("programs.md", "SeedSequence(seed, spawn_key", tmp_path).program
    x, found = sc.asarray(np.resize(X, 10_500)), []
    with sc.Team(3) as three:
        for team in (pair, three):
            means = sc.empty(7)
            ranks = team.run(sums, x, sc.empty(11))
            team.run(numbers, means)
            found.append((*set(ranks), *means))
    assert found[0] == found[1]
    np.testing.assert_allclose(found[0][0], x.sum(), rtol=1e-12)
    spawned = np.random.default_rng(np.random.SeedSequence(2024).spawn(7)[4])
    first = np.exp(-(spawned.random((20_000, 6)) ** 2).sum(axis=1)).mean()
    assert found[0][1:][4] == first


def test_the_fit_of_ones_own_finds_the_spatial_median(pair, tmp_path) -> None:
    fit = block("fits.md", "class Weiszfeld", tmp_path).spatial_median
    how = {"block_rows": 100, "tol": 1e-9}
    alone = sc.fit(fit, X, engine="serial", **how)
    assert np.array_equal(sc.fit(fit, X, team=pair, engine="local", **how).median_, alone.median_)
    want = minimize(lambda m: np.linalg.norm(X - m, axis=1).sum(), X.mean(axis=0), tol=1e-10).x
    np.testing.assert_allclose(alone.median_, want, atol=1e-5)
