"""Warnings of a job, which point at the line that asked for it."""

from __future__ import annotations

import itertools
import sys
import warnings
from collections.abc import Iterator
from pathlib import Path

from sharedcompute.errors import Worded
from sharedcompute.graph.node import reads
from sharedcompute.hdf5.reading.source import DatasetSource
from sharedcompute.operations.rowwise.unpacking import meant_otherwise
from sharedcompute.planning.job import ExpressionStep, Job, ResultStep
from sharedcompute.wording import flag

_PACKAGE = str(Path(__file__).parent.parent)


class UnappliedAttributes(Worded, UserWarning):
    """The input says how its numbers are to be unpacked, and they are taken as they stand."""


class NotKept(Worded, UserWarning):
    """Something of the input has no place in the output."""


class UncachedKernels(UserWarning):
    """What numba compiles is not kept: every process, and every command, compiles again."""


def warn(text: str, category: type[Warning]) -> None:
    """Warn at the line outside of this package that called it."""
    depth, frame = 1, sys._getframe(1)
    while frame.f_back is not None and frame.f_code.co_filename.startswith(_PACKAGE):
        depth, frame = depth + 1, frame.f_back
    warnings.warn(text, category, stacklevel=depth + 1)


def warn_of_cache() -> None:
    """Warn, here and not in each worker, that numba has no folder to keep what it compiles."""
    from sharedcompute.kernels.cache import is_kept  # noqa: PLC0415 - imports numba

    if not is_kept():
        warn(
            "numba finds no folder that it may write to, so each process compiles all kernels "
            "again, which takes seconds: set NUMBA_CACHE_DIR to one",
            UncachedKernels,
        )


def warn_of_attributes(job: Job) -> None:
    """Warn of what attributes of the input say of its numbers, where the job ignores it."""
    for source in _sources(job):
        for text in _unapplied(source, job.decode_cf):
            warn(text, UnappliedAttributes)


def _sources(job: Job) -> list[DatasetSource]:
    """Return the datasets that a job reads; of expressions, those that their text names."""
    calls = (step.call for step in job.steps[:1] if isinstance(step, ResultStep))
    beside = (source for call in calls for source in call.sources)
    texts = [s for s in job.steps if isinstance(s, ExpressionStep) and s.names]
    named = reads(step.node for step in texts)
    return [s for s in (job.source, *beside, *named) if isinstance(s, DatasetSource)]


def _unapplied(source: DatasetSource, decode_cf: bool) -> Iterator[str]:
    names = source.packing.changes(source.dtype) if source.packing else ()
    if names and not decode_cf:
        yield (
            f"{source.path} has {', '.join(names)}: its numbers are taken as they are stored, "
            f"fill values too; {flag('decode_cf')} unpacks them"
        )
    if source.glob is None:
        for name, one, other in itertools.islice(meant_otherwise(source), 1):
            yield (
                f"{source.path} is put together from {one.source} and {other.source}, which differ "
                f"in {name}: their numbers are taken as they are stored, as HDF5 reads them; join "
                "the files themselves by a glob to unpack each by its own attributes"
            )
