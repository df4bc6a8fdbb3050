"""The interface of encoders."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sharedcompute.hdf5.filters.pipeline import Pipeline

EncodedBytes = tuple[int, bytes]
"""A chunk's filter mask and its bytes."""


class Encoder(ABC):
    """Encodes chunks of one dataset.

    Parameters
    ----------
    pipeline : tuple of Filter
    chunks : tuple of int
        A chunk's shape.
    dtype : numpy.dtype
        In the file.
    """

    def __init__(self, pipeline: Pipeline, chunks: tuple[int, ...], dtype: np.dtype[Any]) -> None:
        self._pipeline = pipeline
        self._chunks = chunks
        self._dtype = dtype

    @abstractmethod
    def encode(self, chunks: Iterable[NDArray[Any]]) -> Iterator[EncodedBytes]:
        """Encode `chunks` in their order; each is used before the next is requested.

        They are whole, but may have any strides and be of another byte order than in the file.
        """

    def close(self) -> None:  # noqa: B027
        """Close what is open. Harmless when done twice."""
