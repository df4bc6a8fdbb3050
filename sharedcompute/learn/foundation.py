"""What the models are built on: scikit-learn's base classes and checks, or ours in their place."""

from typing import TYPE_CHECKING

# scikit-learn has no type information: the checker reads the stand-in, which has the same form.
if TYPE_CHECKING:
    from sharedcompute.errors import ConvergenceWarning
    from sharedcompute.learn.standin import (
        BaseEstimator,
        ClassNamePrefixFeaturesOutMixin,
        ClusterMixin,
        NotFittedError,
        RegressorMixin,
        TransformerMixin,
        check_is_fitted,
        validate_data,
    )
else:
    try:
        from sklearn.base import (
            BaseEstimator,
            ClassNamePrefixFeaturesOutMixin,
            ClusterMixin,
            RegressorMixin,
            TransformerMixin,
        )
        from sklearn.exceptions import ConvergenceWarning, NotFittedError
        from sklearn.utils.validation import check_is_fitted, validate_data
    except ImportError:
        from sharedcompute.errors import ConvergenceWarning
        from sharedcompute.learn.standin import (
            BaseEstimator,
            ClassNamePrefixFeaturesOutMixin,
            ClusterMixin,
            NotFittedError,
            RegressorMixin,
            TransformerMixin,
            check_is_fitted,
            validate_data,
        )

__all__ = [
    "BaseEstimator",
    "ClassNamePrefixFeaturesOutMixin",
    "ClusterMixin",
    "ConvergenceWarning",
    "NotFittedError",
    "RegressorMixin",
    "TransformerMixin",
    "check_is_fitted",
    "validate_data",
]
