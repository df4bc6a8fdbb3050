"""Types of what the public functions take, for editors and type checkers."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence

from numpy.typing import ArrayLike

from sharedcompute.hdf5.address import Address
from sharedcompute.operations.declarations import Operation

AddressLike = str | os.PathLike[str] | Address
"""``FILE`` or ``FILE::PATH``."""

ArrayInput = AddressLike | ArrayLike
"""An address, or an array: of NumPy, in shared memory, a LazyArray, an h5py.Dataset, a list."""

Kernel = Callable[..., None]
"""``kernel(x_rows, out_rows)``, numba or plain Python."""

OperationLike = str | Operation | Kernel
"""The name of an operation, an operation of your own, or a kernel."""

Axis = str | int | Sequence[int] | None
"""As in NumPy; 'rows' is 0, 'all' is None. Text as ``0,2`` too."""
