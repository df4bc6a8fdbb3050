"""What the models need of scikit-learn, where that is not installed: the same, for arrays.

Names and arguments are scikit-learn's, so that `foundation` can take either.
"""

from __future__ import annotations

import inspect
from typing import Any, Self

import numpy as np

from sharedcompute.errors import InputError
from sharedcompute.operations.specs import Array, DType


class NotFittedError(InputError, AttributeError):
    """A model is asked for what only a fit can give it."""


class BaseEstimator:
    """Parameters by name: those of ``__init__``, which keeps each under its own name."""

    @classmethod
    def _defaults(cls) -> dict[str, Any]:
        known = inspect.signature(cls).parameters
        return {name: parameter.default for name, parameter in known.items()}

    def get_params(self, deep: bool = True) -> dict[str, Any]:
        """The parameters by name."""
        del deep
        return {name: getattr(self, name) for name in self._defaults()}

    def set_params(self, **params: Any) -> Self:
        """Set parameters by name.

        Raises
        ------
        InputError
            There is no such parameter.
        """
        known = self._defaults()
        for name in params:
            if name not in known:
                raise InputError(
                    f"{type(self).__name__} has no parameter {name!r}: known: {', '.join(known)}"
                )
        for name, value in params.items():
            setattr(self, name, value)
        return self

    def __repr__(self) -> str:
        default = self._defaults()
        # Not by value: arrays are compared element by element.
        own = {n: v for n, v in self.get_params().items() if repr(v) != repr(default[n])}
        return f"{type(self).__name__}({', '.join(f'{n}={v!r}' for n, v in own.items())})"

    def __sklearn_tags__(self) -> Any:
        """What scikit-learn asks of its own estimators, which this is not one of."""
        raise InputError("expected scikit-learn 1.6 or later, which is not installed: install it")


class TransformerMixin:
    """A model with `transform`."""

    def fit_transform(self, X: Any, y: Any = None) -> Any:
        """Fit to rows and transform them."""
        return self.fit(X, y).transform(X)  # type: ignore[attr-defined]


class ClusterMixin:
    """A model with `labels_`."""

    def fit_predict(self, X: Any, y: Any = None) -> Any:
        """Fit to rows and give their labels."""
        return self.fit(X, y).labels_  # type: ignore[attr-defined]


class RegressorMixin:
    """A model of targets."""


class ClassNamePrefixFeaturesOutMixin:
    """Names of what `transform` gives: the model's own, with a number."""

    @property
    def _n_features_out(self) -> int:
        raise NotImplementedError

    def get_feature_names_out(self, input_features: Any = None) -> Array:
        """A name for each column of what `transform` gives."""
        del input_features
        check_is_fitted(self)
        name = type(self).__name__.lower()
        return np.array([f"{name}{i}" for i in range(self._n_features_out)], dtype=object)


def check_is_fitted(estimator: Any) -> None:
    """Refuse a model that has not been fitted.

    Raises
    ------
    NotFittedError
    """
    if not any(name.endswith("_") and not name.startswith("__") for name in vars(estimator)):
        name = type(estimator).__name__
        raise NotFittedError(f"this {name} is not fitted yet: call fit first")


def validate_data(
    estimator: Any,
    X: Any,
    y: Any = "no_validation",
    *,
    reset: bool = True,
    dtype: tuple[type[Any], ...] = (np.float64, np.float32),
    ensure_min_samples: int = 1,
    multi_output: bool = True,
    y_numeric: bool = True,
) -> Any:
    """`X` as a matrix of finite floats, and `y` as finite numbers with as many rows.

    With `reset` the columns are those that the model is fitted to, else they are compared with
    them.

    Raises
    ------
    InputError
        Something is not so.
    """
    del multi_output, y_numeric
    name = type(estimator).__name__
    x = _finite("X", X, tuple(map(np.dtype, dtype)))
    if x.ndim != 2:
        raise InputError(f"Expected 2D array, got {x.ndim}D array instead: use X.reshape(-1, 1)")
    rows, columns = x.shape
    if rows < ensure_min_samples or not columns:
        raise InputError(
            f"{name} expected at least {ensure_min_samples} row(s) and 1 column, got shape "
            f"{x.shape}: give more"
        )
    _compare_columns(estimator, X, columns, reset)
    if isinstance(y, str) and y == "no_validation":
        return x
    if y is None:
        raise InputError(f"{name} requires y to be passed, but the target y is None: give it")
    target = _finite("y", y)
    if target.ndim not in (1, 2) or len(target) != rows:
        raise InputError(f"{name} expected y with {rows} rows, got shape {target.shape}")
    return x, target


def _finite(what: str, given: Any, dtypes: tuple[DType, ...] = ()) -> Array:
    """An array of finite real numbers, of the first of `dtypes` where it is of none of them."""
    if hasattr(given, "toarray"):
        raise TypeError(f"expected dense data, {what} is sparse: give {what}.toarray()")
    try:
        x = np.asarray(given)
        x = x.astype(np.float64) if x.dtype.kind not in "biufc" else x
    except (TypeError, ValueError) as problem:
        raise InputError(f"expected {what} of numbers: {problem}") from None
    if x.dtype.kind == "c":
        raise InputError(f"Complex data not supported: give {what}.real, or its magnitude")
    if dtypes and x.dtype not in dtypes:
        x = x.astype(dtypes[0])
    if not np.isfinite(x).all():
        found = "NaN" if np.isnan(x).any() else "infinity"
        raise InputError(f"Input {what} contains {found}: leave such rows out, or fill them in")
    return x


def _compare_columns(estimator: Any, X: Any, columns: int, reset: bool) -> None:
    names = [str(name) for name in getattr(X, "columns", ())]
    if reset:
        estimator.n_features_in_ = columns
        vars(estimator).pop("feature_names_in_", None)
        if names:
            estimator.feature_names_in_ = np.array(names, dtype=object)
        return
    if columns != estimator.n_features_in_:
        raise InputError(
            f"X has {columns} features, but {type(estimator).__name__} is expecting "
            f"{estimator.n_features_in_} features as input"
        )
    fitted = getattr(estimator, "feature_names_in_", None)
    if names and fitted is not None and names != fitted.tolist():
        raise InputError(
            f"The feature names should match those that were passed during fit: {list(fitted)}"
        )
