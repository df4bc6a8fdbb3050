"""A file stored in another way: what its copy keeps, and what HDF5 stores while it copies."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from sharedcompute.hdf5.address import Address
from sharedcompute.planning.output import OutputSpec
from sharedcompute.planning.recode import Recoding


@dataclass(frozen=True)
class Repack:
    """A file, or one dataset of it, to be written in another way.

    Parameters
    ----------
    file : str
        The input.
    path : str or None
        The one dataset that is meant; None for the whole file.
    output : OutputSpec
    copied : tuple of str
        The datasets that HDF5 copies as they are.
    at_once : mapping of int to Recoding
        The datasets that HDF5 itself stores in another way while it copies the structure, by their
        addresses in the input.
    check : bool
        Let HDF5 read back what was written, and compare it with the input.
    """

    file: str
    path: str | None
    output: OutputSpec
    copied: tuple[str, ...]
    at_once: Mapping[int, Recoding]
    check: bool

    @property
    def address(self) -> Address:
        """The input, with the path of the one dataset that is meant."""
        return Address(self.file, self.path)
