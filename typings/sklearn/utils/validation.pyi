from typing import Any, overload

import numpy as np
from numpy.typing import NDArray

from sklearn.base import BaseEstimator

def check_is_fitted(estimator: BaseEstimator) -> None: ...
@overload
def validate_data(
    _estimator: BaseEstimator,
    /,
    X: object,
    *,
    reset: bool = True,
    dtype: tuple[type[np.generic], ...],
    ensure_min_samples: int = 1,
) -> NDArray[Any]: ...
@overload
def validate_data(
    _estimator: BaseEstimator,
    /,
    X: object,
    y: object,
    *,
    dtype: tuple[type[np.generic], ...],
    ensure_min_samples: int = 1,
    multi_output: bool = False,
    y_numeric: bool = False,
) -> tuple[NDArray[Any], NDArray[Any]]: ...
