"""Iterative operations: algorithms that go over the rows, or over a grid, until they converge.

A `Fit` or `Solve` is a declaration like every operation; its `make` returns the algorithm for the
given data. There are two kinds of algorithm. `Rounds` read all rows in each round: every block
contributes a state, the states are combined in a fixed binary tree over block numbers, and `update`
makes the next model of them. `Sweeps` work on grids in shared memory, all ranks in step, with a
barrier inside the compiled loop. Engines know these two only, so a new fit needs no new engine
code.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Literal, Protocol, runtime_checkable

from sharedcompute.errors import InputError
from sharedcompute.operations.described import Described
from sharedcompute.operations.parameters import Parameter
from sharedcompute.operations.specs import Array, ArraySpec, Params, State, check_kind
from sharedcompute.operations.stages import Stage

Specs = Mapping[str, ArraySpec]


@dataclass(frozen=True)
class Step:
    """The outcome of a round.

    Parameters
    ----------
    values : mapping of str to float
        What is reported to listeners, and kept as the history: ``{"inertia": 12.5, ...}``, the
        names that the `Fit` declares.
    done : bool
        No other round is needed.
    converged : bool
        It is done because it has converged, and not because `max_iter` was reached.
    """

    values: Mapping[str, float]
    done: bool = False
    converged: bool = False


class RowsAt(Protocol):
    """The input's rows, for the first model: read when they are asked for."""

    def __call__(self, start: int, stop: int) -> Array:
        """Return rows, as the algorithm will see them."""


class Rounds(Protocol):
    """An algorithm that reads all rows in each round. Plain data that pickles.

    All arrays are made by the engine: `model` holds what rounds read, `state` the result of one
    block. Both are dicts of plain ndarrays by the names of the specs. Bits must not depend on who
    calls what where: `add` is called for the strips of a block in order, blocks in any order.
    """

    @property
    def model(self) -> Specs:
        """The arrays that rounds compute. They are zero before `begin`."""

    @property
    def state(self) -> Specs:
        """The arrays of one block's contribution."""

    def begin(self, model: State, rows: RowsAt) -> None:
        """Make the first model. Called once, before the workers start."""

    def reset(self, state: State) -> None:
        """Make a state that of no rows: the identity of `combine`."""

    def add(self, x: Array, start: int, block: int, model: State, state: State) -> None:
        """Add the strip `x`, shape (rows, ...), that begins at row `start`, to a block's state."""

    def combine(self, a: State, b: State) -> None:
        """Add the state `b` of later rows to `a`, in place."""

    def update(self, model: State, state: State) -> Step:
        """Make the next model, in place, from the state of all rows. Called on one rank."""

    @property
    def needs_last(self) -> bool:
        """Whether `results` needs the state of all rows under the last model: one more round."""

    def results(self, model: State, state: State | None) -> dict[str, Array]:
        """Return the results, from the last model and, where `needs_last`, its state.

        None where it does not. Also a fit that is stopped has that round.
        """

    @property
    def rows(self) -> tuple[str, Stage] | None:
        """The result for each row: a name, and the stage that computes it from the input's rows.

        `FromModel` in the stage's arguments stands for an array of the last model.
        """


@runtime_checkable
class Sweeps(Protocol):
    """An algorithm on grids that lie in shared memory, all ranks in step. Plain data that pickles.

    `model` has the grids themselves.
    """

    @property
    def model(self) -> Specs:
        """The grids, and what ranks exchange. Zero before `begin`."""

    def begin(self, model: State, rows: RowsAt) -> None:
        """Fill in the grids. Called once, before the workers start."""

    def sweep(self, control: Any, model: State) -> None:
        """Do the sweeps of one round, with all other ranks.

        `control` is what `sharedcompute.sync.barrier` takes, in nopython code too; it has `rank`
        and `size`. Each rank writes its own rows: ``rows.share(n, size, rank)``.
        """

    def update(self, model: State) -> Step:
        """Check the sweeps. Called on one rank, while the others wait."""

    def results(self, model: State) -> dict[str, Array]:
        """Return the results."""


Algorithm = Rounds | Sweeps


@dataclass(frozen=True)
class Iterative(Described):
    """An operation that iterates over the rows or over a grid: a `Fit` or a `Solve`.

    Parameters
    ----------
    name : str
    make : callable
        ``make(params, spec)``: the algorithm for data of `spec`. Raises `InputError` where they do
        not go together (more clusters than rows).
    gives : tuple of str
        The names of all results, with that of the rows.
    watched : tuple of str
        The names of a step's values.
    like_row : tuple of str
        Results whose last axes are those of a row.
    like_input : tuple of str
        Results with the axes of the input.
    summary : str
        One line.
    parameters : tuple of Parameter
    kinds : str
        The kinds of data it takes, as in `numpy.dtype.kind`.
    shows_nan : bool
        A row with NaN or infinity makes the state of the first round such, so rows need not be
        checked as they are read.
    strip_rows : int
        Rows that a strip should have, for a BLAS to be fast.
    """

    name: str
    make: Callable[[Params, ArraySpec], Algorithm]
    gives: tuple[str, ...]
    watched: tuple[str, ...]
    summary: str = ""
    parameters: tuple[Parameter, ...] = ()
    kinds: str = "biuf"
    shows_nan: bool = False
    strip_rows: int = 1
    like_row: tuple[str, ...] = ()
    like_input: tuple[str, ...] = ()
    kind: ClassVar[Literal["fit", "solve"]]

    @property
    def saved(self) -> tuple[str, ...]:
        """The paths of all that is saved, in the group that the output names."""
        return (*self.gives, *(f"history/{name}" for name in self.watched))

    def algorithm(self, params: Params, spec: ArraySpec) -> Algorithm:
        """Return the algorithm for data of `spec`.

        Raises
        ------
        InputError
            They do not go together.
        """
        check_kind(self.name, self.kinds, spec.dtype)
        if 0 in spec.shape:
            raise InputError(
                f"{self.name} of no elements is not defined, got shape {spec.shape}: give rows"
            )
        return self.make(params, spec)


@dataclass(frozen=True)
class Fit(Iterative):
    """An iterative operation whose results describe the rows: a model of them.

    Parameters are those of `Iterative`.
    """

    kind: ClassVar[Literal["fit", "solve"]] = "fit"


@dataclass(frozen=True)
class Solve(Iterative):
    """An iterative operation that solves an equation: the input is a grid, or a matrix.

    Parameters are those of `Iterative`.
    """

    kind: ClassVar[Literal["fit", "solve"]] = "solve"
