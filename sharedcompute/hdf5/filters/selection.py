"""Filters that a user asks for, and those that a result takes over from its input."""

from __future__ import annotations

from sharedcompute.errors import InputError
from sharedcompute.hdf5.filters.codec import Choice
from sharedcompute.hdf5.filters.codecs.byte_shuffle import SHUFFLE
from sharedcompute.hdf5.filters.pipeline import Filter, Pipeline
from sharedcompute.hdf5.filters.registry import CHOICES
from sharedcompute.wording import flag, option

NOTHING_TO_SHUFFLE = (
    f"expected a filter with {flag('shuffle')}, got none; add {option('filter', 'gzip:4')}"
)


def parse_filter(text: str, shuffle: bool | None = None) -> Pipeline:
    """Return the pipeline that ``--filter`` and ``--shuffle`` ask for.

    Parameters
    ----------
    text : str
        ``none``, or a filter's name, with ``:LEVEL`` where it has levels.
    shuffle : bool, optional
        Put HDF5's byte shuffle before the filter. None: where the filter does not shuffle itself.

    Raises
    ------
    InputError
        The filter is not known, its level is out of range, or there is nothing to shuffle for.
    """
    name, colon, level_text = text.strip().lower().partition(":")
    if name == "none" and not colon:
        if shuffle:
            raise InputError(NOTHING_TO_SHUFFLE)
        return ()
    if name not in CHOICES:
        raise InputError(f"unknown filter {text!r}; known filters are {', '.join(known_filters())}")
    codec, choice = CHOICES[name]
    level = _parse_level(text, choice, level_text) if colon else choice.default
    chosen = Filter(codec.code, choice.options(level), isal=level if choice.isal else None)
    shuffled = choice.shuffled if shuffle is None else shuffle
    return (*((Filter(SHUFFLE),) if shuffled else ()), chosen)


def without_chunks(filter: str) -> InputError:
    """Return the error of ``--filter`` together with ``--chunks contiguous``."""
    return InputError(f"expected chunks for {option('filter', filter)}, got contiguous; drop one")


def _parse_level(text: str, choice: Choice, level: str) -> int:
    low, high = choice.levels or (0, -1)
    if level.isdecimal() and low <= int(level) <= high:
        return int(level)
    name = text.partition(":")[0]
    if choice.levels is None:
        raise InputError(f"expected filter {name} without a level, got {text!r}; it has none")
    raise InputError(f"expected {name}:{low} to {name}:{high}, got {text!r}; choose such a level")


def known_filters() -> list[str]:
    """Return what ``--filter`` takes, with the default levels."""
    return [*(choice.label for _, choice in CHOICES.values()), "none"]


def with_shuffle(pipeline: Pipeline, shuffle: bool) -> Pipeline:
    """Return `pipeline` with HDF5's byte shuffle put before it, or taken out.

    Raises
    ------
    InputError
        There is no filter to shuffle for.
    """
    others = tuple(step for step in pipeline if step.code != SHUFFLE)
    if not shuffle:
        return others
    if not others:
        raise InputError(NOTHING_TO_SHUFFLE)
    return (Filter(SHUFFLE), *others)


def for_result(pipeline: Pipeline) -> Pipeline:
    """Return the pipeline that a result takes over from its input.

    Filters that are lossy, bound to a dtype, or not known give way to ``gzip:4`` with shuffle: what
    they lose or allow was chosen for the input's numbers, not for the result's.
    """
    if all(step.portable for step in pipeline):
        return pipeline
    return parse_filter("gzip:4")
