"""What `repack` will do: which datasets are stored in another way, and what that takes."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import h5py
from h5py import h5o

from sharedcompute.errors import InputError
from sharedcompute.hdf5.address import Address
from sharedcompute.hdf5.encoders import check_encodes
from sharedcompute.hdf5.files import check_file, open_file
from sharedcompute.hdf5.filters import alike, check_again
from sharedcompute.hdf5.look import look
from sharedcompute.hdf5.lookup import find_dataset, objects
from sharedcompute.hdf5.opening import Describer, check_size
from sharedcompute.hdf5.reach import Reach
from sharedcompute.hdf5.seen import InputFiles, Seen
from sharedcompute.hdf5.sink import DatasetSink
from sharedcompute.hdf5.source import DatasetSource
from sharedcompute.hdf5.storage import Storage
from sharedcompute.machine import in_memory
from sharedcompute.options import Options
from sharedcompute.plan.cost import START_SECONDS, Projection, must_run_here
from sharedcompute.plan.memory import HELD_BYTES, RING_NBYTES
from sharedcompute.plan.recode import (
    Recoding,
    Wanted,
    plan_recoding,
    recodable,
)
from sharedcompute.wording import flag, option

CODE_RATE = 0.1e9
"""Bytes per second of one core, decoding and encoding, within a factor of a few."""


@dataclass(frozen=True)
class Sized:
    """How the work fits the machine.

    Parameters
    ----------
    engine : str
    workers : int
    recodings : dict of Recoding
        The datasets that are stored in another way, by their addresses in the input.
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
    options : Options
    copied : tuple of str
        The datasets that HDF5 copies as they are.
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
    options: Options
    copied: tuple[str, ...]
    sized: Sized
    reads: InputFiles
    check: bool = True

    @property
    def recodings(self) -> dict[int, Recoding]:
        """The datasets that are stored in another way."""
        return self.sized.recodings

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

    def of(self, dataset: h5py.Dataset) -> Recoding:
        """How a dataset of the input is stored in another way."""
        return self.recodings[place(dataset)]

    def storage(self, dataset: h5py.Dataset) -> Storage | None:
        """How a dataset of the input will be stored; None: as it is."""
        found = self.recodings.get(place(dataset))
        return found.storage if found else None


def place(dataset: h5py.Dataset) -> int:
    """What tells objects of one file apart, whatever links lead to them."""
    return int(h5o.get_info(dataset.id).addr)


def plan_repack(
    source: Address,
    output: Address,
    wanted: Wanted,
    options: Options,
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
    reach = Reach.of(source.file, allow_external)
    file, names, seen = look(source.file, _found, source, reach)
    one = source.path is not None
    for _, made in names.values():
        if made is not None:
            check_size(made)
    sources = {at: made for at, (_, made) in names.items() if made is not None}
    _check(source, wanted, list(sources.values()))
    ways = {at: wanted.storage(made) for at, made in sources.items()}
    # What is stored so already is copied; one dataset is brought over by its rows alone.
    changed = {at: m for at, m in sources.items() if one or not _is_stored_so(m, ways[at])}
    _check_filters(changed, ways)
    sized = _size([(at, made, ways[at]) for at, made in changed.items()], options, output)
    sized.projection.check(options.memory)
    copied = tuple(name for at, (name, _) in names.items() if at not in changed)
    reads = InputFiles.of(seen)
    path = source.path
    return RepackPlan(file, path, output, overwrite, resume, options, copied, sized, reads, check)


Change = tuple[int, DatasetSource, Storage]
"""A dataset's place in the input, the dataset, and how it is to be stored."""


def _size(changes: list[Change], options: Options, output: Address) -> Sized:
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
    engine: str, workers: int, changes: list[Change], options: Options, output: Address
) -> Sized:
    threads = options.threads
    room, shared_room = _project(engine, workers, threads, [], False).left(options.memory)
    runners = workers * threads
    made = {at: plan_recoding(d, way, runners, room, shared_room) for at, d, way in changes}
    files_are_memory = in_memory(Path(output.file).absolute().parent)
    projection = _project(engine, workers, threads, list(made.values()), files_are_memory)
    return Sized(engine, workers, made, projection)


Found = dict[int, tuple[str, DatasetSource | None]]
"""Datasets by their addresses: their names, and their sources where they can be recoded."""


def _found(source: Address, reach: Reach) -> tuple[str, Found, tuple[Seen, ...]]:
    """The file, and its datasets, or the one that is named; and all files that were opened."""
    file, describer = check_file(source.file), Describer(reach)
    with open_file(file) as opened:
        if source.path is not None:
            datasets = [find_dataset(opened, source.path, reach)]
        else:
            datasets = [item for _, item in objects(opened) if isinstance(item, h5py.Dataset)]
        if opened.swmr_mode:
            reach.grows(file)
        one = source.path is not None
        names = {place(d): (str(d.name), recodable(d, describer, one)) for d in datasets}
        return file, names, tuple(reach.met.values())


def _check(source: Address, wanted: Wanted, found: list[DatasetSource]) -> None:
    """Refuse a dataset without numbers, and chunks that fit nothing."""
    if source.path is not None and not found:
        raise InputError(
            f"expected numbers with rows at {source} to store in another way; name another "
            "dataset, or the whole file, whose other datasets are copied as they are"
        )
    if wanted.shuffle and wanted.filter is None and not any(made.filters for made in found):
        raise InputError(
            f"expected a filter with {flag('shuffle')}, got none; add {option('filter', 'gzip:4')}"
        )
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
