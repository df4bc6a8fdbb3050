"""What `repack` will do: which datasets are stored in another way, and what that takes."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import h5py
from h5py import h5d, h5o

from sharedcompute.errors import InputError
from sharedcompute.hdf5.address import Address
from sharedcompute.hdf5.copying.brief import Briefer
from sharedcompute.hdf5.copying.storage import Storage
from sharedcompute.hdf5.filters.encode import check_encodes
from sharedcompute.hdf5.filters.pipeline import alike, check_again
from sharedcompute.hdf5.filters.selection import NOTHING_TO_SHUFFLE
from sharedcompute.hdf5.format.chunks import ChunkGrid
from sharedcompute.hdf5.format.layout import lies_here, share_written
from sharedcompute.hdf5.format.names import text
from sharedcompute.hdf5.format.objects import low_objects
from sharedcompute.hdf5.inspection.find import find_dataset
from sharedcompute.hdf5.inspection.inspector import Inspector, check_size
from sharedcompute.hdf5.reading.source import DatasetSource
from sharedcompute.hdf5.safety.access import AccessPolicy
from sharedcompute.hdf5.safety.files import check_file, open_file
from sharedcompute.hdf5.safety.input_files import InputFiles, Seen
from sharedcompute.hdf5.safety.sandbox import look
from sharedcompute.hdf5.writing.sink import DatasetSink
from sharedcompute.options import RunOptions
from sharedcompute.plan.budget.cost import START_SECONDS, Projection, must_run_here
from sharedcompute.plan.in_memory import HELD_BYTES, RING_NBYTES
from sharedcompute.plan.recode import (
    Recoding,
    StorageRequest,
    plan_recoding,
    recodable,
)
from sharedcompute.system.machine import in_memory
from sharedcompute.wording import option

CODE_RATE = 0.1e9
"""Bytes per second of one core, decoding and encoding, within a factor of a few."""

SMALL_NBYTES = 128 << 10
"""Bytes of a dataset that takes longer to be handed to workers than to be encoded."""

MANY = 32
"""Small datasets from which on that counts."""

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
        The datasets that are stored in another way here, by their addresses in the input.
    projection : Projection
    """

    engine: str
    workers: int
    recodings: dict[int, Recoding]
    projection: Projection


@dataclass(frozen=True)
class RepackPlan:
    """A file, or one dataset of it, to be written in another way.

    Parameters
    ----------
    file : str
        The input.
    path : str or None
        The one dataset that is meant; None for the whole file.
    output : Address
    overwrite : bool
    resume : bool
        Go on with a stopped job.
    options : RunOptions
    copied : tuple of str
        The datasets that HDF5 copies as they are.
    at_once : dict of Recoding
        Those that are stored in another way by HDF5 itself, while it copies the structure.
    sized : Sized
    reads : InputFiles
        The file, and those behind links and virtual datasets.
    check : bool
        Let HDF5 read back what was written, and compare it with what went in.
    """

    file: str
    path: str | None
    output: Address
    overwrite: bool
    resume: bool
    options: RunOptions
    copied: tuple[str, ...]
    at_once: dict[int, Recoding]
    sized: Sized
    reads: InputFiles
    check: bool = True

    @property
    def recodings(self) -> dict[int, Recoding]:
        """The datasets that are stored in another way, by their addresses in the input."""
        return self.at_once | self.sized.recodings

    @property
    def engine(self) -> str:
        """``serial`` or ``local``."""
        return self.sized.engine

    @property
    def workers(self) -> int:
        """How many."""
        return self.sized.workers

    @property
    def projection(self) -> Projection:
        """Bytes it will take."""
        return self.sized.projection

    @property
    def notes(self) -> list[str]:
        """What is to know of it before it is run."""
        return [
            f"{made.source.path}: {step.name} is lossy and will be applied again to numbers that "
            f"it has changed before; {option('filter', 'gzip:4')} keeps them as they are"
            for made in self.recodings.values()
            for step in made.storage.filters
            if step.lossy
        ]

    def storage(self, at: int) -> Storage | None:
        """How the dataset at an address of the input will be stored; None: as it is."""
        found = self.at_once.get(at) or self.sized.recodings.get(at)
        return found.storage if found else None


def place(dataset: h5py.Dataset) -> int:
    """What tells objects of one file apart, whatever links lead to them."""
    return int(h5o.get_info(dataset.id).addr)


def plan_repack(
    source: Address,
    output: Address,
    wanted: StorageRequest,
    options: RunOptions,
    *,
    overwrite: bool,
    resume: bool = False,
    allow_external: bool,
    check: bool = True,
) -> RepackPlan:
    """Plan it.

    Raises
    ------
    InputError
        The input cannot be used, or the options do not fit it.
    MemoryBudgetError
        It would not fit the memory.
    """
    reach = AccessPolicy.of(source.file, allow_external)
    file, names, seen = look(source.file, _found, source, reach)
    one = source.path is not None
    sources = {at: made.source for at, made in names.items() if made.source is not None}
    for at, made in sources.items():
        if names[at].written:
            check_size(made)
    _check(source, wanted, list(sources.values()))
    ways = {at: wanted.storage(made) for at, made in sources.items()}
    # What is stored so already is copied; one dataset is brought over by its rows alone.
    changed = {at: m for at, m in sources.items() if one or not _is_stored_so(m, ways[at])}
    _check_filters(changed, ways)
    changes = [(at, made, ways[at]) for at, made in changed.items()]
    at_once = _at_once(changes, names, one)
    sized = _size([change for change in changes if change[0] not in at_once], options, output)
    sized.projection.check(options.memory)
    copied = tuple(made.name for at, made in names.items() if at not in changed)
    return RepackPlan(
        file,
        source.path,
        output,
        overwrite,
        resume,
        options,
        copied,
        at_once,
        sized,
        InputFiles.of(seen),
        check,
    )


Change = tuple[int, DatasetSource, Storage]
"""A dataset's place in the input, the dataset, and how it is to be stored."""


def _at_once(changes: list[Change], names: dict[int, Found], one: bool) -> dict[int, Recoding]:
    """The datasets whose rows HDF5 brings over with the structure.

    Many small ones: to hand each to workers takes longer than to encode it. And those of which
    little was ever written, so that this stays so.
    """
    found = {}
    for at, made, way in changes:
        written = names[at].written
        sparse = written <= SPARSE and not way.filters and not one
        if names[at].small or not written or sparse:
            # One box: the engine never sees it.
            whole = ChunkGrid(made.shape, made.shape)
            found[at] = Recoding(made, replace(way, at_once=True), None, whole)
    return found


def _size(changes: list[Change], options: RunOptions, output: Address) -> Sized:
    """Choose the engine and the workers.

    Unless somebody asked for so many, as many as fit the memory without decoding a dataset into a
    file first: fewer workers with a box each are faster than that detour. Else as many as fit.
    """
    work = sum(made.nbytes for _, made, _ in changes)
    small = options.engine == "auto" and work < CODE_RATE * START_SECONDS
    alone = options.engine == "serial" or options.team_size == 1 or small
    if alone or must_run_here(options):
        return _sized("serial", 1, changes, options, output)
    counts = range(options.team_size, 0, -1)
    fitting = None
    for count in counts if options.workers is None else counts[:1]:
        sized = _sized("local", count, changes, options, output)
        if sized.projection.fits(options.memory):
            fitting = fitting or sized
            if all(made.load != "file" for made in sized.recodings.values()):
                return sized
    return fitting or sized


def _sized(
    engine: str, workers: int, changes: list[Change], options: RunOptions, output: Address
) -> Sized:
    threads = options.threads
    room, shared_room = _project(engine, workers, threads, [], False).left(options.memory)
    runners = workers * threads
    made = {at: plan_recoding(d, way, runners, room, shared_room) for at, d, way in changes}
    files_are_memory = in_memory(Path(output.file).absolute().parent)
    projection = _project(engine, workers, threads, list(made.values()), files_are_memory)
    return Sized(engine, workers, made, projection)


@dataclass(frozen=True)
class Found:
    """A dataset of the input.

    Parameters
    ----------
    name : str
    source : DatasetSource or None
        None where it cannot be recoded.
    written : float
        How much of it was ever written, from 0 to 1.
    small : bool
        It is one of many small ones.
    """

    name: str
    source: DatasetSource | None
    written: float
    small: bool = False


def _found(source: Address, reach: AccessPolicy) -> tuple[str, dict[int, Found], tuple[Seen, ...]]:
    """The file, and its datasets, or the one that is named; and all files that were opened."""
    file, describer = check_file(source.file), Inspector(reach)
    with open_file(file) as opened:
        if source.path is None:
            found = _all(opened, file, describer)
        else:
            dataset = find_dataset(opened, source.path, reach)
            found = {place(dataset): _one(source.path, dataset, describer, elsewhere=True)}
        if opened.swmr_mode:
            reach.grows(file)
        return file, found, tuple(reach.met.values())


def _all(opened: h5py.File, file: str, describer: Inspector) -> dict[int, Found]:
    """All datasets of the file, in its order: small ones in brief, where there are many."""
    briefer = Briefer(file, SMALL_NBYTES)
    found: dict[int, Found] = {}
    small: dict[int, Any] = {}
    for path, item, at in low_objects(opened.id):
        if not isinstance(item, h5d.DatasetID):
            continue
        name = f"/{text(path)}"
        brief = briefer.source(item, b"/" + path)
        if brief is None:
            dataset = h5py.Dataset(item, readonly=True)
            found[at] = _one(name, dataset, describer, elsewhere=False)
        else:
            found[at] = Found(name, brief, 1.0, small=True)
            small[at] = item if len(small) < MANY else None
    if len(small) < MANY:
        for at, item in small.items():
            dataset = h5py.Dataset(item, readonly=True)
            found[at] = _one(found[at].name, dataset, describer, elsewhere=False)
    return found


def _one(name: str, dataset: h5py.Dataset, describer: Inspector, elsewhere: bool) -> Found:
    made = recodable(dataset, describer, elsewhere)
    here = made is not None and lies_here(dataset)
    return Found(name, made, share_written(dataset) if here else 1.0)


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


def _check_filters(changed: dict[int, DatasetSource], ways: dict[int, Storage]) -> None:
    """Refuse filters that cannot store a dataset so, before anything is started or changed."""
    seen = set()
    for at, source in changed.items():
        pipeline, chunks = ways[at].filters, ways[at].chunks
        check_again(pipeline, source.path)
        kind = pipeline, chunks, source.stored_dtype, source.fill
        if chunks is not None and kind not in seen:
            seen.add(kind)
            check_encodes(pipeline, chunks, source.stored_dtype, source.fill)


def _is_stored_so(source: DatasetSource, storage: Storage) -> bool:
    return storage.chunks == source.chunks and alike(storage.filters, source.filters)


def _project(
    engine: str, workers: int, threads: int, recodings: list[Recoding], files_are_memory: bool
) -> Projection:
    """The peak: datasets are stored one after the other."""
    file = max([0, *(made.file for made in recodings)])
    return Projection(
        engine,
        workers,
        threads * max([0, *(made.scratch for made in recodings)]),
        HELD_BYTES if engine == "local" else 0,
        max([0, *(made.shared for made in recodings)])
        + (workers * RING_NBYTES if engine == "local" else 0)
        + (file if files_are_memory else 0),
        max([0, *(made.source.nbytes for made in recodings)]),
        sum(made.source.nbytes for made in recodings),
        sum(made.source.nbytes for made in recodings if not made.storage.filters) + file,
    )


def result_path(plan: RepackPlan) -> str:
    """Where the one dataset of a plan goes: without a path in the output, to its old one."""
    named = plan.output.path if plan.output.path != "/" else None
    (recoding,) = plan.recodings.values()
    return named or recoding.source.path


def sink_of(recoding: Recoding, path: str) -> DatasetSink:
    """What the rows of a dataset are written to."""
    source = recoding.source
    return DatasetSink(
        path=path,
        shape=source.shape,
        dtype=source.dtype,
        chunks=recoding.storage.chunks,
        filters=recoding.storage.filters,
        fill=source.fill,
        maxshape=source.maxshape if recoding.storage.chunks else None,
        stored_dtype=source.stored_dtype,
    )
