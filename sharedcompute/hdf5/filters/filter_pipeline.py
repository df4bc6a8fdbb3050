"""The filter pipeline of a dataset: as plain data, as names, and as HDF5 takes it.

A `Filter` holds what a user may choose, not what HDF5 stores: see `filter_table`.
"""

from __future__ import annotations

import contextlib
import ctypes
import functools
import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from h5py import h5p, h5z

from sharedcompute.errors import InputError
from sharedcompute.hdf5.filters.table import (
    BITSHUFFLE,
    BLOSC2,
    GZIP,
    KNOWN,
    LZ4,
    LZF,
    SHUFFLE,
    UNKNOWN,
    ZSTD,
)
from sharedcompute.wording import flag, option


@dataclass(frozen=True)
class Filter:
    """One step of a pipeline.

    Parameters
    ----------
    code : int
        The number that the HDF Group registered.
    options : tuple of int
        The options that a user may choose.
    optional : bool
        A chunk that the filter cannot make smaller is stored without it.
    stored_name : str
        What the file calls it; tells unknown filters apart in messages.
    isal : int, optional
        The level at which ISA-L writes it, a gzip filter then. The file says nothing of it.
    again : bool
        Whether `options` can be given to another dataset; if not, they are the stored ones.
    """

    code: int
    options: tuple[int, ...] = ()
    optional: bool = True
    stored_name: str = ""
    isal: int | None = None
    again: bool = True

    @property
    def name(self) -> str:
        """What a person calls it: ``gzip:4``, ``bitshuffle-lz4``."""
        if self.isal is not None:
            return f"isal:{self.isal}"
        known = KNOWN.get(self.code)
        return known.name(self.options) if known else self.stored_name or f"filter-{self.code}"

    @property
    def portable(self) -> bool:
        """Whether it keeps every bit of any numeric dtype, so that any result may use it."""
        return self.again and KNOWN.get(self.code, UNKNOWN).portable

    @property
    def lossy(self) -> bool:
        """Whether it is known to store other numbers than it is given."""
        return KNOWN.get(self.code, UNKNOWN).lossy(self.options)

    @property
    def tolerance(self) -> float | None:
        """By how much it may change a number at most; None where it does not promise that."""
        return KNOWN.get(self.code, UNKNOWN).tolerance(self.options) if self.lossy else 0.0


Pipeline = tuple[Filter, ...]


def pipeline_of(dcpl: Any) -> Pipeline:
    """The filters of a dataset creation property list, in the order in which they are applied."""
    filters = []
    for index in range(dcpl.get_nfilters()):
        code, flags, stored, name = dcpl.get_filter(index)
        own = KNOWN.get(code, UNKNOWN).own
        options = None if own is None else own(tuple(stored))
        text = name.split(b"\0")[0].decode("utf-8", "replace").split(";")[0].strip()
        optional, again = bool(flags & h5z.FLAG_OPTIONAL), options is not None
        given = tuple(stored) if options is None else options
        filters.append(Filter(code, given, optional, text, again=again))
    return tuple(filters)


def available(code: int) -> bool:
    """Whether filter `code` can be used here; hdf5plugin is imported when first needed.

    It must be that import, 100 ms in each process, and not HDF5's own search in the package's
    folder, 5 ms: a plug-in that is found so lacks the bindings that its ``set_local`` calls, and
    can decode but not encode (hdf5plugin 7.1).
    """
    prefer_hdf5plugin()
    if not h5z.filter_avail(code):
        import hdf5plugin  # noqa: F401, PLC0415
    return bool(h5z.filter_avail(code))


@functools.cache
def prefer_hdf5plugin() -> None:
    """Let HDF5 use hdf5plugin's filters where it would find others first, in this process.

    HDF5 looks in HDF5_PLUGIN_PATH, which netCDF4 sets when it is imported: workers found its Blosc
    where their parent had hdf5plugin's. Before anything is opened: what a dataset uses stays.
    """
    if "HDF5_PLUGIN_PATH" not in os.environ:
        return
    import hdf5plugin  # noqa: PLC0415

    for name, file in hdf5plugin.get_config().registered_filters.items():
        if not Path(file).is_file():
            with contextlib.suppress(RuntimeError):
                hdf5plugin.register(name, force=True)


_DONT_FILTER_PARTIAL_CHUNKS = 2


def skips_edges(dcpl: Any) -> bool:
    """Whether chunks over the dataset's edge are stored without its filters.

    ``H5Pset_chunk_opts`` asks for that. The masks of such chunks do not tell, and h5py does not
    have the function that does; its modules lead to the HDF5 library that they use.
    """
    options = ctypes.c_uint(0)
    get = getattr(ctypes.CDLL(h5p.__file__), "H5Pget_chunk_opts", None)
    if get is None:
        # HDF5 1.8 has no such chunks.
        return False
    get.argtypes = [ctypes.c_int64, ctypes.POINTER(ctypes.c_uint)]
    get(dcpl.id, ctypes.byref(options))
    return bool(options.value & _DONT_FILTER_PARTIAL_CHUNKS)


def alike(one: Pipeline, other: Pipeline) -> bool:
    """Whether two pipelines store alike: what a file calls a filter does not count."""
    first, second = ([(s.code, s.options, s.isal) for s in steps] for steps in (one, other))
    return first == second


def apply(pipeline: Pipeline, dcpl: Any) -> None:
    """Put `pipeline` into a dataset creation property list that has its chunk shape.

    Raises
    ------
    InputError
        As `check_again`.
    """
    check_again(pipeline)
    for step in pipeline:
        flags = h5z.FLAG_OPTIONAL if step.optional else h5z.FLAG_MANDATORY
        dcpl.set_filter(step.code, flags, step.options)


def check_again(pipeline: Pipeline, where: str = "the result") -> None:
    """Refuse filters that cannot be applied to another dataset than the one they were found at.

    Raises
    ------
    InputError
        A filter is not there, cannot encode, or has stored options that nobody has a tested way
        back from.
    """
    for step in pipeline:
        named = f"filter {step.name} (number {step.code}) for {where}"
        if not available(step.code):
            problem = f"expected {named}, and it is not installed"
        elif not h5z.get_filter_info(step.code) & h5z.FILTER_CONFIG_ENCODE_ENABLED:
            problem = f"expected {named} to encode, what is installed can only decode"
        elif not step.again:
            problem = (
                f"expected a filter that can be applied again, got {named}: what the file holds is "
                "made for its old chunks and is not what it was asked for"
            )
        else:
            continue
        raise InputError(f"{problem}; give another one, as in {option('filter', 'gzip:4')}")


@dataclass(frozen=True)
class _Choice:
    """A filter that ``--filter`` can name: how to make it, and the levels it takes."""

    make: Callable[[int], Filter]
    levels: tuple[int, int] | None = None
    default: int = 0
    shuffled: bool = False


NOTHING_TO_SHUFFLE = (
    f"expected a filter with {flag('shuffle')}, got none; add {option('filter', 'gzip:4')}"
)

_CHOICES: dict[str, _Choice] = {
    "gzip": _Choice(lambda level: Filter(GZIP, (level,)), (0, 9), 4, shuffled=True),
    # Stored as gzip:1, which is what ISA-L's sizes come near at any of its levels.
    "isal": _Choice(lambda level: Filter(GZIP, (1,), isal=level), (0, 3), 1, shuffled=True),
    "zstd": _Choice(lambda level: Filter(ZSTD, (level,)), (1, 22), 3, shuffled=True),
    "lz4": _Choice(lambda _: Filter(LZ4, (0,)), shuffled=True),
    "lzf": _Choice(lambda _: Filter(LZF), shuffled=True),
    "bitshuffle-lz4": _Choice(lambda _: Filter(BITSHUFFLE, (0, 2))),
    "bitshuffle-zstd": _Choice(lambda level: Filter(BITSHUFFLE, (0, 3, level)), (1, 22), 3),
    "blosc2-zstd": _Choice(lambda level: Filter(BLOSC2, (0, 0, 0, 0, level, 1, 5)), (0, 9), 5),
}


def parse_filter(text: str, shuffle: bool | None = None) -> Pipeline:
    """The pipeline that ``--filter`` and ``--shuffle`` ask for.

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
    choice = _CHOICES.get(name)
    if choice is None:
        raise InputError(f"unknown filter {text!r}; known filters are {', '.join(known_filters())}")
    level = _parse_level(text, choice, level_text) if colon else choice.default
    shuffled = choice.shuffled if shuffle is None else shuffle
    return (*((Filter(SHUFFLE),) if shuffled else ()), choice.make(level))


def without_chunks(filter: str) -> InputError:
    """What to say where ``--filter`` is given together with ``--chunks contiguous``."""
    return InputError(f"expected chunks for {option('filter', filter)}, got contiguous; drop one")


def _parse_level(text: str, choice: _Choice, level: str) -> int:
    low, high = choice.levels or (0, -1)
    if level.isdecimal() and low <= int(level) <= high:
        return int(level)
    name = text.partition(":")[0]
    if choice.levels is None:
        raise InputError(f"expected filter {name} without a level, got {text!r}; it has none")
    raise InputError(f"expected {name}:{low} to {name}:{high}, got {text!r}; choose such a level")


def known_filters() -> list[str]:
    """What ``--filter`` takes, with the default levels."""
    names = [f"{n}:{c.default}" if c.levels else n for n, c in _CHOICES.items()]
    return [*names, "none"]


def with_shuffle(pipeline: Pipeline, shuffle: bool) -> Pipeline:
    """`pipeline` with HDF5's byte shuffle put before it, or taken out.

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


def are_exact(pipeline: Pipeline) -> bool:
    """Whether filters can be applied again to what they have stored, and change nothing of it."""
    return all(step.again and not step.lossy for step in pipeline)


def for_result(pipeline: Pipeline) -> Pipeline:
    """The pipeline that a result takes over from its input.

    Filters that are lossy, bound to a dtype, or not known give way to ``gzip:4`` with shuffle: what
    they lose or allow was chosen for the input's numbers, not for the result's.
    """
    if all(step.portable for step in pipeline):
        return pipeline
    return parse_filter("gzip:4")
