"""Principal components and linear regression beside scikit-learn."""

from __future__ import annotations

import numpy as np

import sharedcompute as sc
from benchmarks.timing import Row, medians, ratio

ROWS, COLUMNS = 200_000, 256


def components(team: sc.Team, workers: int, repeats: int) -> list[Row]:
    """`pca` by the covariance matrix, all else as scikit-learn's with as many BLAS threads."""
    from sklearn.decomposition import PCA
    from threadpoolctl import threadpool_limits

    def peer(x: np.ndarray, **settings: object) -> None:
        with threadpool_limits(workers):
            PCA(16, **settings).fit(x)

    rows = []
    for dtype, bar in (("f8", 1), ("f4", None)):
        x = sc.empty((ROWS, COLUMNS), dtype)
        plain = np.asarray(x)
        np.random.default_rng(0).standard_normal(out=plain, dtype=plain.dtype)
        plain += 3
        seconds = medians(
            {
                "sharedcompute": lambda x=x: sc.fit("pca", x, n_components=16, team=team),
                "scikit-learn": lambda x=plain: peer(x, svd_solver="covariance_eigh"),
            },
            repeats,
        )
        what = f"fit pca of {ROWS:,} x {COLUMNS} {dtype}"
        rows.append(ratio(what, seconds, "scikit-learn", bar))
    seconds = medians(
        {
            "sharedcompute": lambda: sc.fit(
                "pca", x, n_components=16, solver="randomized", n_iter=4, team=team
            ),
            "scikit-learn": lambda: peer(plain, svd_solver="randomized", iterated_power=4),
        },
        max(1, repeats // 3),
    )
    rows.append(ratio(f"{what}, randomized", seconds, "scikit-learn", None))
    return rows


def regressions(team: sc.Team, workers: int, repeats: int) -> list[Row]:
    """`lstsq` and `ridge`, with a quarter of the rows."""
    from sklearn.linear_model import LinearRegression, Ridge
    from threadpoolctl import threadpool_limits

    random = np.random.default_rng(0)
    x = sc.asarray(random.standard_normal((ROWS // 4, COLUMNS)))
    plain = np.asarray(x)
    y = plain[:, 0] + random.standard_normal(len(x))
    rows = []
    for name, model in (("lstsq", LinearRegression()), ("ridge", Ridge(solver="cholesky"))):

        def peer(model: object = model) -> None:
            with threadpool_limits(workers):
                model.fit(plain, y)

        seconds = medians(
            {
                "sharedcompute": lambda name=name: sc.fit(name, x, y=y, team=team),
                "scikit-learn": peer,
            },
            max(1, repeats // 3),
        )
        rows.append(
            ratio(f"fit {name} of {len(x):,} x {COLUMNS} f8", seconds, "scikit-learn", None)
        )
    return rows
