"""Outputs as users give them."""

from __future__ import annotations

import os

import numpy as np

from sharedcompute.api.typing import AddressLike
from sharedcompute.errors import InputError
from sharedcompute.graph.ports import Source
from sharedcompute.hdf5.address import Address


def output_address(output: AddressLike | None, *, rowwise: bool = False) -> Address | None:
    """Return the address of an output; None where results are returned.

    Parameters
    ----------
    output : address or None
    rowwise : bool
        Whether an array would do as well; for the text of the error.

    Raises
    ------
    InputError
        It is no address.
    """
    given: object = output
    if not isinstance(given, str | os.PathLike | Address | None):
        got = f"{type(given).__name__} {getattr(given, 'shape', '')}".rstrip()
        raise InputError(
            f"output: expected FILE::PATH{' or an array' * rowwise}, got {got}"
            + "; the results are returned: write out[...] = sharedcompute.reduce(...)"
            * (not rowwise and isinstance(given, np.ndarray))
        )
    return None if output is None else Address.parse(output).literal


def group_of(output: Address | None) -> str | None:
    """Return the group that an output names; None without an output."""
    return None if output is None else output.path or "/"


def dataset_of(output: Address, source: Source) -> str:
    """Return the dataset that an output names: FILE alone, or FILE::/, keeps the input's name."""
    named = output.path if output.path != "/" else None
    return named or str(getattr(source, "name", "/data"))
