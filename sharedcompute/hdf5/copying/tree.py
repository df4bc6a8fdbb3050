"""The structure of a file, copied: what `repack` keeps.

Everything is made first, and what holds references is filled then: only by then is it known where
the objects stand that they point to.

References
----------
HDF5 user guide, chapters "Groups", "Attributes" and "Datatypes"; the reference manual on H5Ocopy.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import h5py
from h5py import h5a, h5d, h5g, h5l, h5o, h5p, h5t

from sharedcompute.errors import Error, InputError
from sharedcompute.hdf5.copying.creation_order import (
    Link,
    attribute_names,
    group_properties,
    links_of,
)
from sharedcompute.hdf5.copying.named_types import NamedTypes, has_plain_attributes
from sharedcompute.hdf5.copying.references import ObjectAddresses, Translator
from sharedcompute.hdf5.copying.storage import (
    Storage,
    needs_creation,
    recoded_properties,
    same_properties,
)
from sharedcompute.hdf5.copying.values import copy_attribute, copy_dataset
from sharedcompute.hdf5.format.layout import files_of
from sharedcompute.hdf5.format.names import ObjectID, text
from sharedcompute.hdf5.format.types import has_references
from sharedcompute.hdf5.inspection.find import some
from sharedcompute.system.shortage import full_disk_named
from sharedcompute.wording import option

COMMENT = 1 << 13
"""Set among the messages of an object's header where one is a comment (H5Opkg.h): to ask for it by
the object's name takes as long as to open the object."""

Choose = Callable[[int], Storage | None]
"""Returns the storage of the dataset at an address; None copies it as it is."""


@dataclass(frozen=True)
class Recoded:
    """A dataset that was made again and is still empty.

    Parameters
    ----------
    source_path : str
        In the input, and in the output as well.
    dataset : h5py.Dataset
        In the output.
    """

    source_path: str
    dataset: h5py.Dataset


def copy_tree(
    source: h5py.File, target: h5py.File, home: Path, choose: Choose
) -> tuple[list[Recoded], list[str]]:
    """Copy all of a file but the rows of the datasets that `choose` stores otherwise, later.

    Parameters
    ----------
    source : h5py.File
    target : h5py.File
        Empty, and made with the properties of `source`: see `OutputFile`.
    home : Path
        The folder in which the copy will stand.
    choose : callable
        Called with the address of each dataset in `source`. It may choose for arrays of numbers.

    Returns
    -------
    recoded : list of Recoded
        What is still to be filled, in the order of the file.
    warnings : list of str
        What could not be kept, one line each, beginning with its path.

    Raises
    ------
    InputError
        An object cannot be read.
    MemoryBudgetError
        The disk is full.
    """
    copy = _Copy(source, target, home, choose)
    copy.make_all()
    copy.fill_references()
    return copy.recoded, copy.warnings


class _Copy:
    """Copies one file into another."""

    def __init__(self, source: h5py.File, target: h5py.File, home: Path, choose: Choose) -> None:
        self.recoded: list[Recoded] = []
        self.warnings: list[str] = []
        self._source = source
        self._target = target
        self._home = home.resolve()
        self._choose = choose
        self._addresses = ObjectAddresses()
        self._names = str(source.filename), str(target.filename)
        # Made once: each object of h5py takes 10 us.
        self._links: dict[int, h5p.PropLCID] = {}
        # Objects whose attributes, or values where there is None, wait for the second pass.
        self._waiting: list[tuple[bytes, bytes | None]] = []
        self._types = NamedTypes(target, self._addresses)

    def make_all(self) -> None:
        """Make every object and link, and fill what holds no references."""
        old, new = h5g.open(self._source.id, b"/"), h5g.open(self._target.id, b"/")
        self._addresses.add(h5o.get_info(old).addr, new, b"/")
        self._copy_comment(old, new, b".")
        self._copy_attributes(old, new, b"/")
        # A stack and no recursion: files with 3,000 nested groups exist. Groups are opened when
        # their turn comes, not all at once.
        stack: list[tuple[h5g.GroupID, h5g.GroupID, bytes, bytes]]
        stack = [(self._source.id, self._target.id, b"/", b"")]
        while stack:
            old_parent, new_parent, name, path = stack.pop()
            old, new = h5g.open(old_parent, name), h5g.open(new_parent, name)
            below = [link for link in links_of(old, path) if self._copy_link(old, new, link)]
            stack.extend((old, new, link.name, link.path) for link in reversed(below))

    def fill_references(self) -> None:
        """Fill what holds references, now that all objects have their addresses."""
        translate = Translator(self._source, self._target, self._addresses).translate
        for path, name in self._waiting:
            with self._named(path):
                if name is None:
                    source = h5d.open(self._source.id, path)
                    target = h5d.open(self._target.id, path)
                    lost = copy_dataset(source, target, translate)
                else:
                    old, new = h5o.open(self._source.id, path), h5o.open(self._target.id, path)
                    lost = copy_attribute(h5a.open(old, name), h5a.open(new, name), translate)
            if lost:
                where = "its values" if name is None else f"attribute {text(name)}"
                self._warn(path, f"{lost} references in {where} cannot be kept and are null now")

    def _copy_link(self, old: h5g.GroupID, new: h5g.GroupID, link: Link) -> bool:
        """Copy a link and what it leads to, and say whether that is a group still to be walked."""
        with self._named(link.path):
            if link.kind == h5l.TYPE_HARD:
                return self._copy_object(old, new, link)
            if link.kind == h5l.TYPE_SOFT:
                new.links.create_soft(link.name, old.links.get_val(link.name), self._like(link))
            elif link.kind == h5l.TYPE_EXTERNAL:
                file, path = old.links.get_val(link.name)
                new.links.create_external(link.name, file, path, self._like(link))
                self._check_files(link.path, [text(file)])
            else:
                self._warn(link.path, f"a link of the user-defined type {link.kind} is left out")
        return False

    def _like(self, link: Link) -> h5p.PropLCID:
        """Return how to make the same link."""
        if link.charset not in self._links:
            self._links[link.charset] = link.properties
        return self._links[link.charset]

    def _copy_object(self, old_group: h5g.GroupID, new_group: h5g.GroupID, link: Link) -> bool:
        # One that cannot be opened is an error: a copy without it would pass for the whole.
        old = h5o.open(old_group, link.name)
        info = h5o.get_info(old)
        at = info.addr
        known = self._addresses.paths.get(at)
        if known is not None:
            new_group.links.create_hard(link.name, self._target.id, known, self._like(link))
            return False
        new: ObjectID
        if isinstance(old, h5g.GroupID):
            new = h5g.create(new_group, link.name, self._like(link), group_properties(old))
            self._copy_attributes(old, new, link.path)
        elif isinstance(old, h5t.TypeID):
            new, plain = self._types.link(old, new_group, link.name, self._like(link))
            if not plain:
                self._copy_attributes(old, new, link.path)
        else:
            new = self._copy_dataset(old, at, new_group, link)
        self._addresses.add(at, new, link.path)
        if info.hdr.mesg.present & COMMENT:
            self._copy_comment(old_group, new_group, link.name)
        return isinstance(old, h5g.GroupID)

    def _copy_dataset(
        self, old: h5d.DatasetID, at: int, group: h5g.GroupID, link: Link
    ) -> h5d.DatasetID:
        storage = self._choose(at)
        if storage is not None:
            new = self._make_dataset(old, group, link, recoded_properties(old, storage))
            if storage.at_once:
                copy_dataset(old, new)
            else:
                self.recoded.append(Recoded(text(link.path), h5py.Dataset(new)))
            return new
        self._check_files(link.path, files_of(old.get_create_plist()))
        plain = has_plain_attributes(old)
        if needs_creation(old, attributes_change=not plain):
            return self._make_alike(old, group, link)
        if old.get_type().committed():
            keeps = option("filter", "gzip:4")
            self._warn(link.path, f"the name of its type is left out; {keeps} keeps it")
        h5o.copy(old, b".", group, link.name, self._types.copying[plain], self._like(link))
        new = h5d.open(group, link.name)
        if not plain:
            self._copy_attributes(old, new, link.path)
        return new

    def _make_alike(self, old: h5d.DatasetID, group: h5g.GroupID, link: Link) -> h5d.DatasetID:
        new = self._make_dataset(old, group, link, same_properties(old))
        if old.get_create_plist().get_layout() == h5d.VIRTUAL:
            return new
        if has_references(old.get_type()):
            self._waiting.append((link.path, None))
            return new
        try:
            copy_dataset(old, new)
        except (OSError, RuntimeError) as error:
            if not _in_heap(error):
                raise
            self._warn(link.path, f"its values are left out: {_line(error)}")
        return new

    def _make_dataset(
        self, old: h5d.DatasetID, group: h5g.GroupID, link: Link, dcpl: h5p.PropDCID
    ) -> h5d.DatasetID:
        # The times would be those of the copy, and the same job make other bytes each time.
        dcpl.set_obj_track_times(False)
        kind = self._types.copy_of(old.get_type())
        new = h5d.create(group, link.name, kind, old.get_space(), dcpl, self._like(link))
        self._copy_attributes(old, new, link.path)
        return new

    def _copy_attributes(self, old: ObjectID, new: ObjectID, path: bytes) -> None:
        """Make all attributes in their order, and fill those that hold no references."""
        for name in attribute_names(old):
            stored = h5a.open(old, name)
            kind = stored.get_type()
            made = h5a.create(new, name, self._types.copy_of(kind), stored.get_space())
            if has_references(kind):
                self._waiting.append((path, name))
                continue
            try:
                copy_attribute(stored, made)
            except (OSError, RuntimeError) as error:
                if not _in_heap(error):
                    raise
                h5a.delete(new, name)
                self._warn(path, f"attribute {text(name)} is left out: {_line(error)}")

    def _copy_comment(self, old_group: h5g.GroupID, new_group: h5g.GroupID, name: bytes) -> None:
        comment = old_group.get_comment(name)
        if comment and not new_group.get_comment(name):
            new_group.set_comment(name, comment)

    def _check_files(self, path: bytes, names: list[str]) -> None:
        """Warn of files that are looked for beside the output, where it lies in another folder."""
        relative = [name for name in names if not Path(name).is_absolute() and name != "."]
        if not relative:
            return
        folders = [Path(self._names[0]).resolve().parent, self._home]
        if folders[0] != folders[1]:
            self._warn(
                path,
                f"it names {some(relative)}, looked for beside the file, which is now "
                f"{folders[1]} and was {folders[0]}; bring them there",
            )

    def _warn(self, path: bytes, what: str) -> None:
        self.warnings.append(f"{text(path)}: {what}")

    @contextlib.contextmanager
    def _named(self, path: bytes) -> Iterator[None]:
        """Let HDF5's errors name the object."""
        try:
            with full_disk_named(self._names[1]):
                yield
        except Error:
            raise
        except (KeyError, OSError, RuntimeError, ValueError) as error:
            raise InputError(
                f"expected to copy {self._names[0]}::{text(path)}, got {_line(error)}; "
                "look at it with h5dump"
            ) from None


def _in_heap(error: Exception) -> bool:
    """Return whether HDF5 refuses the heap that text and rows of variable length lie in.

    HDF5 2 refuses some that older versions wrote and read.
    """
    return "heap" in str(error)


def _line(error: Exception) -> str:
    return " ".join(str(error).split())
