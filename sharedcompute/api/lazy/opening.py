"""Making lazy arrays: of datasets in files, and of arrays."""

from __future__ import annotations

import glob
import os
from typing import Any

import h5py

from sharedcompute.api.inputs import source_of_h5py
from sharedcompute.api.lazy.array import LazyArray
from sharedcompute.api.lazy.opened import Labelled, Opening
from sharedcompute.api.lazy.operands import Operand, node_of, plain
from sharedcompute.api.typing import AddressLike, ArrayInput
from sharedcompute.errors import InputError
from sharedcompute.graph import build
from sharedcompute.hdf5.address import Address
from sharedcompute.hdf5.inspection.inspector import open_source


def open_array(
    address: AddressLike,
    *,
    decode_cf: bool = False,
    allow_external: bool = False,
) -> LazyArray:
    """Open a dataset as a lazy array: nothing of it is read.

    Parameters
    ----------
    address : str, os.PathLike or Address
        ``FILE::PATH``, or ``FILE`` alone where it has one array; a window of it in brackets.
    decode_cf : bool, default: False
        Apply ``scale_factor``, ``add_offset``, ``_FillValue`` and ``missing_value``.
    allow_external : bool, default: False
        Read what links, virtual sources and external storage name elsewhere than in the folder of
        the file.

    Returns
    -------
    LazyArray
        Read when its numbers are asked for, and given to any function that takes an input.

    Raises
    ------
    InputError
        There is no such dataset, or it holds no numbers; an attribute to apply is no number.

    Examples
    --------
    >>> import h5py
    >>> import numpy as np
    >>> import sharedcompute as sc
    >>> with h5py.File("in.h5", "w") as file:
    ...     file["x"] = np.arange(6.0).reshape(3, 2)
    >>> x = sc.open("in.h5::/x")
    >>> x.shape, x[1:, 0].compute()
    ((3, 2), array([2., 4.]))
    """
    given: object = address
    if not isinstance(given, str | os.PathLike | Address):
        raise InputError(f"expected FILE or FILE::PATH, got {given!r}")
    source = open_source(Address.parse(address), allow_external)
    # From here on it is this dataset, wherever this process goes and whatever is put beside it.
    home = os.getcwd() if source.glob is None else glob.escape(os.getcwd())  # noqa: PTH109 - odd names
    return LazyArray(build.decoded(source, decode_cf), Opening(decode_cf, allow_external, home))


open = open_array  # as users call it


def lazy(array: ArrayInput) -> LazyArray:
    """Return a lazy array of an array that is there, without a copy of it.

    Parameters
    ----------
    array : ndarray, SharedArray, h5py.Dataset, xarray.DataArray, address or array_like
        What has no contiguous rows in native byte order is copied.

    Returns
    -------
    LazyArray
        What NumPy makes of it is computed when it is asked for.

    Raises
    ------
    InputError
        It is no array of numbers.

    Examples
    --------
    >>> import numpy as np
    >>> import sharedcompute as sc
    >>> x = sc.lazy(np.arange(4.0))
    >>> np.sqrt(x + 5).compute()
    array([2.23606798, 2.44948974, 2.64575131, 2.82842712])
    """
    given: Any = array
    if isinstance(given, LazyArray):
        return given
    if isinstance(given, Operand):
        return LazyArray(given.node)
    if isinstance(given, str | os.PathLike | Address):
        return open_array(given)
    if isinstance(given, h5py.Dataset):
        return LazyArray(build.read(source_of_h5py(given, False)), Opening(home=os.getcwd()))  # noqa: PTH109 - odd names
    if type(given).__module__.startswith("xarray.") and hasattr(given, "dims"):
        names = tuple(map(str, given.dims))
        labelled = Labelled(
            plain(given),
            dimensions=names,
            attributes=tuple(given.attrs.items()),
            coordinates=tuple((n, given.coords[n].values) for n in names if n in given.coords),
        )
        return LazyArray(build.read(labelled)) if names else LazyArray(node_of(plain(given)))
    return LazyArray(node_of(given))
