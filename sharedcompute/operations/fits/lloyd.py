"""Lloyd's algorithm, from given centres or seeded by k-means++, in rounds over the rows.

A round finds each row's nearest centre and adds the row to its cluster. Two things need more than
that, and are computed only in the rounds that need them: the rows' exact distances, and the
*picks*, a few rows with the least keys of all rows.

An empty cluster is given the row that is farthest from its centre; seeding is in `seeding`.

References
----------
S. P. Lloyd, "Least squares quantization in PCM", IEEE Transactions on Information Theory 28, 1982.
"""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from math import log

import numpy as np

from sharedcompute.errors import ConvergenceWarning
from sharedcompute.kernels import clustering as kernels
from sharedcompute.operations.fits.declaration import RowsAt, Specs, Step
from sharedcompute.operations.fits.picks import clear, combine_picks, pick, picks
from sharedcompute.operations.fits.seeding import choose, race
from sharedcompute.operations.rowwise.centers import comparable
from sharedcompute.operations.specs import Array, ArraySpec, Bools, DType, State, floating
from sharedcompute.operations.stages import FromModel, Stage

SEED, MEASURE, LLOYD = range(3)
"""What a round is for. To measure is Lloyd's round with exact distances and the farthest rows."""

FARTHEST = 32
"""Empty clusters that can be filled in one round; the others are in the next ones."""


@dataclass(frozen=True)
class KMeans:
    """The algorithm for data of one shape.

    Parameters
    ----------
    spec : ArraySpec
        Of the data. Rows of several dimensions are taken as one long row.
    clusters : int
    init : "k-means++", "random" or ndarray, shape (clusters, features)
    max_iter : int
    tol : float
        Relative to the mean variance of the features.
    random_state : int
    """

    spec: ArraySpec
    clusters: int
    init: str | Array
    max_iter: int
    tol: float
    random_state: int

    needs_last = True

    @property
    def dtype(self) -> DType:
        """The dtype of the centres, in which rows are compared with them."""
        return floating(self.spec.dtype, {})

    @property
    def candidates(self) -> int:
        """Rows of which k-means++ takes the best one as the next centre: as scikit-learn."""
        return 2 + int(log(self.clusters))

    @property
    def picks(self) -> int:
        """Rows that a state can hold: in seeding each candidate has candidates to follow it."""
        return max(self.candidates**2, min(self.clusters, FARTHEST))

    @property
    def model(self) -> Specs:
        """The centres, in the kernel's form too, and how far things are."""
        k, d, step = self.clusters, self.spec.row_size, kernels.STEP
        padded = -(-k // step) * step, -(-d // step) * step
        return {
            "phase": _whole(1),
            "chosen": _whole(1),
            "n_iter": _whole(1),
            "centers": ArraySpec((k, d), self.dtype),
            "scaled": ArraySpec(padded, self.dtype),
            "norms": ArraySpec(padded[:1], self.dtype),
            "origin": ArraySpec((d,), self.dtype),
            "candidates": ArraySpec((self.candidates, d), self.dtype),
            "mean": _real(d),
            "scatter": _real(1),
            "inertia": _real(1),
            "cluster_sizes": _whole(k),
        }

    @property
    def state(self) -> Specs:
        """Sums of the clusters; where they are measured, distances and picks, best first."""
        k, d = self.clusters, self.spec.row_size
        return {
            "count": _whole(k),
            "total": _real(k, d),
            "inertia": _real(self.candidates),
            **picks(self.picks, d, self.dtype),
        }

    def begin(self, model: State, rows: RowsAt) -> None:
        """Take the given centres, random rows, or one random row for k-means++ to begin with."""
        random = np.random.default_rng(np.random.SeedSequence(self.random_state))
        n, k = self.spec.rows, self.clusters
        model["phase"][0] = MEASURE
        if isinstance(self.init, np.ndarray):
            model["centers"][...] = self.init
        elif self.init == "random":
            for centre, i in zip(
                model["centers"], random.choice(n, k, replace=False).tolist(), strict=True
            ):
                centre[...] = rows(i, i + 1).reshape(-1)
        else:
            i = int(random.integers(n))
            model["phase"][0] = SEED
            model["candidates"][...] = rows(i, i + 1).reshape(-1)
            model["centers"][...] = np.nan
        _prepare(model)

    def reset(self, state: State) -> None:
        """Make it the state of no rows."""
        for name in ("count", "total", "inertia"):
            state[name][...] = 0
        clear(state)

    def add(self, x: Array, start: int, block: int, model: State, state: State) -> None:
        """Add rows to their clusters, and measure them where that is needed."""
        del block
        x = x.reshape(len(x), -1)
        label = np.empty(len(x), np.int32)
        kernels.assign(
            x,
            label,
            model["scaled"],
            model["norms"],
            model["origin"],
            state["count"],
            state["total"],
        )
        phase: np.int64 = model["phase"][0]
        if phase == LLOYD:
            return
        square = np.empty(len(x))
        kernels.squares(x, model["centers"], label, square)
        if phase == SEED:
            race(x, start, square, self.random_state, model, state)
        else:
            state["inertia"][0] += square.sum()
            pick(state, -square[None], x, start)

    def combine(self, a: State, b: State) -> None:
        """Add the sums; keep the better picks."""
        for name in ("count", "total", "inertia"):
            a[name] += b[name]
        combine_picks(a, b)

    def update(self, model: State, state: State) -> Step:
        """Choose the next centre, or move all of them to the means of their clusters."""
        phase: np.int64 = model["phase"][0]
        if phase == SEED:
            choose(model, state)
            _prepare(model)
            chosen: np.int64 = model["chosen"][0]
            if chosen == self.clusters:
                model["phase"][0] = MEASURE
            return Step({"inertia": float(model["inertia"][0]), "shift": np.nan})
        measured = phase == MEASURE
        moves: np.int64 = model["n_iter"][0]
        if moves == 0:
            _scatter(model, state)
        inertia: float = state["inertia"][0] if measured else _inertia(model, state)
        model["inertia"][0] = inertia
        model["cluster_sizes"][...] = state["count"]
        if not measured and not state["count"].all():
            # The same round again, to see which rows are farthest.
            model["phase"][0] = MEASURE
            return Step({"inertia": float(inertia), "shift": np.nan})
        moved = self._moved(model, state)
        shift = float(np.square(moved - model["centers"], dtype=np.float64).sum())
        model["centers"][...] = moved
        _prepare(model)
        model["n_iter"][0] += 1
        tolerance: float = self.tol * model["scatter"][0] / (self.spec.rows * self.spec.row_size)
        converged = bool(shift <= tolerance)
        done = converged or bool(model["n_iter"][0] >= self.max_iter)
        model["phase"][0] = MEASURE if done else LLOYD
        return Step({"inertia": float(inertia), "shift": shift**0.5}, done, converged)

    def _moved(self, model: State, state: State) -> Array:
        """Return the means of the clusters; empty ones get the farthest rows (scikit-learn)."""
        size, total = state["count"].copy(), state["total"].copy()
        none: Bools = size == 0
        empty = np.flatnonzero(none)[: self.picks]
        if empty.size:
            label = np.empty(len(state["x"]), np.int32)
            kernels.nearest(
                state["x"], label[:, None], model["scaled"], model["norms"], model["origin"]
            )
            for cluster, i in zip(empty, range(len(label)), strict=False):
                # A row that lies on its centre would not be a better one.
                if state["key"][i] < 0:
                    total[label[i]] -= state["x"][i]
                    size[label[i]] -= 1
                    total[cluster], size[cluster] = state["x"][i], 1
        moved: Array = model["centers"].copy()
        some: Bools = size > 0
        moved[some] = total[some] / size[some, None]
        return moved

    def results(self, model: State, state: State | None) -> dict[str, Array]:
        """Return the centres, and the clusters under them."""
        centres = model["centers"].reshape(self.clusters, *self.spec.shape[1:])
        inertia, sizes = float(model["inertia"][0]), model["cluster_sizes"]
        # Centres may be none yet where the seeding was stopped.
        phase: np.int64 = model["phase"][0]
        if state is not None and phase != SEED:
            # Rounds that move centres do not measure, and a fit may be stopped after one.
            inertia = float(state["inertia"][0]) if phase == MEASURE else _inertia(model, state)
            sizes = state["count"]
            self._warn_of_empty(int(np.count_nonzero(sizes)))
        return {
            "cluster_centers": centres,
            "inertia": np.asarray(inertia),
            "n_iter": model["n_iter"][0],
            "cluster_sizes": sizes,
        }

    def _warn_of_empty(self, found: int) -> None:
        """Warn as scikit-learn does."""
        if found < self.clusters:
            warnings.warn(
                f"kmeans found {found} distinct clusters, fewer than the {self.clusters} asked "
                "for: there may be duplicates among the rows",
                convergence_warning(),
                stacklevel=2,
            )

    @property
    def rows(self) -> tuple[str, Stage]:
        """The label of each row."""
        args = (FromModel("scaled"), FromModel("norms"), FromModel("origin"))
        stage = Stage(
            "kmeans", kernels.nearest, args, np.dtype(np.int32), matrix=True, row_shape=()
        )
        return "labels", stage


def _whole(*shape: int) -> ArraySpec:
    return ArraySpec(shape, np.dtype(np.int64))


def _real(*shape: int) -> ArraySpec:
    return ArraySpec(shape, np.dtype(np.float64))


def _prepare(model: State) -> None:
    model["scaled"][...], model["norms"][...], model["origin"][...] = comparable(model["centers"])


def _about_mean(model: State, state: State) -> float:
    """Return how much less the squared distances to the centres are than those to the mean."""
    n = state["count"][:, None]
    centre: Array = model["centers"] - model["mean"]
    total: Array = state["total"] - n * model["mean"]
    return float((centre * (2 * total - n * centre)).sum())


def _scatter(model: State, state: State) -> None:
    """Compute the mean of all rows and the squared distances to it."""
    model["mean"][...] = state["total"].sum(axis=0) / state["count"].sum()
    model["scatter"][0] = state["inertia"][0] + _about_mean(model, state)


def _inertia(model: State, state: State) -> float:
    """Return the squared distances to the centres, from sums: they are measured once, at first."""
    return max(float(model["scatter"][0]) - _about_mean(model, state), 0.0)


def convergence_warning() -> type[Warning]:
    """Return scikit-learn's `ConvergenceWarning` where that is installed, else ours."""
    try:
        from sklearn.exceptions import ConvergenceWarning as Theirs  # noqa: PLC0415
    except ImportError:
        return ConvergenceWarning
    theirs: type[Warning] = Theirs
    return theirs
