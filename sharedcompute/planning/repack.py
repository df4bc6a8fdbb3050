"""Planning `repack`: which datasets are stored in another way, by whom, and what that takes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

from sharedcompute.errors import InputError
from sharedcompute.hdf5.address import Address
from sharedcompute.hdf5.copying.storage import Storage
from sharedcompute.hdf5.filters.encode import check_encodes
from sharedcompute.hdf5.filters.pipeline import alike, check_again
from sharedcompute.hdf5.filters.selection import NOTHING_TO_SHUFFLE
from sharedcompute.hdf5.format.chunks import ChunkGrid
from sharedcompute.hdf5.inspection.inspector import check_size
from sharedcompute.hdf5.reading.source import DatasetSource
from sharedcompute.hdf5.safety.access import AccessPolicy
from sharedcompute.hdf5.safety.input_files import InputFiles
from sharedcompute.hdf5.safety.sandbox import run_sandboxed
from sharedcompute.options.groups import RunOptions
from sharedcompute.planning.budget.compiling import CODEC_BYTES, Code, piece_of
from sharedcompute.planning.budget.engines import START_SECONDS, must_run_here
from sharedcompute.planning.budget.projection import Projection
from sharedcompute.planning.found import Found, find_all
from sharedcompute.planning.in_memory import HELD_BYTES, RING_NBYTES
from sharedcompute.planning.output import OutputSpec
from sharedcompute.planning.phases import Copy, Phase, ReadBack
from sharedcompute.planning.plan import Plan
from sharedcompute.planning.proof import samples_of
from sharedcompute.planning.recode import Recoding, StorageRequest, plan_recoding
from sharedcompute.planning.structure import Repack
from sharedcompute.system.machine import is_tmpfs
from sharedcompute.traits import AUTO, IN_PROCESS, must_be_alone, traits_of, with_processes

CODE_RATE = 0.1e9
"""Bytes per second of one core, decoding and encoding, within a factor of a few."""

SPARSE = 0.5
"""Of the chunks of a dataset that were ever written, at most, for what has no filters to be made as
sparse again: else all its places are given out at once, for workers to write in."""


@dataclass(frozen=True)
class Sized:
    """How the work fits the machine.

    Parameters
    ----------
    engine : str
    workers : int
    recodings : dict of Recoding
        The datasets that workers store in another way, by their addresses in the input.
    projection : Projection
    """

    engine: str
    workers: int
    recodings: dict[int, Recoding]
    projection: Projection


@dataclass(frozen=True)
class Change:
    """A dataset that is to be stored in another way.

    Parameters
    ----------
    at : int
        Its address in the input.
    source : DatasetSource
    storage : Storage
    """

    at: int
    source: DatasetSource
    storage: Storage


def plan_repack(
    source: Address,
    output: OutputSpec,
    options: RunOptions,
    *,
    allow_external: bool,
    check: bool = True,
) -> Plan:
    """Plan to store a file, or one dataset of it, in another way.

    Parameters
    ----------
    check : bool
        Let HDF5 read back what was written.

    Raises
    ------
    InputError
        The input cannot be used, or the options do not fit it.
    MemoryBudgetError
        It would not fit the memory.
    """
    wanted = StorageRequest.of(output)
    reach = AccessPolicy.of(source.file, allow_external)
    file, names, seen = run_sandboxed(source.file, find_all, source, reach)
    changes = _changes(source, wanted, names)
    changed = {change.at for change in changes}
    at_once = _at_once(changes, names, one=source.path is not None)
    code = _code(changes)
    large = [change for change in changes if change.at not in at_once]
    sized = _size(large, code, options, output)
    sized.projection.check(options.memory)
    copied = tuple(made.name for at, made in names.items() if at not in changed)
    # The one dataset that is named is a phase, whoever stores it.
    structure = {} if source.path is not None else at_once
    return Plan(
        Repack(file, source.path, output, copied, structure, check),
        options,
        _phases(sized.recodings, at_once, one=source.path is not None, check=check),
        sized.engine,
        sized.workers,
        sized.projection,
        code,
        InputFiles.of(seen),
    )


def _phases(
    recodings: Mapping[int, Recoding], at_once: Mapping[int, Recoding], *, one: bool, check: bool
) -> tuple[Phase, ...]:
    copied = {**at_once, **recodings} if one else recodings
    phases: list[Phase] = [
        Copy(at, made, str(number)) for number, (at, made) in enumerate(copied.items(), start=1)
    ]
    samples = samples_of(recodings, at_once) if check else ()
    return (*phases, *([ReadBack(tuple(samples))] if samples else []))


def _changes(source: Address, wanted: StorageRequest, names: Mapping[int, Found]) -> list[Change]:
    """Return what is to be stored in another way, once it can be."""
    sources = {at: made.source for at, made in names.items() if made.source is not None}
    for at, made in sources.items():
        if names[at].written:
            check_size(made)
    _check(source, wanted, list(sources.values()))
    found = [Change(at, made, wanted.storage(made)) for at, made in sources.items()]
    # What is stored so already is copied; one dataset is brought over by its rows alone.
    changes = [change for change in found if source.path is not None or not _is_stored_so(change)]
    _check_filters(changes)
    return changes


def _at_once(
    changes: list[Change], names: Mapping[int, Found], *, one: bool
) -> dict[int, Recoding]:
    """Return the datasets whose rows HDF5 brings over with the structure.

    Many small ones: to hand each to workers takes longer than to encode it. And those of which
    little was ever written, so that this stays so.
    """
    found = {}
    for change in changes:
        written, way = names[change.at].written, change.storage
        sparse = written <= SPARSE and not way.filters and not one
        if names[change.at].small or not written or sparse:
            # One box: the engine never sees it.
            whole = ChunkGrid(change.source.shape, change.source.shape)
            found[change.at] = Recoding(change.source, replace(way, at_once=True), None, whole)
    return found


def _size(changes: list[Change], code: Code, options: RunOptions, output: OutputSpec) -> Sized:
    """Choose the engine and the workers.

    Unless somebody asked for so many, as many as fit the memory without decoding a dataset into a
    file first: fewer workers with a box each are faster than that detour. Else as many as fit.
    """
    work = sum(change.source.nbytes for change in changes)
    small = options.engine == AUTO and work < CODE_RATE * START_SECONDS
    alone = must_be_alone(options.engine) or options.team_size == 1 or small
    if alone or must_run_here(options):
        return _sized(IN_PROCESS, 1, changes, code, options, output)
    counts = range(options.team_size, 0, -1)
    fitting = None
    for count in counts if options.workers is None else counts[:1]:
        sized = _sized(with_processes(options.engine), count, changes, code, options, output)
        if sized.projection.fits(options.memory):
            fitting = fitting or sized
            if all(made.load != "file" for made in sized.recodings.values()):
                return sized
    return fitting or sized


def _sized(
    engine: str,
    workers: int,
    changes: list[Change],
    code: Code,
    options: RunOptions,
    output: OutputSpec,
) -> Sized:
    threads = options.threads
    compiling = code.nbytes(traits_of(engine), workers)
    project = partial(_project, engine, workers, threads, compiling)
    room, shared_room = project([], False).left(options.memory)
    runners = workers * threads
    made = {c.at: plan_recoding(c.source, c.storage, runners, room, shared_room) for c in changes}
    files_are_memory = is_tmpfs(Path(output.address.file).absolute().parent)
    projection = project(list(made.values()), files_are_memory)
    return Sized(engine, workers, made, projection)


def _check(source: Address, wanted: StorageRequest, found: list[DatasetSource]) -> None:
    """Refuse a dataset without numbers, and chunks that fit nothing."""
    if source.path is not None and not found:
        raise InputError(
            f"expected numbers with rows at {source} to store in another way; name another "
            "dataset, or the whole file, whose other datasets are copied as they are"
        )
    if wanted.shuffle and wanted.filter is None and not any(made.filters for made in found):
        raise InputError(NOTHING_TO_SHUFFLE)
    ranks = sorted({made.ndim for made in found})
    if isinstance(wanted.chunks, tuple) and ranks and len(wanted.chunks) not in ranks:
        raise InputError(
            f"expected {' or '.join(map(str, ranks))} chunk sides for the arrays of {source}, got "
            f"{len(wanted.chunks)}: {','.join(map(str, wanted.chunks))}"
        )


def _check_filters(changes: list[Change]) -> None:
    """Refuse filters that cannot store a dataset so, before anything is started or changed."""
    seen = set()
    for change in changes:
        source, pipeline, chunks = change.source, change.storage.filters, change.storage.chunks
        check_again(pipeline, source.path)
        kind = pipeline, chunks, source.stored_dtype, source.fill
        if chunks is not None and kind not in seen:
            seen.add(kind)
            check_encodes(pipeline, chunks, source.stored_dtype, source.fill)


def _is_stored_so(change: Change) -> bool:
    source, storage = change.source, change.storage
    return storage.chunks == source.chunks and alike(storage.filters, source.filters)


def _project(
    engine: str,
    workers: int,
    threads: int,
    compiling: int,
    recodings: list[Recoding],
    files_are_memory: bool,
) -> Projection:
    """Return the peak: datasets are stored one after the other."""
    traits = traits_of(engine)
    file = max([0, *(made.file for made in recodings)])
    return Projection(
        engine,
        workers,
        threads * max([0, *(made.scratch for made in recodings)]),
        HELD_BYTES if traits.processes else 0,
        max([0, *(made.shared for made in recodings)])
        + (workers * RING_NBYTES if traits.segments else 0)
        + (file if files_are_memory else 0),
        max([0, *(made.source.nbytes for made in recodings)]),
        sum(made.source.nbytes for made in recodings),
        sum(made.source.nbytes for made in recodings if not made.storage.filters) + file,
        compiling,
    )


def _code(changes: Sequence[Change]) -> Code:
    """Return the code that decodes and encodes."""
    kinds = {(c.source.dtype.str, c.source.filters, c.storage.filters) for c in changes}
    return Code(tuple(piece_of(CODEC_BYTES, "repack", kind) for kind in kinds))
