"""The base of all models: how they run, and what they accept as rows."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any, Protocol

import numpy as np
from numpy.typing import ArrayLike

from sharedcompute import events
from sharedcompute.api import fits, maps
from sharedcompute.api.fitted import Fitted
from sharedcompute.api.lazy.array import LazyArray
from sharedcompute.api.lazy.opening import open_array
from sharedcompute.api.typing import AddressLike, ArrayInput
from sharedcompute.errors import InputError
from sharedcompute.events import Listener
from sharedcompute.hdf5.address import Address
from sharedcompute.learn.foundation import BaseEstimator, check_is_fitted, validate_data
from sharedcompute.operations.specs import Array, DType
from sharedcompute.shm.shared_array import SharedArray
from sharedcompute.team import Team
from sharedcompute.traits import EngineName
from sharedcompute.validation.arrays import refuse_meaning

FLOATS = (np.float64, np.float32)
"""Dtypes of the arithmetic: other arrays are cast to the first, as scikit-learn does."""


class Rows(Protocol):
    """Rows that lie in a file or in shared memory, and are read by those who work on them."""

    @property
    def shape(self) -> tuple[int, ...]:
        """Their shape."""

    @property
    def dtype(self) -> DType:
        """Their dtype."""

    def __getitem__(self, key: slice, /) -> ArrayLike:
        """Return some of them, as an array."""

    def __array__(self) -> Array:
        """Return all of them."""


def opened(given: ArrayInput) -> Rows | None:
    """Return what is given as rows, unless it is for scikit-learn to convert to an array."""
    if isinstance(given, str | os.PathLike | Address):
        return open_array(given)
    refuse_meaning(given)
    if isinstance(given, LazyArray | SharedArray):
        return given
    if type(given).__module__.startswith("h5py") and hasattr(given, "chunks"):
        there: Any = given
        rows: Rows = there
        return rows
    return None


class Estimator(BaseEstimator):
    """A model: parameters by name, and a call of a fit or a map with them."""

    workers: int | None
    threads: int | None
    memory: int | str | None
    engine: EngineName
    team: Team | None
    listen: Listener | None
    n_features_in_: int

    def _fit(self, name: str, x: Array | Rows, params: Mapping[str, Any]) -> Fitted:
        listen = self.listen or events.ignore
        return fits.fit(name, x, listen=listen, **self._running(), **params)

    def _map(
        self,
        name: str,
        X: ArrayInput,
        params: Mapping[str, Any],
        output: AddressLike | Array | None,
        overwrite: bool,
    ) -> Array | LazyArray:
        """Compute a row for each row of `X`, in memory or at an address."""
        x = self._checked(X)
        how = {"overwrite": overwrite, **self._running()}
        return maps.map(name, x, output, listen=self.listen or events.ignore, **how, **params)

    def _running(self) -> dict[str, Any]:
        """Return the options that are given. A team has workers and threads of its own."""
        given: dict[str, object] = {
            "workers": self.workers,
            "threads": self.threads,
            "memory": self.memory,
            "engine": self.engine,
            "team": self.team,
        }
        return {name: value for name, value in given.items() if value is not None}

    def _rows(self, X: ArrayInput, least: int) -> Array | Rows:
        """Return rows to fit to."""
        there = opened(X)
        if there is None:
            return validate_data(self, X, dtype=FLOATS, ensure_min_samples=least)
        self._fitted_to(there, least)
        return there

    def _rows_and_target(
        self, X: ArrayInput, y: ArrayInput, least: int
    ) -> tuple[Array | Rows, Array]:
        """Return rows to fit to, and their targets."""
        there, target = opened(X), in_memory(y)
        if there is None:
            return validate_data(
                self,
                X,
                target,
                dtype=FLOATS,
                ensure_min_samples=least,
                multi_output=True,
                y_numeric=True,
            )
        if target is None:
            name = type(self).__name__
            raise InputError(f"{name} requires y to be passed, but the target y is None: give it")
        self._fitted_to(there, least)
        return there, np.asarray(target)

    def _checked(self, X: ArrayInput) -> Array | Rows:
        """Return rows like those that the model was fitted to."""
        check_is_fitted(self)
        there = opened(X)
        if there is None:
            return validate_data(self, X, dtype=FLOATS, reset=False)
        columns = _columns(there)
        if columns != self.n_features_in_:
            raise InputError(
                f"X has {columns} features, but {type(self).__name__} is expecting "
                f"{self.n_features_in_} features as input"
            )
        return there

    def _fitted_to(self, rows: Rows, least: int) -> None:
        columns = _columns(rows)
        if rows.shape[0] < least:
            name = type(self).__name__
            raise InputError(f"{name} expected at least {least} rows, got {rows.shape[0]}")
        self.n_features_in_ = columns
        self.__dict__.pop("feature_names_in_", None)

    def __getstate__(self) -> dict[str, object]:
        """Return all but the team and the listener, which belong to this process."""
        return {**super().__getstate__(), "team": None, "listen": None}


def in_memory(y: ArrayInput) -> ArrayInput:
    """Return the target in memory, where it is given as rows elsewhere."""
    there = opened(y)
    return y if there is None else np.asarray(there)


def _columns(rows: Rows) -> int:
    if len(rows.shape) != 2:
        raise InputError(
            f"expected rows of shape (n_samples, n_features), got {rows.shape}: sharedcompute.fit "
            "takes rows of any shape"
        )
    return rows.shape[1]
