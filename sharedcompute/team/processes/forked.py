"""What a fork of this process lets go of: its parent's workers, and what starts them.

A fork has its parent's descriptors and objects. Left alone it would answer the workers in its
parent's place, keep them from seeing their team closed, end them when it ends itself, and ask for
new ones a fork server that is no child of its own.
"""

from __future__ import annotations

import os
import sys
import threading
import weakref
from contextlib import suppress
from multiprocessing import process, resource_tracker
from typing import Any, Protocol


class OwnedByParent(Protocol):
    """What belongs to the process that made it alone."""

    def close(self) -> None:
        """Let go of it here, so that the parent sees nothing of that."""


# All that is to be closed in a fork. Weak: who made it decides how long it lives.
_owned: weakref.WeakSet[Any] = weakref.WeakSet()


def close_in_forks(owned: OwnedByParent) -> None:
    """Have something closed in every fork of this process, as soon as it is made."""
    _owned.add(owned)


def forget_child(child: process.BaseProcess) -> None:
    """Make multiprocessing forget a process that is the parent's: it would end it at exit."""
    children: set[Any] = process._children  # type: ignore[attr-defined]
    children.discard(child)


def _let_go() -> None:
    for owned in list(_owned):
        with suppress(OSError):
            owned.close()
    _owned.clear()
    tracker: Any = resource_tracker._resource_tracker
    tracker._lock = threading.RLock()  # another thread of the parent may have held it
    module: Any = sys.modules.get("multiprocessing.forkserver")
    if module is not None:
        _forget_server(module._forkserver)


def _forget_server(server: Any) -> None:
    """Have the next worker here start a fork server of this process."""
    server._lock = threading.Lock()
    if server._forkserver_pid is None:
        return
    # It ends when nobody holds this any more.
    with suppress(OSError):
        os.close(server._forkserver_alive_fd)
    server._forkserver_address = None
    server._forkserver_alive_fd = None
    server._forkserver_pid = None


os.register_at_fork(after_in_child=_let_go)
