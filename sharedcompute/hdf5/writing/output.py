"""The output file: written beside its place, and put there whole.

At every moment the output path holds the old file or the new one. What is named is what is created
or replaced: FILE alone names the whole file, FILE::PATH one object in it; then the other objects of
an existing file are kept, by writing into a copy of it.
"""

from __future__ import annotations

import contextlib
import os
import signal
import stat
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import h5py
from h5py import h5p

from sharedcompute.errors import OutputExists
from sharedcompute.hdf5.address import Address
from sharedcompute.hdf5.copying.creation_order import TRACKED
from sharedcompute.hdf5.format.marks import COMPLETE
from sharedcompute.hdf5.format.names import is_taken, raw
from sharedcompute.hdf5.safety.input_files import Seen
from sharedcompute.hdf5.safety.ownership import create, open_own
from sharedcompute.hdf5.writing.destination import (
    check_existing,
    check_no_input,
    check_place,
    check_room,
)
from sharedcompute.hdf5.writing.placing import place_new
from sharedcompute.hdf5.writing.staging import (
    WriteBehind,
    copy_into,
    create_file,
    make_like,
    set_mark,
    sync_folder,
)
from sharedcompute.hdf5.writing.state_folder import StateFolder
from sharedcompute.system import faults
from sharedcompute.system.shortage import full_disk_named
from sharedcompute.system.signal_mask import blocked
from sharedcompute.wording import flag

OLDEST = ("v108", "latest")
"""HDF5 1.8's format at the least: what netCDF-4 writes, with room for attributes above 64 KiB."""


class OutputFile:
    """One output file of one job.

    Parameters
    ----------
    address : Address or str
        FILE for a whole file, FILE::PATH for one object in it.
    overwrite : bool
        Replace what is named if it exists.
    results : iterable of str
        The paths of the datasets to be made, where PATH is but the group that they go to. Only
        they are replaced then: what else the group holds is somebody else's.
    like : str, optional
        A file whose own properties the new one takes over: user block, creation order of the root,
        sizes, file space. The result is to be that file's equal, so no attribute of ours is put in
        it; its name alone says that it is complete. For a whole file.

    Attributes
    ----------
    file : pathlib.Path
        Where the file will stand, links resolved: a link to an output stays a link.
    path : str
        What is named inside, ``/`` for all.
    folder : StateFolder
        Where all of the job is until its end.
    temporary : pathlib.Path
        Where the file is written, in that folder.
    fresh : bool
        Whether it began empty, and not as a copy of an existing file.
    """

    def __init__(
        self,
        address: Address | str,
        overwrite: bool = False,
        results: Iterable[str] = (),
        like: str | None = None,
    ) -> None:
        self.address = Address.parse(address)
        self.overwrite = overwrite
        self.file = Path(os.path.realpath(self.address.file))
        self.path = self.address.path or "/"
        self._results = tuple(results) or (self.path,)
        self.folder = StateFolder(self.file)
        self.temporary = self.folder.path / "output-1.h5"
        self.fresh = True
        self._like = like
        self._fd = -1
        self._published = False
        self._base: Seen | None = None
        self._behind: WriteBehind | None = None
        self._h5: h5py.File | None = None

    @property
    def whole(self) -> bool:
        """Whether the whole file is created or replaced."""
        return self.path == "/"

    @property
    def h5(self) -> h5py.File:
        """The temporary file, open for writing."""
        if self._h5 is None:
            raise ValueError("expected an open output, got a closed one; call open() first")
        return self._h5

    def check(self, inputs: Iterable[str] = (), nbytes: int = 0) -> None:
        """Refuse what cannot work, before anything is started or created.

        Parameters
        ----------
        inputs : iterable of str
            The files that the job reads.
        nbytes : int
            What the results take on the disk at most.

        Raises
        ------
        InputError
            The folder is missing or cannot be written, or the output is an input.
        OutputExists
            What is named exists, or another job is writing it.
        MemoryBudgetError
            The disk has too little room.
        """
        check_place(self.file)
        self.folder.check()
        check_no_input(self.folder, inputs)
        self._check_existing()
        kept = self.file.stat().st_size if self._keeps() else 0
        check_room(self.folder, nbytes + kept)

    @property
    def base(self) -> Seen | None:
        """The existing file that is kept: which one the new file began as."""
        return Seen.of(str(self.file)) if self._keeps() else None

    def lock(self) -> None:
        """Lock the output; what `check` refuses is refused under the lock.

        Raises
        ------
        InputError, OutputExists
            As `check`.
        """
        check_place(self.file)
        self.folder.take()
        try:
            self._check_existing()
        except BaseException:
            self.abort(keep=any(self.folder.path.glob("journal-*")))
            raise

    def open(self, number: int = 1) -> Self:
        """Create the temporary file, locked; an existing file that is kept is copied into it.

        Parameters
        ----------
        number : int
            Tells the files of one folder apart: an older one is read while a newer one is made.

        Raises
        ------
        InputError, OutputExists, MemoryBudgetError
            As `check`.
        """
        alone = not self.folder.locked
        if alone:
            self.lock()
        self.temporary = self.folder.path / f"output-{number}.h5"
        faults.point("output.create")
        try:
            # Its permissions are those of any new file, once it is in its place.
            self._fd = create(self.temporary, mode=0o666)
            keeps = self._keeps()
            self._base = self.base
            self.fresh = not keeps
            if self.file.exists():
                # A private file stays private.
                os.fchmod(self._fd, stat.S_IMODE(self.file.stat().st_mode))
            if keeps:
                copy_into(self.file, self._fd, self.temporary)
            if self._like is not None:
                make_like(self.temporary, self._like)
            with full_disk_named(str(self.file)):
                begun = keeps or self._like is not None
                self._h5 = open_written(self.temporary, new=not begun)
                for path in self._results if keeps else ():
                    if is_taken(self._h5, path):
                        del self._h5[raw(path)]
                if self._like is None:
                    self._h5.attrs[COMPLETE] = 0
            self._behind = WriteBehind(self._fd)
        except BaseException:
            # Whoever has locked the folder knows whether anything in it is to be kept.
            if alone:
                self.abort()
            raise
        return self

    def settle(self) -> None:
        """Bring all that was made so far into the file, so that it can be opened again.

        What HDF5 hands out next depends on that: a job that goes on after a stop opens the file
        here, and is to end in the same bytes. Open objects of the file are closed.
        """
        with self.lent():
            faults.point("output.settle")

    @contextlib.contextmanager
    def lent(self) -> Iterator[Path]:
        """Close the file meanwhile, so that another process can open it by `open_written`."""
        with full_disk_named(str(self.file)):
            self.h5.close()
        yield self.temporary
        self._h5 = open_written(self.temporary)

    def reopen(self, number: int) -> None:
        """Open the temporary file that another run has left, as it was settled."""
        self.temporary = self.folder.path / f"output-{number}.h5"
        self._base = self.base
        self.fresh = self._base is None
        self._fd = open_own(self.temporary, os.O_RDWR)
        self._h5 = open_written(self.temporary)
        self._behind = WriteBehind(self._fd)

    def commit(
        self,
        published: Callable[[], None] = lambda: None,
        job: str = "",
        still: Callable[[], None] = lambda: None,
    ) -> None:
        """Mark the file complete, bring it to the disk and put it in its place.

        Parameters
        ----------
        job : str
            The file is marked with it; see `mark_of`.
        published : callable
            Called once it is in its place. No signal of the user's comes between: what it would
            be told, that the output is as it was, would not be true.
        still : callable
            Raises where what the file was made of has changed; asked last.
        """
        with full_disk_named(str(self.file)):
            if self._like is None:
                self.h5.attrs[COMPLETE] = 1
            self.h5.close()
            self._stop_flushing()
            set_mark(self._fd, job)
            faults.point("output.fsync")
            os.fsync(self._fd)
        self._publish(published, still)

    def publish_finished(self, number: int, still: Callable[[], None]) -> None:
        """Put the file in its place that another run has finished, and could not put there."""
        self.temporary = self.folder.path / f"output-{number}.h5"
        self._base = self.base
        self._publish(lambda: None, still)

    def _publish(self, published: Callable[[], None], still: Callable[[], None]) -> None:
        faults.point("output.rename")
        still()
        with blocked({signal.SIGINT, signal.SIGTERM, signal.SIGHUP}):
            self._place()
            # Before anything else can fail: what is done is done.
            self._h5 = None
            self._published = True
            published()
        faults.point("output.renamed")
        sync_folder(self.file.parent)
        self._close()
        faults.point("folder.remove")
        self.folder.remove()

    def _place(self) -> None:
        """Put the file in its place; over another one only where that was asked for."""
        if self._base is not None and self.base != self._base:
            raise OutputExists(
                f"expected {self.file} as it was when the job began, another program has changed "
                "it; run the job again"
            )
        if self._base is not None or (self.whole and self.overwrite):
            self.temporary.replace(self.file)
            return
        try:
            place_new(self.temporary, self.file)
        except FileExistsError:
            both = f", or give {flag('overwrite')} and {flag('resume')}"
            replaced = both if self.whole else ""
            raise OutputExists(
                f"{self.file} has appeared while the job ran; move it away and give "
                f"{flag('resume')}"
                f"{replaced}"
            ) from None

    def abort(self, keep: bool = False) -> None:
        """Let go of the output; what stood at its path stays. Harmless when done.

        Parameters
        ----------
        keep : bool
            Leave the folder, for a run that goes on; else it is removed.
        """
        if self._h5 is not None:
            # A full disk fails the close as well; the file goes anyway.
            with contextlib.suppress(OSError, RuntimeError, ValueError):
                self._h5.close()
            self._h5 = None
        with contextlib.suppress(OSError):
            self._stop_flushing()
        self._close()
        if self.folder.locked:
            if keep and not self._published:
                self.folder.release()
            else:
                self.folder.remove()

    def __enter__(self) -> Self:
        return self.open()

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.abort()

    def _stop_flushing(self) -> None:
        behind, self._behind = self._behind, None
        if behind is not None:
            behind.stop()

    def _close(self) -> None:
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1

    def _keeps(self) -> bool:
        return not self.whole and self.file.exists()

    def _check_existing(self) -> None:
        check_existing(self.file, ("/",) if self.whole else self._results, self.overwrite)


def open_written(file: Path, new: bool = False) -> h5py.File:
    """Open the temporary file through HDF5, whose own locks would stand in the way of ours."""
    options: dict[str, Any] = {"locking": False, "libver": OLDEST}
    # Data on multiples of a cache line, or our own results could not be mapped as they lie.
    options |= {"alignment_threshold": 2048, "alignment_interval": 64}
    if new:
        _make_empty(file)
    return h5py.File(file, "r+", **options)


def _make_empty(file: Path) -> None:
    """Make an HDF5 file without the times of its root group: the bytes would depend on them.

    `h5py.File` leaves them in before h5py 3.15 (h5py/h5py#2610).
    """
    fcpl = h5p.create(h5p.FILE_CREATE)
    fcpl.set_link_creation_order(TRACKED)
    fcpl.set_attr_creation_order(TRACKED)
    fcpl.set_obj_track_times(False)
    create_file(file, fcpl)
