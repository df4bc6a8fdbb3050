"""The base classes and checks of scikit-learn that the models are built on."""

try:
    from sklearn.base import (
        BaseEstimator,
        ClassNamePrefixFeaturesOutMixin,
        ClusterMixin,
        RegressorMixin,
        TransformerMixin,
    )
    from sklearn.exceptions import ConvergenceWarning, NotFittedError
    from sklearn.utils import Tags
    from sklearn.utils.validation import check_is_fitted, validate_data
except ImportError as problem:
    raise ImportError(
        "sharedcompute.learn needs scikit-learn 1.6 or later: "
        f"pip install 'sharedcompute[learn]' ({problem})"
    ) from problem

__all__ = [
    "BaseEstimator",
    "ClassNamePrefixFeaturesOutMixin",
    "ClusterMixin",
    "ConvergenceWarning",
    "NotFittedError",
    "RegressorMixin",
    "Tags",
    "TransformerMixin",
    "check_is_fitted",
    "validate_data",
]
