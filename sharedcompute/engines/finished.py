"""Jobs whose output is there already, and is what they would write.

`--resume` may come too late: in a script that goes over many files again, or because the job was
stopped after its output was in its place.
"""

from __future__ import annotations

import hashlib
import json

from sharedcompute.engines.identity import BASE, header_of, repack_header_of
from sharedcompute.hdf5.files import open_file
from sharedcompute.hdf5.output import OutputFile
from sharedcompute.hdf5.partial import mark_of
from sharedcompute.journal import Record
from sharedcompute.operations.base import Array
from sharedcompute.plan.build import Plan
from sharedcompute.plan.repack import RepackPlan


def mark(header: Record) -> str:
    """What marks the output of a job: a digest of all that decides its bytes.

    Not of the file that results are added to: that is another one afterwards.
    """
    identity = {name: value for name, value in header["identity"].items() if name != BASE}
    text = json.dumps(identity, sort_keys=True, default=str)
    return hashlib.blake2b(text.encode(), digest_size=16).hexdigest()


def is_finished(plan: Plan | RepackPlan, file: OutputFile) -> bool:
    """Whether the output is what this very job has written, and was not changed since."""
    found = mark_of(file.file)
    if found is None:
        return False
    if isinstance(plan, RepackPlan):
        return found == mark(repack_header_of(plan, None))
    return found == mark(header_of(plan, None))


def clear(file: OutputFile) -> None:
    """Remove what a job that was stopped behind its last step has left beside its output."""
    if file.folder.path.is_dir():
        file.folder.take()
        file.folder.remove()


def finished_results(plan: Plan) -> list[Array]:
    """What each reduction gave, as the output has it."""
    assert plan.job.output is not None
    with open_file(plan.job.output.address.file) as opened:
        return [opened[sink.path][...] for sink in plan.observe_sinks if sink is not None]
