from typing import Any

import numpy as np
from numba.core.types import Type

def from_dtype(dtype: np.dtype[Any]) -> Type: ...
