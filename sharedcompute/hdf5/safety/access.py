"""Access policy: other files that an input may lead to, and where HDF5 looks for them.

A file can name any other: by external links, virtual sources and external storage. HDF5 opens what
it finds there, `/etc/passwd` as raw numbers, and waits for ever at a FIFO. So each name is looked
up here first, as HDF5 would.

References
----------
HDF5 reference manual: `H5Lcreate_external`, `H5Pset_virtual`, `H5Pset_external`.
"""

from __future__ import annotations

import contextlib
import itertools
import os
import stat
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path

from sharedcompute.errors import InputError
from sharedcompute.hdf5.safety.input_files import Seen
from sharedcompute.wording import flag

PATTERN_LIMIT = 10_000
"""Files of a printf-style mapping that are looked up at most."""


@dataclass(frozen=True)
class AccessPolicy:
    """The files that an input may lead to, and those that it has led to.

    Parameters
    ----------
    folder : str
        Links resolved. What lies in it, or below it, may be read.
    everywhere : bool
        And so may any other file.
    met : dict of Seen
        By their paths: the files that were met on the way, each as it was before it was opened.
    """

    folder: str
    everywhere: bool = False
    met: dict[str, Seen] = field(default_factory=dict, compare=False)

    @classmethod
    def of(cls, file: str, allow_external: bool) -> AccessPolicy:
        """Return what `file` may lead to: its own folder, and with `allow_external` everything."""
        policy = cls(str(Path(os.path.realpath(file)).parent), allow_external)
        with contextlib.suppress(OSError, ValueError):
            policy.meet(file)
        return policy

    def meet(self, file: str) -> Seen:
        """Note a file that is about to be opened; as it was, where it was met before."""
        if file in self.met:
            return self.met[file]  # a file has thousands of datasets
        path = os.path.realpath(file)
        if path not in self.met:
            self.met[path] = Seen.of(path)
        return self.met[path]

    def grows(self, file: str) -> None:
        """Note that a program appends to a file."""
        self.met[os.path.realpath(file)] = replace(self.meet(file), grows=True)

    def permits(self, file: str) -> bool:
        """Return whether `file` may be read."""
        inside = Path(os.path.realpath(file)).is_relative_to(self.folder)
        return self.everywhere or inside

    def first(self, places: Iterator[str], what: str) -> str | None:
        """Return the first of `places` that is there; None where nothing is.

        Parameters
        ----------
        places : iterator of str
            In the order in which HDF5 tries them.
        what : str
            What names the file, for the errors.

        Raises
        ------
        InputError
            It is no regular file, or may not be read.
        """
        for place in places:
            try:
                mode = Path(place).stat().st_mode
            except (OSError, ValueError):
                continue
            if stat.S_ISDIR(mode):
                continue
            if not self.permits(place):
                raise InputError(
                    f"expected what {what} leads to in {self.folder}, found "
                    f"{os.path.realpath(place)}, which is read only with "
                    f"{flag('allow_external')}; give that if you trust the file"
                )
            if not stat.S_ISREG(mode):
                raise InputError(
                    f"expected a file where {what} leads to, found {place}, which is no regular "
                    "file; bring the file there"
                )
            self.meet(place)
            return place
        return None


def linked_file(file: str, name: str, policy: AccessPolicy, what: str) -> str | None:
    """Return the file that an external link means by `name`; None where it is not there."""
    return policy.first(_places(file, name, "HDF5_EXT_PREFIX"), what)


def source_file(file: str, name: str, policy: AccessPolicy, what: str) -> str | None:
    """Return the file that a virtual dataset means by `name`; None where it is not there.

    ``.`` is the file itself.
    """
    return file if name == "." else policy.first(_places(file, name, "HDF5_VDS_PREFIX"), what)


def storage_file(file: str, name: str, policy: AccessPolicy, what: str) -> str | None:
    """Return the file that external storage of a dataset in `file` means by `name`.

    Relative names are relative to the working folder: HDF5 looks nowhere else.
    """
    prefix = os.environ.get("HDF5_EXTFILE_PREFIX", "")
    if prefix and not Path(name).is_absolute():
        name = f"{_with_origin(prefix, str(Path(file).parent))}/{name}"
    return policy.first(iter([name]), what)


def _places(file: str, name: str, variable: str) -> Iterator[str]:
    """Yield where HDF5 looks for a file that another one names.

    As named if that is absolute, in the folders of `variable`, in that of the naming file, and in
    the working folder; where an absolute name is not there, its last part is looked for.
    """
    folder = str(Path(file).parent)
    if Path(name).is_absolute():
        yield name
        name = Path(name).name
    prefix = os.environ.get(variable, "")
    if prefix:
        for each in prefix.split(":"):
            yield f"{each}/{name}"
        yield f"{_with_origin(prefix, folder)}/{name}"
    yield f"{folder}/{name}"
    yield name


def _with_origin(prefix: str, folder: str) -> str:
    return prefix.replace("${ORIGIN}", folder)


def is_pattern(name: str) -> bool:
    """Return whether a source's name is one for many: ``%b`` is the number of a block."""
    return "%b" in name.replace("%%", "")


def numbered(name: str, number: int) -> str:
    """Return a printf-style name of block `number`."""
    parts = name.split("%%")
    return "%".join(part.replace("%b", str(number)) for part in parts)


def pattern_numbers() -> Iterator[int]:
    """Return the blocks of a printf-style mapping, as far as they are looked for."""
    return itertools.islice(itertools.count(), PATTERN_LIMIT)
