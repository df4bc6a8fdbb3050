"""The supervisor of a team's workers: sends jobs, collects results, replaces workers that died.

Every wait here is on the workers' sockets and sentinels together, so a death is seen when it
happens. When a job fails, for any reason, the rule is one: set the abort word, give the workers a
moment to return, kill those that do not, and replace the dead before the next job.
"""

from __future__ import annotations

import os
import select
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from typing import TYPE_CHECKING, Any

import cloudpickle
import numpy as np

from sharedcompute.errors import Error, WorkerDied
from sharedcompute.shm import arrays, segments
from sharedcompute.shm.shared_array import Handle, SharedArray
from sharedcompute.sync import Control
from sharedcompute.sync.deadlock import DeadlockWatch
from sharedcompute.system import machine
from sharedcompute.system.topology import Cores
from sharedcompute.team.job import RunningJob
from sharedcompute.team.messaging.callables import Named, Token, Tokens
from sharedcompute.team.messaging.channel import (
    GIVE,
    JOB,
    UNFIT,
    BufferPool,
    EncodedJob,
    OnMessage,
)
from sharedcompute.team.messaging.pickling import Attached, dumps
from sharedcompute.team.messaging.rank_areas import RankAreas
from sharedcompute.team.processes import launch
from sharedcompute.team.processes.launch import WorkerHandle
from sharedcompute.team.processes.serve import WorkerConfig

if TYPE_CHECKING:
    from numba.core.dispatcher import Dispatcher

    from sharedcompute.team.processes.launch import Context

_GRACE = 0.5
"""Seconds that workers have to notice the end of a job before they are killed."""

_LOOK_MS = 150
"""How often the parent checks for a deadlock while it receives nothing."""


class Supervisor:
    """The workers of a team and their supervision; `Team` is the public face."""

    def __init__(
        self, context: Context, size: int, threads: int, pins: tuple[Cores, ...] = ()
    ) -> None:
        words = arrays.zeros(Control.size_for(size), np.int64)
        areas = arrays.zeros(RankAreas.size_for(size), np.int64)
        pid = os.getpid()
        start = segments.start_time(pid)
        cores = machine.cores()
        self.workers: list[WorkerHandle] = []
        self._context = context
        self._shared = words, areas
        self._areas = RankAreas(areas)
        self._control = Control(words, size)
        self._control.settle()
        handles = _handle(words), _handle(areas)
        self._config = WorkerConfig(-1, size, cores, threads, *handles, pid, start, pins)
        self._number = 0  # of the job
        self._clean = True
        self._closed = False
        self._running = threading.RLock()
        self._tokens = Tokens()
        self._attached = Attached()
        self._pool = BufferPool()
        self._poll = select.poll()
        self._ranks: dict[int, int] = {}

    def start(self) -> None:
        """Start the workers; does not wait until they have started."""
        launch.check_descriptors(self._config.size)
        for rank in range(self._config.size):
            self.workers.append(self._start_worker(rank))

    def close(self) -> None:
        """Stop the workers; kill those that are at work.

        A job that another thread runs ends first: it waits on what is taken down here.
        """
        self._closed = True
        self._control.abort()
        waited = self._running.acquire(timeout=3 * _GRACE)
        try:
            self._take_down()
        finally:
            if waited:
                self._running.release()

    def _take_down(self) -> None:
        for worker in self.workers:
            worker.channel.close()  # an idle worker ends at that
        deadline = time.monotonic() + _GRACE
        for worker in self.workers:
            if worker.alive and self._clean:
                worker.wait(max(0.0, deadline - time.monotonic()))
            self._end_worker(worker)
        for array in self._shared:
            array.close()

    def encode(
        self, program: Callable[..., object], args: tuple[object, ...], kind: int = JOB
    ) -> EncodedJob:
        """Pickle a job."""
        tokens: dict[int, object] = {}
        data, buffers = dumps((program, args), "handle", lambda f: self._refer(f, tokens))
        return EncodedJob(kind, data, buffers, tokens)

    def run(self, message: EncodedJob, on_message: OnMessage | None = None) -> list[Any]:
        """Run a program in every worker."""
        with self._running:
            self._check_open()
            return self._run(message, on_message)

    def _check_open(self) -> None:
        if self._closed:
            raise Error("the team was closed")

    def _run(self, message: EncodedJob, on_message: OnMessage | None) -> list[Any]:
        self._make_ready()
        job = RunningJob([None] * len(self.workers), on_message)
        self._number += 1
        self._control.reset()
        self._areas.reset()
        self._clean = False
        try:
            for worker in self.workers:
                self._send(worker, message)
            self._collect(job)
            self._clean = True
        except BaseException:
            self._stop(job)
            raise
        return job.results

    def _collect(self, job: RunningJob) -> None:
        """Wait for the end of the job.

        Only the last worker reports it: one wake-up, not one for each worker.
        """
        watch = DeadlockWatch(self._control.words, self._number)
        while not job.all_left and not job.failures:
            self._check_open()
            heard = self._poll.poll(_LOOK_MS)
            for descriptor, _ in heard:
                self._hear(job, descriptor)
            if not heard:
                watch.look()
        # What the others sent before they left is under way in full, so who dies now is not missed.
        while job.all_left and (heard := self._poll.poll(0)):
            for descriptor, _ in heard:
                with suppress(WorkerDied):
                    self._hear(job, descriptor)
        # Only now: that all have left may arrive before the error that one of them raised.
        if job.failures:
            self._stop(job)
            raise job.error()

    def _hear(self, job: RunningJob, descriptor: int) -> None:
        """Receive one message of a worker; raise `WorkerDied` if it died at work."""
        rank = self._ranks.get(descriptor)
        if rank is None:
            return  # the socket or the sentinel, whichever came first, has shown it already
        worker = self.workers[rank]
        if descriptor == worker.sentinel and not worker.channel.readable():
            self._lose(worker)
            return
        try:
            message = worker.channel.receive()
        except (EOFError, OSError):
            self._lose(worker)
            return
        if message.kind == UNFIT:
            raise Error(message.data.decode())
        if message.number == self._number:  # else the rest of a job that was stopped
            job.receive(worker.rank, message, self._attached)

    def _stop(self, job: RunningJob) -> None:
        """End the job in all workers; kill those that do not return in time."""
        self._control.abort()
        job.on_message = None
        deadline = time.monotonic() + _GRACE
        while time.monotonic() < deadline and any(map(self._at_work, self.workers)):
            # Reading on unblocks those that wait for room in their sockets.
            for descriptor, _ in self._poll.poll(2):
                with suppress(WorkerDied):
                    self._hear(job, descriptor)
        for worker in self.workers:
            if self._at_work(worker):
                self._end_worker(worker)

    def _at_work(self, worker: WorkerHandle) -> bool:
        if worker.alive and worker.channel.torn:
            self._end_worker(worker)
        return worker.alive and not self._control.is_done(worker.rank, self._number)

    def _refer(self, f: Dispatcher, tokens: dict[int, object]) -> Named | Token:
        reference = self._tokens.refer(f)
        if reference[0] == "token":
            tokens[reference[1]] = f
        return reference

    def _send(self, worker: WorkerHandle, message: EncodedJob) -> None:
        try:
            for number in message.tokens.keys() - worker.given:
                worker.channel.send(GIVE, number, cloudpickle.dumps(message.tokens[number]))
                worker.given.add(number)
            worker.channel.send(message.kind, self._number, message.data, message.buffers)
        except OSError:
            self._lose(worker)

    def _lose(self, worker: WorkerHandle) -> None:
        """Clean up after a dead worker; raise `WorkerDied` unless it was done with the job."""
        code = self._end_worker(worker)
        if self._control.is_done(worker.rank, self._number):
            return
        rows = self._control.rows_of(worker.rank)
        starting = not self._control.has_begun(worker.rank)
        signal, status = (-code, None) if code is not None and code < 0 else (None, code)
        raise WorkerDied(worker.rank, worker.pid, signal, rows, status, starting) from None

    def _make_ready(self) -> None:
        """Replace the workers that died, or that an interrupt left at work."""
        heard = self._poll.poll(0)
        if self._clean and not heard and all(worker.alive for worker in self.workers):
            return
        for descriptor, _ in heard:
            rank = self._ranks.get(descriptor)  # None: handled by its other descriptor
            if rank is None:
                continue
            worker = self.workers[rank]
            if descriptor == worker.sentinel or not _is_flushed(worker):
                self._end_worker(worker)
        for rank, worker in enumerate(self.workers):
            if not self._clean and self._at_work(worker):
                self._end_worker(worker)
            if not worker.alive:
                self.workers[rank] = self._start_worker(rank)
        self._clean = True

    def _start_worker(self, rank: int) -> WorkerHandle:
        """Start a worker for `rank` and watch it."""
        self._control.vacate(rank)
        worker = launch.start_worker(self._context, self._config, rank, self._pool)
        for descriptor in (worker.channel.descriptor, worker.sentinel):
            self._poll.register(descriptor, select.POLLIN)
            self._ranks[descriptor] = rank
        return worker

    def _end_worker(self, worker: WorkerHandle) -> int | None:
        """End a worker, dead or not, and return its exit code."""
        for descriptor in (worker.channel.descriptor, worker.sentinel):
            if self._ranks.pop(descriptor, None) is not None:
                self._poll.unregister(descriptor)
        return worker.end()


def _is_flushed(worker: WorkerHandle) -> bool:
    """Discard a late message of an earlier job; return False if the worker is dead."""
    try:
        worker.channel.receive()
    except (EOFError, OSError):
        return False
    return True


def _handle(array: SharedArray) -> Handle:
    found = arrays.handle(array)
    assert found is not None
    return found
