"""Copying a whole file in tests, and looking at the copy with the tools of others."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
from h5py import h5a, h5d, h5o

from sharedcompute.hdf5.copying.storage import Storage
from sharedcompute.hdf5.copying.tree import copy_tree
from sharedcompute.hdf5.filters.selection import parse_filter
from sharedcompute.hdf5.format.objects import walk_objects
from sharedcompute.hdf5.writing.output import OutputFile

GZIP = parse_filter("gzip:4")


def recode_numbers(dataset: h5py.Dataset) -> Storage | None:
    """Numbers go to gzip with odd chunks."""
    try:
        if dataset.dtype.kind not in "biufc":
            return None
    except (TypeError, ValueError):
        return None
    if not dataset.size or dataset.shape == ():
        return None
    return Storage(tuple(max(1, side // 2) for side in dataset.shape), GZIP)


def keep_all(dataset: h5py.Dataset) -> None:
    """Copy every dataset as it is."""


def copied(source: Path, target: Path, choose: Any = recode_numbers) -> tuple[list[str], list[str]]:
    """Copy and fill; the paths of what was made again, and the warnings."""
    with (
        OutputFile(str(target), overwrite=True, like=str(source)) as output,
        h5py.File(source, "r") as old,
    ):
        chosen = {
            at: choose(h5py.Dataset(item))
            for _, item, at in walk_objects(old.id)
            if isinstance(item, h5d.DatasetID) and not h5py.Dataset(item).is_virtual
        }
        recoded, warnings = copy_tree(old, output.h5, output.file.parent, chosen.get)
        for item in recoded:
            item.dataset[...] = old[item.source_path][...]
        paths = [item.source_path for item in recoded]
        output.commit()
    return paths, warnings


def tool(name: str, *arguments: Any) -> str:
    """What one of HDF5's own tools says; the test is skipped without it."""
    if shutil.which(name) is None:
        pytest.skip(f"{name} is not installed (Debian: hdf5-tools)")
    command = [name, *map(str, arguments)]
    done = subprocess.run(
        command, capture_output=True, text=True, errors="surrogateescape", check=False
    )
    return done.stdout + done.stderr


def differences(source: Path, target: Path) -> str:
    """What h5diff finds, what it did not compare included: its exit code says nothing of that.

    It compares no dataset in which nothing is stored, and says so of each.
    """
    lines = tool("h5diff", "-c", source, target).splitlines()
    return "\n".join(line for line in lines if not line.endswith("is an empty dataset"))


def objects(group: h5py.Group) -> Iterator[tuple[str, Any]]:
    """Every link below a group and what it leads to, each object once."""
    seen = set()
    stack = [group]
    while stack:
        here = stack.pop()
        for name in here:
            link = here.get(name, getlink=True)
            path = f"{here.name.rstrip('/')}/{name}"
            if not isinstance(link, h5py.HardLink):
                yield path, link
                continue
            item = here[name]
            address = h5o.get_info(item.id).addr
            yield path, item
            if isinstance(item, h5py.Group) and address not in seen:
                stack.append(item)
            seen.add(address)


def same(source: Path, target: Path) -> None:
    """Assert that h5py sees two equal files: the links, their order, types, properties, values."""
    with h5py.File(source, "r") as old, h5py.File(target, "r") as new:
        assert old.userblock_size == new.userblock_size
        _same_attributes(old, new)
        _same_properties(old, new)
        ours, theirs = list(objects(new)), list(objects(old))
        assert [path for path, _ in ours] == [path for path, _ in theirs]
        for (path, there), (_, here) in zip(theirs, ours, strict=True):
            assert type(there) is type(here), path
            if isinstance(there, (h5py.SoftLink, h5py.ExternalLink)):
                assert vars(there) == vars(here)
                continue
            _same_attributes(there, here)
            _same_properties(there, here)
            if isinstance(there, h5py.Dataset):
                _same_datasets(there, here)
            elif isinstance(there, h5py.Datatype):
                assert there.id.equal(here.id)


def _same_properties(old: Any, new: Any) -> None:
    assert h5o.get_info(old.id).rc == h5o.get_info(new.id).rc
    if isinstance(old, h5py.Datatype):
        return
    before, after = old.id.get_create_plist(), new.id.get_create_plist()
    assert before.get_attr_creation_order() == after.get_attr_creation_order()
    if isinstance(old, h5py.Group) and not isinstance(old, h5py.File):
        assert before.get_link_creation_order() == after.get_link_creation_order()
    assert old.parent.id.get_comment(b".") == new.parent.id.get_comment(b".")


def _same_attributes(old: Any, new: Any) -> None:
    assert list(old.attrs) == list(new.attrs)
    for name in old.attrs:
        before, after = (h5a.open(item.id, name.encode()) for item in (old, new))
        assert before.shape == after.shape
        assert before.get_type().equal(after.get_type())
        assert before.get_type().committed() == after.get_type().committed()
        try:
            values = [item.attrs[name] for item in (old, new)]
        except TypeError:
            continue
        _same_values(*values, old.file, new.file)  # type: ignore[call-arg]


def _same_datasets(old: h5py.Dataset, new: h5py.Dataset) -> None:
    assert (old.shape, old.maxshape) == (new.shape, new.maxshape)
    before, after = old.id.get_type(), new.id.get_type()
    assert before.equal(after)
    assert before.committed() == after.committed()
    if before.committed():
        assert h5py.Datatype(before).name == h5py.Datatype(after).name
    properties = old.id.get_create_plist(), new.id.get_create_plist()
    defined = [item.fill_value_defined() for item in properties]
    assert defined[0] == defined[1]
    if defined[0] == h5d.FILL_VALUE_USER_DEFINED:
        assert np.array_equal(old.fillvalue, new.fillvalue)
    assert properties[0].get_fill_time() == properties[1].get_fill_time()
    try:
        old.dtype  # noqa: B018
    except TypeError:
        return
    _same_values(old[()], new[()], old.file, new.file)


def _same_values(old: Any, new: Any, old_file: h5py.File, new_file: h5py.File) -> None:
    if isinstance(old, h5py.RegionReference):
        assert bool(old) == bool(new)
        if old:
            assert old_file[old].name == new_file[new].name
            assert np.array_equal(old_file[old][old], new_file[new][new])
    elif isinstance(old, h5py.Reference):
        assert bool(old) == bool(new)
        if old:
            assert old_file[old].name == new_file[new].name
    elif isinstance(old, np.ndarray) and old.dtype.hasobject:
        assert old.shape == new.shape
        for before, after in zip(old.reshape(-1), new.reshape(-1), strict=True):
            _same_values(before, after, old_file, new_file)
    elif isinstance(old, np.void) and old.dtype.hasobject:
        for name in old.dtype.names:
            _same_values(old[name], new[name], old_file, new_file)
    elif isinstance(old, h5py.Empty):
        assert isinstance(new, h5py.Empty)
    else:
        assert np.asarray(old).tobytes() == np.asarray(new).tobytes()
