"""What is known of a lazy array beside its numbers: where it is read, names, attributes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from types import MappingProxyType
from typing import Any

import numpy as np

from sharedcompute.errors import InputError
from sharedcompute.graph import build
from sharedcompute.graph.node import (
    Elementwise,
    Node,
    Permute,
    Read,
    Reduce,
    Reshape,
    Rowwise,
    Select,
    ordered,
)
from sharedcompute.graph.ports import Source
from sharedcompute.hdf5.address import Address
from sharedcompute.hdf5.inspection.inspector import open_source
from sharedcompute.hdf5.inspection.labels import labels_of
from sharedcompute.hdf5.reading.source import DatasetSource
from sharedcompute.operations.rowwise.unpacking import as_asked, unpack_stage
from sharedcompute.planning.in_memory import ArraySource

Names = tuple[str | None, ...]


@dataclass(frozen=True)
class Labelled(ArraySource):
    """An array in memory whose dimensions have names.

    Parameters
    ----------
    dimensions : tuple of str
    attributes : tuple of (str, object)
    """

    dimensions: Names = ()
    attributes: tuple[tuple[str, Any], ...] = ()


@dataclass(frozen=True)
class Described:
    """How a dataset was opened.

    Parameters
    ----------
    address : Address
    decode_cf, allow_external : bool
    """

    address: Address
    decode_cf: bool = False
    allow_external: bool = False
