"""Chunk shapes: read from the command line, and chosen."""

from __future__ import annotations

import math
from typing import Literal

from sharedcompute.errors import InputError

AUTO_NBYTES = 1 << 20
"""Bytes that `auto_chunks` aims at: many enough for the codecs, few enough for a core's cache."""

CHUNK_LIMIT = (1 << 32) - 1
"""Bytes of a chunk that HDF5 can hold at most."""

Chunks = tuple[int, ...] | Literal["auto", "contiguous"]


def parse_chunks(text: str) -> Chunks:
    """Read ``64,36,48``, ``auto`` or ``contiguous``.

    Raises
    ------
    InputError
        It is none of these, or a side is not positive.
    """
    word = text.strip().lower()
    if word == "auto":
        return "auto"
    if word == "contiguous":
        return "contiguous"
    sides = [side.strip() for side in word.split(",")]
    if all(side.isdecimal() and int(side) > 0 for side in sides):
        return tuple(int(side) for side in sides)
    raise InputError(f"expected chunks such as 64,36,48, auto or contiguous, got {text!r}")


def auto_chunks(shape: tuple[int, ...], itemsize: int) -> tuple[int, ...]:
    """Return chunks of whole rows of about 1 MiB; of parts of one row where a row is larger.

    Whole rows, since all of our work goes by rows: a block then reads no chunk in part.
    """
    row = max(1, math.prod(shape[1:])) * itemsize
    if row <= AUTO_NBYTES or len(shape) == 1:
        rows = min(max(1, shape[0]), max(1, AUTO_NBYTES // row))
        return (rows, *(max(1, side) for side in shape[1:]))
    sides = [1, *(max(1, side) for side in shape[1:])]
    while math.prod(sides) * itemsize > AUTO_NBYTES:
        widest = max(range(1, len(sides)), key=lambda axis: sides[axis])
        sides[widest] = -(-sides[widest] // 2)
    return tuple(sides)


def fit_chunks(
    chunks: tuple[int, ...], shape: tuple[int, ...], maxshape: tuple[int | None, ...], itemsize: int
) -> tuple[int, ...]:
    """Return `chunks` cut to `shape` where the dataset cannot grow, as HDF5 demands.

    Raises
    ------
    InputError
        Another number of dimensions, or a chunk of 4 GiB or more.
    """
    if len(chunks) != len(shape):
        raise InputError(
            f"expected {len(shape)} chunk sides for the shape {shape}, got {len(chunks)}: "
            f"{','.join(map(str, chunks))}"
        )
    cut = tuple(
        max(1, min(chunk, most)) if most is not None else chunk
        for chunk, most in zip(chunks, maxshape, strict=True)
    )
    nbytes = math.prod(cut) * itemsize
    if nbytes > CHUNK_LIMIT:
        raise InputError(
            f"expected chunks below 4 GiB, got {','.join(map(str, cut))} ({nbytes} bytes); "
            "choose smaller ones"
        )
    return cut
