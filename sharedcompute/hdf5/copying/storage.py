"""Storage of a dataset that is created again: the creation properties of the old one, changed."""

from __future__ import annotations

from dataclasses import dataclass

from h5py import h5d, h5p

from sharedcompute.hdf5.filters.pipeline import Pipeline, apply, are_exact, pipeline_of
from sharedcompute.hdf5.filters.selection import for_result
from sharedcompute.hdf5.format.fill_value import Fill
from sharedcompute.hdf5.format.types import has_references, has_vlen

ALL_FILTERS = 0
"""HDF5's H5Z_FILTER_ALL: no filter has this number."""


@dataclass(frozen=True)
class Storage:
    """The storage of a dataset that is created again.

    Parameters
    ----------
    chunks : tuple of int or None
        None stores contiguously, which a dataset that can grow does not allow.
    filters : tuple of Filter
        Needs chunks.
    at_once : bool
        HDF5 copies the rows while it copies the structure, and they are not copied later. What was
        never written stays so.
    """

    chunks: tuple[int, ...] | None
    filters: Pipeline = ()
    at_once: bool = False


def needs_creation(dataset: h5d.DatasetID, attributes_change: bool) -> bool:
    """Return whether H5Ocopy cannot copy a dataset as it is.

    It copies a reference as an address in the old file, a named type as one without a name, and a
    fill value of variable length as a pointer into the old file: the copy cannot be opened then
    (HDF5 2.0, "bad global heap collection signature"). And where a file keeps the times of its
    objects, an attribute added to the copy sets them to now. A filter that loses something, or has
    no way back to its options, is not applied again for a name or a time.

    Parameters
    ----------
    dataset : h5py.h5d.DatasetID
    attributes_change : bool
        Attributes are added to the copy.
    """
    kind, dcpl = dataset.get_type(), dataset.get_create_plist()
    if dcpl.get_external_count():
        # A new dataset would be filled, and the old one's files with it.
        return False
    if has_vlen(kind) or has_references(kind):
        return True
    timed = attributes_change and bool(dcpl.get_obj_track_times())
    return (kind.committed() or timed) and are_exact(pipeline_of(dcpl))


def recoded_properties(dataset: h5d.DatasetID, storage: Storage) -> h5p.PropDCID:
    """Return the creation properties of a low-level dataset, with other layout and filters.

    The fill value and the order of attributes stay. Space is allocated at once where its size
    is known: workers write in place, and it would be allocated in the order in which they end.
    """
    dcpl = dataset.get_create_plist()
    if dcpl.get_external_count():
        dcpl = _without_files(dataset, dcpl)
    if storage.chunks is None:
        dcpl.set_layout(h5d.CONTIGUOUS)
    else:
        dcpl.set_chunk(storage.chunks)
    replace_filters(storage.filters, dcpl)
    early = not storage.filters and not storage.at_once
    dcpl.set_alloc_time(h5d.ALLOC_TIME_EARLY if early else h5d.ALLOC_TIME_DEFAULT)
    return dcpl


def same_properties(dataset: h5d.DatasetID) -> h5p.PropDCID:
    """Return the creation properties of `dataset` for a copy that is written again."""
    dcpl = dataset.get_create_plist()
    pipeline = pipeline_of(dcpl)
    exact = are_exact(pipeline)
    replace_filters(pipeline if exact else for_result(pipeline), dcpl)
    return dcpl


def replace_filters(pipeline: Pipeline, dcpl: h5p.PropDCID) -> None:
    """Replace the filters of a dataset's creation properties by `pipeline`.

    Also where that is the same: stored options are not those that a user gives.
    """
    if dcpl.get_nfilters():
        dcpl.remove_filter(ALL_FILTERS)
    apply(pipeline, dcpl)


def _without_files(dataset: h5d.DatasetID, old: h5p.PropDCID) -> h5p.PropDCID:
    """Return the properties of a dataset whose rows lie in other files, without these.

    HDF5 takes no file from its list, and a copy that kept it would be written into the input's.
    """
    dcpl = h5p.create(h5p.DATASET_CREATE)
    Fill.of(old, dataset.dtype).put(dcpl)
    dcpl.set_attr_creation_order(old.get_attr_creation_order())
    dcpl.set_attr_phase_change(*old.get_attr_phase_change())
    return dcpl
