"""The main loop of a worker process: receive a job, run it, report."""

from __future__ import annotations

import os
import pickle
import select
import signal
import sys
import time
import traceback
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from multiprocessing.connection import Connection
from typing import Any, NamedTuple

import cloudpickle

from sharedcompute.errors import InputError, ProgramError
from sharedcompute.shm import arrays, segments
from sharedcompute.shm.shared_array import Handle
from sharedcompute.sync import Aborted, Control
from sharedcompute.system import faults
from sharedcompute.system.topology import Cores, pin
from sharedcompute.team.messaging.channel import (
    ALL_LEFT,
    GIVE,
    RAISED,
    REPEATABLE,
    RESULT,
    UNFIT,
    BufferPool,
    Channel,
    Message,
)
from sharedcompute.team.messaging.exchange import Exchange
from sharedcompute.team.messaging.pickling import Attached, dumps, loads
from sharedcompute.team.messaging.rank_areas import RankAreas
from sharedcompute.team.processes.environment import end_with, keep_freed_memory, limit_threads
from sharedcompute.team.programs.worker import Worker

_SPIN_SECONDS = 100e-6
"""How long a worker spins for its next job before it sleeps: loops of short jobs took 55 us a job
with it, and 70 to 150 when each one had to wake the workers."""

_SWEEP_MS = 500
"""How soon an idle worker releases the memory of freed arrays."""


class Failure(NamedTuple):
    """The error of a program: the pickled exception, and a note of where it was raised."""

    exception: bytes
    note: str


@dataclass(frozen=True)
class WorkerConfig:
    """The configuration that a worker process starts with."""

    rank: int
    size: int
    cores: int
    threads: int
    control: Handle
    areas: Handle
    parent: int
    parent_start: int | None
    pins: tuple[Cores, ...] = ()


def main(config: WorkerConfig, connection: Connection) -> None:
    """Serve jobs until the parent closes the connection or is gone."""
    faults.point("worker.start", config.rank)
    # Ctrl-C reaches the whole process group; the parent decides what to do. It has also set the
    # signal mask, so that no signal arrives before this line.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGINT})
    channel = Channel(connection, BufferPool())
    with suppress(EOFError, OSError):
        try:
            exchange = _set_up(config)
        except InputError:
            return  # The team was closed before this worker had started.
        except Exception as problem:  # noqa: BLE001 - no thread, no memory: the parent reports it
            channel.send(UNFIT, 0, _unfit(config.rank, problem).encode())
            return
        _serve(config, exchange, channel)
    segments.remove_own()


def _set_up(config: WorkerConfig) -> Exchange:
    """Make this process a worker, and return its side of the collective calls."""
    end_with(config.parent, config.parent_start)
    limit_threads(config.threads)
    if config.pins:
        pin(config.pins[config.rank])
    keep_freed_memory()
    faults.point("worker.attach", config.rank)
    words = arrays.attach(config.control)
    control = Control(words, config.size, config.rank, config.cores)
    exchange = Exchange(RankAreas(arrays.attach(config.areas)), control, config.rank, Attached())
    control.begin()
    return exchange


def _unfit(rank: int, problem: Exception) -> str:
    return (
        f"expected worker {rank} to start, got {type(problem).__name__}: {problem}; "
        "use fewer workers, or raise the limits (ulimit -u, ulimit -n, ulimit -v)"
    )


def _serve(config: WorkerConfig, exchange: Exchange, channel: Channel) -> None:
    attached = exchange.attached
    given: dict[int, object] = {}
    poll = select.poll()
    poll.register(channel.descriptor, select.POLLIN)
    spin = _SPIN_SECONDS if config.size <= config.cores else 0.0
    while True:
        faults.point("worker.idle", config.rank)
        _spin_for_message(poll, spin)
        while len(attached) and not poll.poll(_SWEEP_MS):
            attached.sweep()
        message = channel.receive()
        faults.point("worker.job", config.rank)
        load = partial(_load, message, attached, given)
        if message.kind == GIVE:
            given[message.number] = load()
            continue
        _run(Worker(exchange, channel, message.number), load)
        if attached.grown:
            attached.sweep()


def _spin_for_message(poll: select.poll, seconds: float) -> None:
    """Spin for a message, yielding the core to whoever else needs it."""
    end = time.perf_counter() + seconds
    while not poll.poll(0) and time.perf_counter() < end:
        os.sched_yield()


def _load(message: Message, attached: Attached, given: dict[int, object]) -> Any:
    if message.kind == REPEATABLE and message.data == attached.job[0]:
        return attached.job[1]
    job = loads(message.data, message.buffers, attached, given)
    if message.kind == REPEATABLE:
        attached.job = message.data, job
    return job


def _run(worker: Worker, load: Callable[[], Any]) -> None:
    """Run one program and report. A result of None is not sent.

    The order matters. Results are sent before the rank counts as left, so that all are on their way
    when the last one reports that; and done is set last: then the parent may start a new job.
    """
    control, channel, job = worker._control, worker._channel, worker._job
    try:
        program, args = load()
        result = program(worker, *args)
        if result is not None:
            channel.send(RESULT, job, *dumps(result, "copy"))
    except Aborted:
        pass
    except BaseException as error:  # noqa: BLE001 - any error is sent to the parent
        control.abort()
        channel.send(RAISED, job, *dumps(_failure(worker, error), "copy"))
    if sys.stdout is not None:  # closed in the parent, of which this is a fork
        sys.stdout.flush()
    faults.point("worker.leave", worker.rank)
    if control.leave():
        channel.send(ALL_LEFT, job)
    control.done(job)


def _failure(worker: Worker, error: BaseException) -> Failure:
    rows = worker._control.rows_of(worker.rank)
    where = f", on rows {rows.start}:{rows.stop}" if rows else ""
    # Without the first frame: that is `_run`.
    inner = error.__traceback__ and error.__traceback__.tb_next
    trace = "".join(traceback.format_exception(type(error), error, inner))
    note = f"raised in worker {worker.rank}{where}:\n{trace.rstrip()}"
    try:
        if not isinstance(error, Exception):
            raise TypeError
        data = cloudpickle.dumps(error)
        if type(pickle.loads(data)) is not type(error):
            raise TypeError
    except Exception:  # noqa: BLE001 - a user's class may fail to pickle in any way
        data = pickle.dumps(ProgramError(f"{type(error).__name__}: {error}"))
    return Failure(data, note)
