"""Models in scikit-learn's manner: ``fit``, ``predict``, ``transform``, on every core.

They are scikit-learn's estimators (1.6 or later, the extra ``learn``), and go wherever those go.
Beside arrays they take an address ``FILE::PATH``, a dataset or a shared array, larger than memory
too.
"""

from sharedcompute.errors import ConvergenceWarning
from sharedcompute.learn.clusters import KMeans
from sharedcompute.learn.components import PCA
from sharedcompute.learn.foundation import NotFittedError
from sharedcompute.learn.regressions import LinearRegression, Ridge

__all__ = [
    "PCA",
    "ConvergenceWarning",
    "KMeans",
    "LinearRegression",
    "NotFittedError",
    "Ridge",
]
