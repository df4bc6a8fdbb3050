"""The filter pipeline of a dataset: as plain data, as names, and as HDF5 takes it.

A `Filter` holds what a user may choose, not what HDF5 stores: see `codec`.
"""

from __future__ import annotations

import ctypes
from dataclasses import dataclass

from h5py import h5p, h5z

from sharedcompute.errors import InputError
from sharedcompute.hdf5.filters.available import available
from sharedcompute.hdf5.filters.registry import codec_of, is_known
from sharedcompute.wording import option


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
        What the file calls it; names unknown filters in messages.
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
        """The name for a person: ``gzip:4``, ``bitshuffle-lz4``."""
        if self.isal is not None:
            return f"isal:{self.isal}"
        if is_known(self.code):
            return codec_of(self.code).named(self.options)
        return self.stored_name or f"filter-{self.code}"

    @property
    def portable(self) -> bool:
        """True if it keeps every bit of any numeric dtype, so that any result may use it."""
        return self.again and codec_of(self.code).portable

    @property
    def lossy(self) -> bool:
        """True if it is known to store other numbers than it is given."""
        return codec_of(self.code).lossy(self.options)

    @property
    def tolerance(self) -> float | None:
        """The most by which it may change a number; None where it does not promise that."""
        return codec_of(self.code).tolerance(self.options) if self.lossy else 0.0


Pipeline = tuple[Filter, ...]


def pipeline_of(dcpl: h5p.PropDCID) -> Pipeline:
    """Return the filters of dataset creation properties, in the order of their application."""
    filters = []
    for index in range(dcpl.get_nfilters()):
        code, flags, stored, name = dcpl.get_filter(index)
        way_back = codec_of(code).options
        options = None if way_back is None else way_back(tuple(stored))
        text = name.split(b"\0")[0].decode("utf-8", "replace").split(";")[0].strip()
        optional, again = bool(flags & h5z.FLAG_OPTIONAL), options is not None
        given = tuple(stored) if options is None else options
        filters.append(Filter(code, given, optional, text, again=again))
    return tuple(filters)


_DONT_FILTER_PARTIAL_CHUNKS = 2


def skips_edges(dcpl: h5p.PropDCID) -> bool:
    """Return whether chunks over the dataset's edge are stored without its filters.

    ``H5Pset_chunk_opts`` asks for that. The masks of such chunks do not show it, and h5py does not
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
    """Return whether two pipelines store alike: what a file calls a filter does not count."""
    first, second = ([(s.code, s.options, s.isal) for s in steps] for steps in (one, other))
    return first == second


def apply(pipeline: Pipeline, dcpl: h5p.PropDCID) -> None:
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
        A filter is not there, cannot encode, or has stored options without a
        tested way back.
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


def are_exact(pipeline: Pipeline) -> bool:
    """Return whether filters can be applied again to what they stored, and change nothing."""
    return all(step.again and not step.lossy for step in pipeline)


@dataclass(frozen=True)
class StoredFilter:
    """One step of a pipeline as the file has it.

    Parameters
    ----------
    code : int
        The number that the HDF Group registered.
    optional : bool
        A chunk that the filter cannot make smaller is stored without it.
    values : tuple of int
        The client data, what the filter's ``set_local`` put there included.
    """

    code: int
    optional: bool
    values: tuple[int, ...]


def stored_filters(dcpl: h5p.PropDCID) -> tuple[StoredFilter, ...]:
    """Return the filters of a dataset creation property list as stored, in their order."""
    found = (dcpl.get_filter(index) for index in range(dcpl.get_nfilters()))
    return tuple(
        StoredFilter(code, bool(flags & h5z.FLAG_OPTIONAL), tuple(values))
        for code, flags, values, _ in found
    )
