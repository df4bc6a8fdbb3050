from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pytest


@pytest.fixture(autouse=True)
def _ieee_without_warnings() -> Iterator[None]:
    """NaN, infinities and integers that wrap are the subject here, also with the JIT off."""
    with np.errstate(all="ignore"):
        yield
