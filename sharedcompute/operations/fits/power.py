"""The dominant eigenvector of a matrix, by power iteration."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from sharedcompute.errors import InputError
from sharedcompute.kernels import moments as kernels
from sharedcompute.operations.fits.components import upright
from sharedcompute.operations.fits.declaration import RowsAt, Solve, Specs, Step
from sharedcompute.operations.fits.moments import numbers
from sharedcompute.operations.kinds import count, not_negative, order
from sharedcompute.operations.parameters import Parameter
from sharedcompute.operations.specs import Array, ArraySpec, Params, State
from sharedcompute.operations.stages import Stage


@dataclass(frozen=True)
class PowerIteration:
    """The dominant eigenvector of a square matrix, whose rows are the rows of the input.

    ``v`` becomes ``A v`` over its norm. It converges where one eigenvalue is larger in magnitude
    than all others, symmetric or not; the error shrinks by the ratio of the second to it.

    Parameters
    ----------
    n : int
        Rows and columns of the matrix.
    tol : float
        It has converged when the residual ``|A v - l v|`` is at most so many times ``|l|``.
    max_iter : int
    seed : int
        Of the random start.

    References
    ----------
    .. [1] Golub, Van Loan, "Matrix Computations", 4th edition, sections 7.3.1 and 8.2.1.
    """

    n: int
    tol: float
    max_iter: int
    seed: int

    @property
    def model(self) -> Specs:
        """The vector of unit length, its Rayleigh quotient and residual."""
        return {
            "vector": numbers(self.n),
            "value": numbers(1),
            "residual": numbers(1),
            "rounds": numbers(1),
        }

    @property
    def state(self) -> Specs:
        """A part of ``A v``, and the rows ``[first, last)`` that it is of."""
        return {
            "product": numbers(self.n),
            "range": ArraySpec((2,), np.dtype(np.int64)),
        }

    @property
    def needs_last(self) -> bool:
        """False: the model has all results."""
        return False

    def begin(self, model: State, _rows: RowsAt) -> None:
        """Draw a random direction."""
        random = np.random.Generator(np.random.PCG64(self.seed))
        drawn = random.standard_normal(self.n)
        model["vector"][:] = drawn / np.linalg.norm(drawn)

    def reset(self, state: State) -> None:
        """Make it the state of no rows. What is left of others is never read."""
        state["range"][:] = 0

    def add(self, x: Array, start: int, _block: int, model: State, state: State) -> None:
        """Multiply a strip."""
        stop = start + len(x)
        kernels.row_products(x, model["vector"], state["product"][start:stop])
        part = state["range"]
        part[:] = (start if part[0] == part[1] else part[0]), stop

    def combine(self, a: State, b: State) -> None:
        """Put the rows of `b`, which follow, after those of `a`: nothing is added up."""
        first: int
        last: int
        first, last = b["range"]
        if first == last:
            return
        a["product"][first:last] = b["product"][first:last]
        a["range"][:] = (first if a["range"][0] == a["range"][1] else a["range"][0]), last

    def update(self, model: State, state: State) -> Step:
        """Compare ``A v`` with v, and continue with it."""
        v, w = model["vector"], state["product"]
        # Norms are of numbers up to 1: the squares of others may be beyond what numbers hold.
        largest = float(np.abs(w).max())
        if not np.isfinite(largest):
            raise InputError(
                "power expected a matrix whose products are finite, got larger ones: scale it"
            )
        value = float(np.dot(v, w))
        scale = largest or 1.0
        residual = float(scale * np.linalg.norm(w / scale - value / scale * v))
        model["value"][0], model["residual"][0] = value, residual
        model["rounds"][0] += 1
        converged = residual <= self.tol * abs(value)
        done = bool(converged or model["rounds"][0] >= self.max_iter)
        if not done:
            v[:] = w / largest
            v /= np.linalg.norm(v)
        return Step({"eigenvalue": value, "residual": residual}, done, converged)

    def results(self, model: State, _: State | None) -> dict[str, Array]:
        """Return the eigenvalue and the eigenvector, whose largest entry is positive."""
        return {
            "eigenvalue": np.array(model["value"][0]),
            "eigenvector": upright(model["vector"][None])[0],
            "residual": np.array(model["residual"][0]),
        }

    @property
    def rows(self) -> tuple[str, Stage] | None:
        """Nothing for each row: the eigenvector is a result."""
        return None


def _make_power(params: Params, spec: ArraySpec) -> PowerIteration:
    if len(spec.shape) != 2 or spec.shape[0] != spec.shape[1]:
        raise InputError(f"power needs a square matrix, got shape {spec.shape}: give (n, n)")
    return PowerIteration(spec.rows, params["tol"], params["max_iter"], params["random_state"])


POWER = Solve(
    "power",
    _make_power,
    gives=("eigenvalue", "eigenvector", "residual"),
    watched=("eigenvalue", "residual"),
    like_row=("eigenvector",),
    summary="Find the dominant eigenvalue and eigenvector of a square matrix",
    description=(
        "Power iteration: ``v`` becomes ``A v`` over its norm. It converges where one eigenvalue "
        "is larger in magnitude than all others, symmetric or not; the error shrinks by the ratio "
        "of the second to it."
    ),
    returns="""``eigenvalue``, ``residual``, ``converged``
    Numbers; the residual is ``|A v - l v|``.
``eigenvector``
    Of unit length, its largest entry positive, shape (n,), float64.
``history/eigenvalue``, ``history/residual``
    By round.""",
    references=(
        'G. H. Golub, C. F. Van Loan, "Matrix Computations", 4th edition, sections 7.3.1 and '
        "8.2.1.",
    ),
    example=""">>> round(sc.ops.power(np.diag([1.0, 5.0, 2.0])).eigenvalue_, 6)
5.0""",
    parameters=(
        Parameter("tol", not_negative, "residual to reach, relative to the eigenvalue", 1e-8),
        Parameter("max_iter", count, "most rounds", 1000),
        Parameter("random_state", order, "seed of the random start", 0),
    ),
)
