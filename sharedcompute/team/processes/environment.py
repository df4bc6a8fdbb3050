"""Set-up of a worker process: threads, memory, and an end together with its parent."""

from __future__ import annotations

import ctypes
import os
import threading
from contextlib import suppress
from multiprocessing import parent_process
from multiprocessing.connection import wait
from multiprocessing.process import BaseProcess
from typing import Any, cast

from sharedcompute.shm import segments
from sharedcompute.sync.atomics import exit_after

_GRACE_US = 300_000
"""Microseconds that a worker without a parent has to remove its blocks."""

_M_TRIM_THRESHOLD, _M_MMAP_THRESHOLD = -1, -3

_THREAD_VARIABLES = (
    "OMP_NUM_THREADS",
    "OPENBLAS_NUM_THREADS",
    "MKL_NUM_THREADS",
    "BLIS_NUM_THREADS",
    "VECLIB_MAXIMUM_THREADS",
    "NUMEXPR_NUM_THREADS",
    "NUMBA_NUM_THREADS",
)


def keep_freed_memory() -> None:
    """Make glibc keep freed memory for the temporaries of the next block.

    Otherwise it returns large memory at once, and to touch fresh memory is slower than most
    kernels: 2 us for each 4 kB in a virtual machine.
    """
    with suppress(OSError, AttributeError):
        set_option = ctypes.CDLL(None).mallopt
        set_option(_M_MMAP_THRESHOLD, 32 << 20)  # the largest that it takes
        set_option(_M_TRIM_THRESHOLD, 64 << 20)


def limit_threads(threads: int) -> None:
    """Limit the threads of numba and of every BLAS and OpenMP, loaded now or later."""
    import threadpoolctl  # noqa: PLC0415
    from numba.core import config  # noqa: PLC0415
    from numba.np.ufunc import parallel  # noqa: PLC0415

    for name in _THREAD_VARIABLES:
        os.environ[name] = str(threads)
    threadpoolctl.threadpool_limits(threads)
    settings: Any = config
    pool: Any = parallel
    try:
        settings.reload_config()
    except RuntimeError:
        # Forked from a process whose numba threads run: the size of their pool is fixed.
        pool.set_num_threads(min(threads, settings.NUMBA_NUM_THREADS))
    else:
        # Copied from the setting when numba was imported. To call set_num_threads here would start
        # the threads, and leak the semaphore that numba creates for that.
        pool.NUM_THREADS = threads


def end_with(parent: int, start_time: int | None) -> None:
    """Make this process end with its parent, whatever it is doing then.

    Parameters
    ----------
    parent : int
        The pid of the parent.
    start_time : int
        When it started, see `segments.start_time`.
    """
    try:
        # The sentinel is a pipe that a fork of the parent would hold open; a pidfd is not.
        watched = os.pidfd_open(parent)
    except (AttributeError, OSError):
        watched = cast(BaseProcess, parent_process()).sentinel
    for target, args in (
        (_leave_after, (watched, parent)),
        # In case a kernel holds the GIL: it only ends the process.
        (exit_after, (watched, _GRACE_US)),
    ):
        threading.Thread(target=target, args=args, daemon=True).start()
    if segments.start_time(parent) != start_time:
        os._exit(1)  # it had ended before the watch began


def _leave_after(watched: int, parent: int) -> None:
    wait([watched])
    segments.remove_own()
    segments.clean(parent)
    os._exit(1)
