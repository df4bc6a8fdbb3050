"""The filter pipeline of a dataset: as plain data, as names, and as HDF5 takes it.

A `Filter` holds what a user may choose, not what HDF5 stores: a filter's ``set_local`` callback
puts the element size or the chunk's shape before or between the options when a dataset is made.
Bitshuffle puts its three values there again each time, so its stored options, given to a second
dataset, would be read as another block size and codec; they are cut off when a pipeline is read.
"""

from __future__ import annotations

import ctypes
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from h5py import h5p, h5z

from sharedcompute.errors import InputError

GZIP, SHUFFLE, FLETCHER32 = h5z.FILTER_DEFLATE, h5z.FILTER_SHUFFLE, h5z.FILTER_FLETCHER32
LZF = h5z.FILTER_LZF
LZ4, BITSHUFFLE, ZSTD, BLOSC, BLOSC2, BZIP2 = 32004, 32008, 32015, 32001, 32026, 307

_BITSHUFFLE_CODECS = {0: "bitshuffle", 2: "bitshuffle-lz4", 3: "bitshuffle-zstd"}
_BLOSC_CODECS = ("blosclz", "lz4", "lz4hc", "snappy", "zlib", "zstd")
_BLOSC2_CODECS = ("blosclz", "lz4", "lz4hc", "unused", "zlib", "zstd")


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
    """

    code: int
    options: tuple[int, ...] = ()
    optional: bool = True
    stored_name: str = ""
    isal: int | None = None

    @property
    def name(self) -> str:
        """What a person calls it: ``gzip:4``, ``bitshuffle-lz4``."""
        if self.isal is not None:
            return f"isal:{self.isal}"
        known = _KNOWN.get(self.code)
        return known.name(self.options) if known else self.stored_name or f"filter-{self.code}"

    @property
    def portable(self) -> bool:
        """Whether it keeps every bit of any numeric dtype, so that any result may use it."""
        return self.code in _KNOWN and _KNOWN[self.code].portable

    @property
    def lossy(self) -> bool:
        """Whether it is known to store other numbers than it is given."""
        if self.code == h5z.FILTER_SCALEOFFSET:
            return self.options[:1] != (h5z.SO_INT,)
        return self.code in _LOSSY


@dataclass(frozen=True)
class _Known:
    """What is to know of a filter: its name by its options, and which options are a user's."""

    name: Callable[[tuple[int, ...]], str]
    own: Callable[[tuple[int, ...]], tuple[int, ...]] = lambda stored: stored
    portable: bool = True


def _pick(names: dict[int, str] | tuple[str, ...], index: int) -> str:
    try:
        return names[index]
    except (KeyError, IndexError):
        return "unknown"


def _bitshuffle_name(options: tuple[int, ...]) -> str:
    codec = options[1] if len(options) > 1 else 0
    level = f":{options[2]}" if codec == 3 and len(options) > 2 else ""
    return _pick(_BITSHUFFLE_CODECS, codec) + level


def _blosc_name(kind: str, codecs: tuple[str, ...]) -> Callable[[tuple[int, ...]], str]:
    def name(options: tuple[int, ...]) -> str:
        codec = _pick(codecs, options[6]) if len(options) > 6 else "blosclz"
        return f"{kind}-{codec}:{options[4]}" if len(options) > 4 else f"{kind}-{codec}"

    return name


def _level(kind: str) -> Callable[[tuple[int, ...]], str]:
    return lambda options: f"{kind}:{options[0]}" if options else kind


def _plain(kind: str) -> Callable[[tuple[int, ...]], str]:
    return lambda _: kind


def _nothing(stored: tuple[int, ...]) -> tuple[int, ...]:  # noqa: ARG001
    return ()


def _own_blosc(stored: tuple[int, ...]) -> tuple[int, ...]:
    # The first four are set_local's, and blosc2 puts the chunk's shape behind the seventh.
    return (0, 0, 0, 0, *stored[4:7])


_KNOWN: dict[int, _Known] = {
    GZIP: _Known(_level("gzip")),
    SHUFFLE: _Known(_plain("shuffle"), _nothing),
    FLETCHER32: _Known(_plain("fletcher32"), _nothing),
    h5z.FILTER_SZIP: _Known(_plain("szip"), lambda stored: stored[:2], portable=False),
    h5z.FILTER_NBIT: _Known(_plain("nbit"), _nothing, portable=False),
    h5z.FILTER_SCALEOFFSET: _Known(
        _plain("scaleoffset"), lambda stored: stored[:2], portable=False
    ),
    BZIP2: _Known(_level("bzip2")),
    LZF: _Known(_plain("lzf"), _nothing),
    BLOSC: _Known(_blosc_name("blosc", _BLOSC_CODECS), _own_blosc),
    LZ4: _Known(_plain("lz4")),
    BITSHUFFLE: _Known(_bitshuffle_name, lambda stored: stored[3:]),
    ZSTD: _Known(_level("zstd")),
    BLOSC2: _Known(_blosc_name("blosc2", _BLOSC2_CODECS), _own_blosc),
    32013: _Known(_plain("zfp"), portable=False),
    32017: _Known(_plain("sz"), portable=False),
    32024: _Known(_plain("sz3"), portable=False),
    32028: _Known(_plain("sperr"), portable=False),
}

_LOSSY = (32013, 32017, 32024, 32028)

Pipeline = tuple[Filter, ...]


def pipeline_of(dcpl: Any) -> Pipeline:
    """The filters of a dataset creation property list, in the order in which they are applied."""
    filters = []
    for index in range(dcpl.get_nfilters()):
        code, flags, stored, name = dcpl.get_filter(index)
        known = _KNOWN.get(code)
        options = known.own(tuple(stored)) if known else tuple(stored)
        text = name.split(b"\0")[0].decode("utf-8", "replace").split(";")[0].strip()
        filters.append(Filter(code, options, bool(flags & h5z.FLAG_OPTIONAL), text))
    return tuple(filters)


def available(code: int) -> bool:
    """Whether filter `code` can be used here; hdf5plugin is imported when first needed.

    It must be the import, 100 ms in each process, and not HDF5's own search in the package's
    folder, 5 ms: a plug-in that is found so lacks the bindings that its ``set_local`` calls, and
    can decode but not encode (hdf5plugin 7.1).
    """
    if not h5z.filter_avail(code):
        import hdf5plugin  # noqa: F401, PLC0415
    return bool(h5z.filter_avail(code))


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
        A filter is not there, or cannot encode.
    """
    for step in pipeline:
        if not available(step.code):
            raise InputError(
                f"expected filter {step.name} (number {step.code}), and it is not installed; "
                "choose another --filter"
            )
        flags = h5z.FLAG_OPTIONAL if step.optional else h5z.FLAG_MANDATORY
        if step.code == FLETCHER32:
            dcpl.set_fletcher32()
        elif step.code == h5z.FILTER_SZIP:
            dcpl.set_szip(*step.options)
        else:
            dcpl.set_filter(step.code, flags, step.options)


@dataclass(frozen=True)
class _Choice:
    """A filter that ``--filter`` can name: how to make it, and the levels it takes."""

    make: Callable[[int], Filter]
    levels: tuple[int, int] | None = None
    default: int = 0
    shuffled: bool = False


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
            raise InputError("expected a filter with --shuffle, got none; add --filter gzip:4")
        return ()
    choice = _CHOICES.get(name)
    if choice is None:
        raise InputError(f"unknown filter {text!r}; known filters are {', '.join(known_filters())}")
    level = _parse_level(text, choice, level_text) if colon else choice.default
    shuffled = choice.shuffled if shuffle is None else shuffle
    return (*((Filter(SHUFFLE),) if shuffled else ()), choice.make(level))


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
        raise InputError("expected a filter with --shuffle, got none; add --filter gzip:4")
    return (Filter(SHUFFLE), *others)


def for_result(pipeline: Pipeline) -> Pipeline:
    """The pipeline that a result takes over from its input.

    Filters that are lossy, bound to a dtype, or not known give way to ``gzip:4`` with shuffle: what
    they lose or allow was chosen for the input's numbers, not for the result's.
    """
    if all(step.portable for step in pipeline):
        return pipeline
    return parse_filter("gzip:4")
