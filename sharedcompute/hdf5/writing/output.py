"""The output file: written next to its place, and put there whole.

At every moment the output path holds the old file or the new one. What is named is what is created
or replaced: FILE alone names the whole file, FILE::PATH one object in it; then the other objects of
an existing file are kept, by writing into a copy of it.
"""

from __future__ import annotations

import contextlib
import os
import signal
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from types import TracebackType
from typing import Self

import h5py

from sharedcompute.errors import OutputExists
from sharedcompute.hdf5.address import Address
from sharedcompute.hdf5.format.marks import COMPLETE
from sharedcompute.hdf5.format.names import is_taken, raw
from sharedcompute.hdf5.safety.input_files import Seen
from sharedcompute.hdf5.writing.destination import (
    check_existing,
    check_no_input,
    check_place,
    check_room,
)
from sharedcompute.hdf5.writing.placing import place_new
from sharedcompute.hdf5.writing.staging import sync_folder
from sharedcompute.hdf5.writing.state_folder import StateFolder
from sharedcompute.hdf5.writing.temporary import TemporaryFile
from sharedcompute.system import faults
from sharedcompute.system.shortage import full_disk_named
from sharedcompute.system.signal_mask import blocked
from sharedcompute.wording import flag


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
        they are replaced then: whatever else the group holds is kept.
    like : str, optional
        A file whose own properties the new one takes over: user block, creation order of the root,
        sizes, file space. The result is to be that file's equal, so no attribute of ours is put in
        it; its name alone says that it is complete. For a whole file.

    Attributes
    ----------
    file : pathlib.Path
        The place of the file, links resolved: a link to an output stays a link.
    path : str
        What is named inside, ``/`` for all.
    folder : StateFolder
        Where all of the job is until its end.
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
        self.address = Address.parse(address).literal
        self.overwrite = overwrite
        self.file = Path(os.path.realpath(self.address.file))
        self.path = self.address.path or "/"
        self._results = tuple(results) or (self.path,)
        self.folder = StateFolder(self.file)
        self.fresh = True
        self._like = like
        self._file = self._numbered(1)
        self._published = False
        self._base: Seen | None = None

    @property
    def whole(self) -> bool:
        """True if the whole file is created or replaced."""
        return self.path == "/"

    @property
    def h5(self) -> h5py.File:
        """The temporary file, open for writing."""
        return self._file.h5

    @property
    def temporary(self) -> Path:
        """Where the file is written, in the folder."""
        return self._file.path

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
            The number of the file in its folder: an older one is read while a newer one is made.

        Raises
        ------
        InputError, OutputExists, MemoryBudgetError
            As `check`.
        """
        alone = not self.folder.locked
        if alone:
            self.lock()
        self._file = self._numbered(number)
        faults.point("output.create")
        try:
            keeps = self._keeps()
            self._base = self.base
            self.fresh = not keeps
            self._file.create(keeps=keeps, like=self._like)
            with full_disk_named(str(self.file)):
                for path in self._results if keeps else ():
                    if is_taken(self.h5, path):
                        del self.h5[raw(path)]
                if self._like is None:
                    self.h5.attrs[COMPLETE] = 0
            self._file.write_behind()
        except BaseException:
            # The holder of the folder's lock knows whether anything in it is to be kept.
            if alone:
                self.abort()
            raise
        return self

    def settle(self) -> None:
        """Flush all that was created so far to the file, so that it can be opened again.

        What HDF5 allocates next depends on that: a job that resumes after a stop opens the file
        here, and is to end in the same bytes. Open objects of the file are closed.
        """
        with self.lent():
            faults.point("output.settle")

    @contextlib.contextmanager
    def lent(self) -> Iterator[Path]:
        """Close the file meanwhile, so that another process can open it by `open_written`."""
        with self._file.lent() as path:
            yield path

    def reopen(self, number: int) -> None:
        """Open the temporary file that another run has left, as it was settled."""
        self._file = self._numbered(number)
        self._base = self.base
        self.fresh = self._base is None
        self._file.reopen()
        self._file.write_behind()

    def commit(
        self,
        published: Callable[[], None] = lambda: None,
        job: str = "",
        still: Callable[[], None] = lambda: None,
    ) -> None:
        """Mark the file complete, sync it to the disk and put it in its place.

        Parameters
        ----------
        job : str
            The file is marked with it; see `mark_of`.
        published : callable
            Called once it is in its place. No signal of the user's interrupts it: the message
            that the output is as it was would not be true.
        still : callable
            Raises where the inputs have changed; called last.
        """
        with full_disk_named(str(self.file)):
            if self._like is None:
                self.h5.attrs[COMPLETE] = 1
            self._file.finish(job)
        self._publish(published, still)

    def publish_finished(self, number: int, still: Callable[[], None]) -> None:
        """Put the file in its place that another run has finished, and could not put there."""
        self._file = self._numbered(number)
        self._base = self.base
        self._publish(lambda: None, still)

    def _publish(self, published: Callable[[], None], still: Callable[[], None]) -> None:
        faults.point("output.rename")
        still()
        with blocked({signal.SIGINT, signal.SIGTERM, signal.SIGHUP}):
            self._place()
            # Before anything else can fail: what is done is done.
            self._published = True
            published()
        faults.point("output.renamed")
        sync_folder(self.file.parent)
        self._file.close()
        faults.point("folder.remove")
        self.folder.remove()

    def _place(self) -> None:
        """Put the file in its place; over another one only if the user allows it."""
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
        """Close the output; what stood at its path stays. Harmless when done.

        Parameters
        ----------
        keep : bool
            Leave the folder, for a run that resumes; else it is removed.
        """
        self._file.close()
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

    def _numbered(self, number: int) -> TemporaryFile:
        return TemporaryFile(self.folder.path / f"output-{number}.h5", self.file)

    def _keeps(self) -> bool:
        return not self.whole and self.file.exists()

    def _check_existing(self) -> None:
        check_existing(self.file, ("/",) if self.whole else self._results, self.overwrite)
