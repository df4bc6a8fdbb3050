"""An engine of a few processes that share no memory with the parent, nor with each other.

Work travels detached, as a pickle through a pipe, and what units leave travels back. A node that
would map a block of shared memory fails. Files are what all have in common. It is as slow as it
is simple: it shows what the seam between plans and engines needs, and nothing else.
"""

from __future__ import annotations

import contextlib
import multiprocessing
import tempfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from multiprocessing import connection
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import numpy as np
import threadpoolctl  # type: ignore[import-untyped]

from sharedcompute.engines.alone import note_rows, run_alone
from sharedcompute.engines.claims import Claims
from sharedcompute.engines.engine import Deliver, Left, Program, Work
from sharedcompute.engines.units.threads import do_units
from sharedcompute.events import Listener, StateTaken
from sharedcompute.options.groups import RunOptions
from sharedcompute.planning.in_memory import FileArray
from sharedcompute.shm import segments
from sharedcompute.team.messaging.pickling import Attached, dumps, loads
from sharedcompute.traits import Registered, Traits

Array = np.ndarray[Any, Any]

TRAITS = Traits(processes=True, threads=True, shares_memory=False, steps_together=False)
REGISTERED = Registered(TRAITS, __name__)


@dataclass(frozen=True)
class Job:
    """What a node is sent: the pickle of detached work, and which units are its own."""

    data: bytes
    buffers: list[bytes]
    slots: range
    numbers: list[int]


@dataclass(frozen=True)
class End:
    """What a node sends last of a job."""

    problem: Exception | None


class Nodes:
    """Processes that do units: started once, and used by many jobs."""

    def __init__(self, size: int) -> None:
        context = multiprocessing.get_context("spawn")
        self.pipes: list[Connection] = []
        self._processes = []
        for _ in range(size):
            here, there = context.Pipe()
            process = context.Process(target=serve, args=(there,), daemon=True)
            process.start()
            there.close()
            self.pipes.append(here)
            self._processes.append(process)

    def close(self) -> None:
        """End all of them."""
        for pipe in self.pipes:
            pipe.send(None)
            pipe.close()
        for process in self._processes:
            process.join()
            process.close()


class Apart:
    """Does units of work on nodes.

    Parameters
    ----------
    nodes : Nodes
    threads : int
        Of each node.
    """

    name = "apart"
    traits = TRAITS
    runners = 0

    def __init__(self, nodes: Nodes, threads: int = 1) -> None:
        self._nodes = nodes
        self.threads = threads

    def allocate(self, shape: tuple[int, ...], dtype: np.dtype[Any]) -> Array:
        """Return memory of the parent's. Poisoned: whatever nobody puts in place shows."""
        return np.frombuffer(
            bytearray(b"\xa5") * (int(np.prod(shape, dtype=np.int64)) * dtype.itemsize), dtype
        ).reshape(shape)

    @contextlib.contextmanager
    def room(
        self, shape: tuple[int, ...], dtype: np.dtype[Any], folder: Path
    ) -> Iterator[FileArray]:
        """Make room in a file with a name, which all processes open by it."""
        with tempfile.NamedTemporaryFile(dir=folder) as file:
            file.truncate(max(1, int(np.prod(shape, dtype=np.int64)) * dtype.itemsize))
            yield FileArray(file.name, shape, dtype)

    def share(self, array: Array) -> Array:
        """Return the array as it is: it travels by value."""
        return array

    def reach(self, source: Any) -> Any:
        """Return the source as it is: an array travels by value."""
        return source

    def run(
        self, work: Work, deliver: Deliver, listen: Listener, left: Sequence[int] | None = None
    ) -> None:
        """Do all units, or those that are left, dealt out to the nodes in turn."""
        work.warm_up()
        numbers = list(range(len(work)) if left is None else left)
        data, buffers = dumps(work.detached(), "value")
        plain = [bytes(buffer) for buffer in buffers]
        threads = self.threads if work.side_by_side else 1
        pipes = list(self._nodes.pipes)
        for rank, pipe in enumerate(pipes):
            slots = range(rank * threads, (rank + 1) * threads)
            pipe.send(Job(data, plain, slots, numbers[rank :: len(pipes)]))
        problem: Exception | None = None
        while pipes:
            for ready in connection.wait(pipes):
                assert isinstance(ready, Connection)
                what = ready.recv()
                if isinstance(what, End):
                    problem = problem or what.problem
                    pipes.remove(ready)
                elif problem is None:
                    try:
                        _received(what, work, deliver, listen)
                    except Exception as raised:
                        problem = raised
        if problem is not None:
            raise problem

    def together(
        self, program: Program, listen: Listener, again: Callable[[], None] = lambda: None
    ) -> None:
        """Run a program here: nodes cannot wait for each other."""
        del again
        program.warm_up()
        run_alone(program, self.threads, listen)


def _received(what: Any, work: Work, deliver: Deliver, listen: Listener) -> None:
    if isinstance(what, Left):
        work.accept(what)
        listen(what.event)
    elif isinstance(what, StateTaken):
        listen(what)
    else:
        deliver(*what)


NODES: list[Nodes] = []
"""The nodes of this session of tests, once somebody has started them."""


@contextlib.contextmanager
def opened(workers: int, options: RunOptions, team: object) -> Iterator[Apart]:
    """Open the engine for one run, as the registry asks for it."""
    del workers, team
    yield Apart(NODES[0], options.threads)


# What runs in the nodes.


class _Desk:
    """Sends what units leave through the pipe."""

    def __init__(self, pipe: Connection) -> None:
        self.done = self.take = pipe.send
        self._pipe = pipe

    def deliver(self, block: int, number: int, chunks: Sequence[Any]) -> None:
        """Send chunks."""
        plain = [chunk._replace(data=bytes(chunk.data)) for chunk in chunks]
        self._pipe.send((block, number, plain))


def serve(pipe: Connection) -> None:
    """Do the jobs that are sent, until None is."""
    setattr(segments, "open_segment", _refuse)  # noqa: B010 - mypy knows its signature
    with contextlib.suppress(EOFError), threadpoolctl.threadpool_limits(1):
        while (job := pipe.recv()) is not None:
            pipe.send(End(_done(job, pipe)))


def _done(job: Job, pipe: Connection) -> Exception | None:
    """Do a job; return what it raises."""
    try:
        work: Work = loads(job.data, job.buffers, Attached(), {})
        claims = Claims(iter(job.numbers), work.rows)
    except Exception as problem:
        return problem
    try:
        do_units(work, job.slots, claims, _Desk(pipe))
    except Exception as problem:
        note_rows(problem, claims.failed)
        return problem
    return None


def _refuse(*_: Any) -> Any:
    raise AssertionError("a node has mapped a block of shared memory")
