"""The output file of a plan while it is written, with the notes on what is done."""

from __future__ import annotations

from collections.abc import Callable
from types import TracebackType
from typing import Self

from sharedcompute.engines.durability.identity import header_of, mark
from sharedcompute.engines.durability.journal import Record
from sharedcompute.engines.durability.runs import check_same, runs, was_overwriting
from sharedcompute.engines.durability.sections import Progress
from sharedcompute.errors import (
    GOES_ON,
    KEPT,
    InputChanged,
    OutputExists,
    ReadBackError,
    StaleResumeError,
)
from sharedcompute.hdf5.safety.input_files import InputFiles, Seen
from sharedcompute.hdf5.writing.output import OutputFile
from sharedcompute.hdf5.writing.staging import mark_of
from sharedcompute.planning.plan import Plan
from sharedcompute.planning.structure import Repack
from sharedcompute.wording import in_python

Header = Callable[[Seen | None], Record]
"""Returns which job it is, from the file that the output begins as."""


def check_output(plan: Plan) -> None:
    """Refuse an output that cannot be written, before anything is started or changed."""
    if plan.task.output is not None:
        DurableOutput.of(plan).check(plan.projection.disk_needed)


class DurableOutput:
    """An output that is locked, and written. A context manager: what is not committed is undone.

    That is the output file. What is done is kept beside it, if anything is, for a later run.

    Parameters
    ----------
    file : OutputFile
    reads : InputFiles
        What the job reads. Once that has changed nothing is kept.
    header : callable
    resume : bool
        Go on with a stopped job, which may then replace what it was allowed to when it began.
    in_place : bool
        The output has no filters.
    """

    def __init__(
        self,
        file: OutputFile,
        reads: InputFiles,
        header: Header,
        resume: bool,
        in_place: bool = True,
    ) -> None:
        file.overwrite |= resume and was_overwriting(file.folder.path)
        self.file = file
        self._reads = reads
        self._header = header
        self._resume = resume
        self._in_place = in_place
        self._progress: Progress | None = None

    @classmethod
    def of(cls, plan: Plan) -> DurableOutput:
        """Return the output of a plan that has one."""
        task, out = plan.task, plan.task.output
        assert out is not None
        like = task.file if isinstance(task, Repack) and task.path is None else None
        return cls(
            OutputFile(out.address, out.overwrite, plan.results, like=like),
            plan.reads,
            lambda base: header_of(plan, base),
            out.resume,
            plan.in_place,
        )

    def check(self, nbytes: int) -> None:
        """Refuse what cannot be written, before anything is started; as `OutputFile.check`."""
        if not self._is_finished():
            self.file.check(self._reads.names, nbytes)

    def nothing_to_do(self) -> bool:
        """Return whether a resumed job has nothing left to do; what it left is removed then.

        `--resume` may come too late: in a script that goes over many files again, or because the
        job was stopped after its output was in its place. Or the output was finished, and is put in
        its place here.
        """
        if not self._is_finished():
            return self._resume and self._publish_finished()
        if self.file.folder.path.is_dir():
            self.file.folder.take()
            self.file.folder.remove()
        return True

    def _publish_finished(self) -> bool:
        """Move the file that an earlier run has finished to its place, if there is one."""
        folder = self.file.folder.path
        if not any(run.finished for run in runs(folder)):
            return False
        self.file.lock()
        try:
            # Under the lock nobody else takes it away.
            kept = [run for run in runs(folder) if run.finished]
            for run in kept[-1:]:
                header = self._header(self.file.base)
                check_same(folder, run.header["identity"], header["identity"])
                self.file.publish_finished(run.number, still=self._reads.check)
        finally:
            self.file.abort(keep=True)
        return bool(kept)

    def _is_finished(self) -> bool:
        """Return whether this very job has written the output, unchanged since."""
        found = mark_of(self.file.file) if self._resume else None
        return found is not None and found == mark(self._header(None))

    @property
    def progress(self) -> Progress:
        """The notes."""
        assert self._progress is not None
        return self._progress

    @property
    def goes_on(self) -> bool:
        """Whether the file has all its datasets already."""
        return self.progress.goes_on

    def __enter__(self) -> Self:
        self.file.lock()
        try:
            header = self._header(self.file.base)
            self._progress = Progress(self.file.folder.path, header, self._resume, self._in_place)
            if self.goes_on:
                self.file.reopen(self.progress.number)
            else:
                self.file.open(self.progress.number)
        except BaseException as problem:
            # `with` calls no __exit__ for what fails in here.
            self.__exit__(type(problem), problem, None)
            raise
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        value: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        progress, self._progress = self._progress, None
        if progress is not None:
            progress.close()
            # What is done, and wrong, is nothing to go on with.
            keep = progress.any_done and not isinstance(value, ReadBackError)
        else:
            # What other runs have left, of this job or of another, is not this one's to remove.
            keep = self._resume and bool(runs(self.file.folder.path))
        # Nobody knows which of it was made of the old file, and which of the new one.
        keep = keep and not isinstance(value, InputChanged)
        if keep and not isinstance(value, StaleResumeError | None):
            value.add_note(f"{KEPT} {self.file.folder.path.name}{in_python(GOES_ON)}")
        self.file.abort(keep)

    def settle(self) -> None:
        """Note that all datasets are created; open objects of the file are closed."""
        self.file.settle()
        self.progress.settled()

    def commit(self, published: Callable[[], None], *, whole: bool = True) -> None:
        """Move the file to its place, and report that.

        Parameters
        ----------
        whole : bool
            It is what the job writes whenever it is run, and is marked so.
        """
        job = mark(self.progress.run.header) if whole else ""
        try:
            self.file.commit(published, job, still=self._reads.check)
        except OutputExists:
            # Whoever moves away what is in the way gets it. What was added to a file that somebody
            # has changed since is of no use.
            if self.file.fresh:
                self.progress.finished(self.file.temporary)
            raise
        self.progress.close()
        self._progress = None
