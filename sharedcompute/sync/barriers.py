"""The barrier: every rank waits until all have reached it."""

from __future__ import annotations

from sharedcompute.errors import ProgramLeftError, WaitTimeoutError
from sharedcompute.sync.atomics import EVERYONE, add, compiled, exchange, load
from sharedcompute.sync.failures import ABORTED, LEFT, OK, TIMED_OUT, leave_if
from sharedcompute.sync.layout import (
    ABORT,
    ARRIVED,
    BARRIER_SLEEPERS,
    BROKEN,
    FINISHED,
    GENERATION,
    ControlBlock,
)
from sharedcompute.sync.waiting import (
    BARRIER,
    begin_wait,
    end_wait,
    first_turn,
    linger,
    look,
    nap,
    rouse,
)

_LEFT = (
    "expected all ranks at the barrier, another one has returned from the program; "
    "call barrier the same number of times on every rank"
)
_LATE = (
    "expected all ranks at the barrier within the time limit that one of them set, some did not "
    "come; raise the limit, or see what keeps them"
)


@compiled
def barrier(control: ControlBlock, timeout: float = -1.0) -> None:
    """Wait until all ranks have reached the barrier.

    After it all ranks see the memory writes of every rank before it.

    Parameters
    ----------
    control : ControlBlock
        `Worker.control`, or `alone`.
    timeout : float
        The longest wait, in seconds; below 0 there is no limit.

    Raises
    ------
    Aborted
        The job is over, another worker failed.
    ProgramLeftError
        Another rank has returned from the program.
    WaitTimeoutError
        The wait of at least one rank has timed out. The barrier stays broken in this job.

    References
    ----------
    The sense-reversing barrier of J. Mellor-Crummey and M. Scott, "Algorithms for scalable
    synchronization on shared-memory multiprocessors", ACM TOCS 9 (1991), with a number for the
    sense: a rank that is a whole barrier late can distinguish them.
    """
    status = _wait_for_all(control, timeout)
    leave_if(status == ABORTED)
    if status == LEFT:
        raise ProgramLeftError(_LEFT)
    if status == TIMED_OUT:
        raise WaitTimeoutError(_LATE)


@compiled
def _wait_for_all(control: ControlBlock, timeout: float) -> int:
    words = control.words
    if load(words, ABORT) != 0:
        return ABORTED
    if load(words, BROKEN) != 0:
        return TIMED_OUT
    generation = load(words, GENERATION)
    if add(words, ARRIVED, 1) == control.size - 1:
        exchange(words, ARRIVED, 0)
        add(words, GENERATION, 1)
        if load(words, BARRIER_SLEEPERS) > 0:
            rouse(control, GENERATION, EVERYONE)
        return OK
    linger(control, GENERATION, generation)
    if load(words, GENERATION) != generation:
        return OK
    return _sleep_for_all(control, generation, timeout)


@compiled
def _sleep_for_all(control: ControlBlock, generation: int, timeout: float) -> int:
    words = control.words
    deadline = begin_wait(control, BARRIER, 0, timeout)
    turn = first_turn(control)
    add(words, BARRIER_SLEEPERS, 1)
    status = OK
    while load(words, GENERATION) == generation:
        status = look(control, deadline)
        # A rank that has left either passed this barrier or never will: the generation decides.
        left = load(words, FINISHED) != 0
        broken = status == TIMED_OUT or load(words, BROKEN) != 0
        if load(words, GENERATION) != generation:
            status = OK
            break
        if broken:
            exchange(words, BROKEN, 1)
            status = TIMED_OUT
        elif status == OK and left:
            # A rank that raised has set the abort word before it left.
            status = ABORTED if load(words, ABORT) != 0 else LEFT
        if status != OK:
            break
        turn = nap(control, GENERATION, generation, turn)
    add(words, BARRIER_SLEEPERS, -1)
    end_wait(control)
    return status


@compiled
def leave(control: ControlBlock) -> int:
    """Record that this rank has left the program; return how many had left before."""
    return add(control.words, FINISHED, 1)
