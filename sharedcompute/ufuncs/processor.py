"""What the bits of NumPy's functions depend on besides their operands."""

from __future__ import annotations

import platform
from functools import cache
from typing import Any

import numpy as np


@cache
def processor_text() -> str:
    """Return NumPy's version, the vector instructions that it uses here, and the C library.

    Functions as exp and sin, and products of complex numbers, may have other bits where one of
    these is another; what is arithmetic alone has not (`Program.uses_dispatched_functions`).
    """
    config: Any = np.show_config(mode="dicts")
    found = config.get("SIMD Extensions", {}).get("found", [])
    library = "-".join(platform.libc_ver())
    return f"numpy {np.__version__}; {platform.machine()} {' '.join(found)}; {library}"
