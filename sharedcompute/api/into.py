"""Results into arrays that a user has: in place where workers reach them, else copied."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

from sharedcompute.errors import InputError
from sharedcompute.graph.node import reads
from sharedcompute.graph.ports import Source
from sharedcompute.operations.specs import Array, ArraySpec
from sharedcompute.planning.planned import Expression
from sharedcompute.shm.shared_array import handle
from sharedcompute.validation.arrays import refuse_meaning


def can_take_rows(into: Array, source: Source) -> bool:
    """Return whether workers can write to an array that nobody reads meanwhile."""
    sources: Iterable[Source] = (source,)
    if isinstance(source, Expression):
        sources = reads([source.node])
    read = (getattr(each, "array", None) for each in sources)
    apart = not any(array is not None and np.may_share_memory(array, into) for array in read)
    reached = into.flags.c_contiguous and into.dtype.isnative
    return apart and reached and handle(into) is not None


def check_into(into: Array, spec: ArraySpec) -> None:
    """Refuse an array that a result does not fit.

    Raises
    ------
    InputError
    """
    refuse_meaning(into)
    # Bytes in another order are put in order on their way.
    if (into.shape, into.dtype.newbyteorder("=")) != (spec.shape, spec.dtype):
        raise InputError(
            f"output has shape {into.shape} and dtype {into.dtype}: "
            f"expected {spec.shape} and {spec.dtype}"
        )
    if not into.flags.writeable:
        raise InputError("output is a read-only array: expected one that can be written")
