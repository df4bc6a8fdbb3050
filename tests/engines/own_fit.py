"""A fit of a user's own: the mean of the rows, come to by halves."""

from __future__ import annotations

import os
import signal
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from sharedcompute.operations.fits.declaration import Fit, Step
from sharedcompute.operations.kinds import count, order
from sharedcompute.operations.parameters import Parameter
from sharedcompute.operations.specs import ArraySpec
from sharedcompute.operations.stages import FromModel, Stage

F8, I8 = np.dtype(np.float64), np.dtype(np.int64)
Arrays = Mapping[str, np.ndarray[Any, Any]]


def centre(x: Any, out: Any, mean: Any) -> None:
    """How far each row is from the mean, all columns together."""
    out[...] = (x - mean).sum(axis=1)


@dataclass(frozen=True)
class Halves:
    """Each round takes half of the way that is left."""

    columns: int
    rounds: int
    fails_in: int
    dies: str

    needs_last = True
    rows = ("centred", Stage("centre", centre, (FromModel("mean"),), F8, row_shape=()))

    @property
    def model(self) -> dict[str, ArraySpec]:
        return {"mean": ArraySpec((self.columns,), F8), "round": ArraySpec((), I8)}

    @property
    def state(self) -> dict[str, ArraySpec]:
        return {"sum": ArraySpec((self.columns,), F8), "count": ArraySpec((), I8)}

    def begin(self, model: Any, rows: Any) -> None:
        model["mean"][...] = rows(0, 1)[0]

    def reset(self, state: Any) -> None:
        for field in state.values():
            field[...] = 0

    def add(self, x: Any, start: int, block: int, model: Any, state: Any) -> None:
        if self.dies and model["round"] == 3 and block == 2 and not Path(self.dies).exists():
            Path(self.dies).touch()
            os.kill(os.getpid(), signal.SIGKILL)
        state["sum"] += (x - model["mean"]).sum(axis=0)
        state["count"] += len(x)

    def combine(self, a: Any, b: Any) -> None:
        for name in a:
            a[name] += b[name]

    def update(self, model: Any, state: Any) -> Step:
        model["round"] += 1
        if model["round"] == self.fails_in:
            raise ArithmeticError("it does not come out")
        shift = state["sum"] / state["count"] / 2
        model["mean"] += shift
        far = float(np.abs(shift).max())
        return Step({"shift": far}, done=bool(model["round"] >= self.rounds or far < 1e-12),
                    converged=far < 1e-12)  # fmt: skip

    def results(self, model: Any, state: Any) -> dict[str, Any]:
        return {"mean": model["mean"], "rest": state["sum"]}


HALVES = Fit(
    "halves",
    lambda p, spec: Halves(spec.row_size, p["rounds"], p["fails_in"], p["dies"]),
    ("mean", "rest", "centred"),
    ("shift",),
    parameters=(
        Parameter("rounds", count, "how many", 100),
        Parameter("fails_in", order, "a round that raises", 0),
        Parameter("dies", str, "a file that is made by the one that dies", ""),
    ),
)
