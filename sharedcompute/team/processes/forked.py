"""What a fork of this process must close: its parent's workers and fork server.

A fork has its parent's descriptors and objects. Otherwise it would answer the workers in its
parent's place, keep them from seeing their team closed, kill them when it ends itself, and ask for
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
    """An object that belongs to the process that created it, and to no fork of it."""

    def close(self) -> None:
        """Close it in this process, without effect on the parent."""


# Objects to close in a fork. Weak references: their creators decide how long they live.
_owned: weakref.WeakSet[Any] = weakref.WeakSet()


def close_in_forks(owned: OwnedByParent) -> None:
    """Register an object to be closed in every fork of this process, right after the fork."""
    _owned.add(owned)


def forget_child(child: process.BaseProcess) -> None:
    """Make multiprocessing forget a process of the parent: it would kill it at exit."""
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
    """Make the next worker here start a fork server of this process."""
    server._lock = threading.Lock()
    if server._forkserver_pid is None:
        return
    # The server ends when nobody holds this open any more.
    with suppress(OSError):
        os.close(server._forkserver_alive_fd)
    server._forkserver_address = None
    server._forkserver_alive_fd = None
    server._forkserver_pid = None


os.register_at_fork(after_in_child=_let_go)
