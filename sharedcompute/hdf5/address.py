"""Addresses of arrays: a file, and the path of an object inside it."""

from __future__ import annotations

import glob
import os
import re
from dataclasses import dataclass

from sharedcompute.errors import InputError
from sharedcompute.hdf5.window import WindowText, split_window

SEPARATOR = "::"


@dataclass(frozen=True)
class Address:
    """``FILE[::PATH]``, as in ``run_7.h5::/entry/data``, and perhaps a window of it in brackets.

    Parameters
    ----------
    file : str
        A file's path, as it was given; it may be a glob.
    path : str or None
        An object's absolute path inside the file, without a slash at its end; None where the file
        alone was named.
    window : WindowText or None
        What of the array is meant: ``[31:59, :, ::2]``, ``[time=2001-03, lat=30:60]``. None for all
        of it.
    """

    file: str
    path: str | None = None
    window: WindowText | None = None

    @classmethod
    def parse(cls, text: str | os.PathLike[str] | Address) -> Address:
        """Read an address.

        Raises
        ------
        InputError
            No file is named, or ``::`` has nothing after it.

        Examples
        --------
        >>> Address.parse("run.h5::entry/data")
        Address(file='run.h5', path='/entry/data', window=None)
        >>> Address.parse("run.h5::/entry/data[10:20]").window
        WindowText(text='[10:20]')
        """
        if isinstance(text, Address):
            return text
        whole = os.fspath(text)
        file, separator, inside = _split(whole)
        if not file or "\0" in whole:
            raise InputError(f"expected FILE or FILE::PATH, got {whole!r}; name a file")
        if not separator:
            return cls(file)
        if not inside.strip():
            raise InputError(
                f"expected FILE::PATH, got {whole!r} with no PATH; name an object such as "
                f"{file}::/data, or leave out the '::'"
            )
        path, window = split_window(inside)
        return cls(file, normal_path(path) if path else None, window)

    @property
    def literal(self) -> Address:
        """The same, with the brackets taken for a part of the name: what is made has any name."""
        if self.window is None:
            return self
        return Address(self.file, normal_path(f"{self.path or ''}{self.window}"))

    def __str__(self) -> str:
        inside = f"{self.path or ''}{self.window or ''}"
        return f"{self.file}{SEPARATOR}{inside}" if inside else self.file


def _split(whole: str) -> tuple[str, str, str]:
    """Split into the file, ``::`` and the path, unless a file's own name has ``::``.

    The longest beginning of the text that is a file is that file.
    """
    places = [at for at in range(len(whole)) if whole.startswith(SEPARATOR, at)]
    for at in [len(whole), *reversed(places)] if places else []:
        if SEPARATOR in whole[:at] and os.path.isfile(whole[:at]):  # noqa: PTH113 - odd names
            return whole[:at], whole[at : at + 2], whole[at + 2 :]
    return whole.partition(SEPARATOR)


def normal_path(path: str) -> str:
    """Return `path` from the root of its file: one slash first, none doubled, none at the end."""
    return "/" + "/".join(part for part in path.split("/") if part not in ("", "."))


def matching_files(file: str) -> list[str]:
    """Return the files that `file` stands for, in natural order: itself, unless it is a glob.

    A file whose very name has the characters of a glob is that file.

    Raises
    ------
    InputError
        It is a glob that nothing matches.
    """
    if glob.escape(file) == file or os.path.exists(file):  # noqa: PTH110 - false for odd names
        return [file]
    found = sorted(glob.glob(file, recursive=True), key=_natural)  # noqa: PTH207
    if not found:
        raise InputError(f"expected files that match {file}, found none; check the glob")
    return found


def _natural(name: str) -> tuple[list[str | int], str]:
    """Return a key that puts run_2 before run_10: digits by what they count."""
    pieces = re.split(r"([0-9]+)", name)
    return [int(piece) if piece.isdecimal() else piece for piece in pieces], name
