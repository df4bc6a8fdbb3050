"""The topology of cores, and the pinning of workers to them."""

from __future__ import annotations

import os
from collections.abc import Set
from contextlib import suppress
from dataclasses import dataclass
from itertools import zip_longest
from pathlib import Path

from sharedcompute.errors import InputError
from sharedcompute.wording import flag, option

SYSTEM = Path("/sys/devices/system")

Cores = frozenset[int]


@dataclass(frozen=True)
class Topology:
    """The cores of a machine, by the kernel's numbers.

    A core here is a CPU of the kernel: a hardware thread.

    Parameters
    ----------
    nodes : tuple of frozenset of int
        The cores of each NUMA node.
    siblings : tuple of frozenset of int
        The hardware threads of each physical core.
    """

    nodes: tuple[Cores, ...] = ()
    siblings: tuple[Cores, ...] = ()

    @classmethod
    def read(cls, system: Path = SYSTEM) -> Topology:
        """Read the topology from the kernel; it is empty if the kernel does not publish it."""
        nodes = _lists(system, "node/node[0-9]*/cpulist")
        return cls(nodes, _lists(system, "cpu/cpu[0-9]*/topology/thread_siblings_list"))

    def physical(self, allowed: Set[int]) -> list[list[list[int]]]:
        """Return the allowed cores by NUMA node, and there by physical core."""
        known = [node & allowed for node in self.nodes]
        rest = frozenset(allowed).difference(*known)
        found = []
        for node in (*known, rest):
            together = [group & node for group in self.siblings]
            alone = [{core} for core in node.difference(*together)]
            found.append(sorted(sorted(group) for group in (*together, *alone) if group))
        return [node for node in found if node]


def assign_cores(
    allowed: Set[int], topology: Topology, workers: int, threads: int
) -> tuple[Cores, ...]:
    """Choose the cores of each worker, by rank: `threads` each, disjoint.

    Physical cores get one thread each before any gets a second. Nodes are filled one by one, and a
    worker stays inside one: memory that it touches first is then local to all its threads. Only
    workers for which no node has enough cores left get cores of several.

    Parameters
    ----------
    allowed : set of int
        At least ``workers * threads`` cores.
    """
    nodes = topology.physical(allowed)
    counts = [0] * len(nodes)
    for level in range(1, 1 + max(len(core) for node in nodes for core in node)):
        for number, node in enumerate(nodes):
            room = sum(min(level, len(core)) for core in node) // threads
            counts[number] += min(max(0, room - counts[number]), workers - sum(counts))
    placed: list[Cores] = []
    left: list[int] = []
    for node, count in zip(nodes, counts, strict=True):
        # The first threads of all physical cores, then the second ones.
        order = [core for level in zip_longest(*node) for core in level if core is not None]
        taken = set(order[: count * threads])
        placed += _cut([core for cores in node for core in cores if core in taken], threads)
        left += order[count * threads :]
    placed += _cut(left, threads)[: workers - len(placed)]
    return tuple(placed)


def pins(workers: int, threads: int) -> tuple[Cores, ...]:
    """Choose the cores of each worker among those that this process may use.

    Raises
    ------
    InputError
        There are too few cores, or the system cannot pin.
    """
    return assign_cores(_allowed(workers, threads), Topology.read(), workers, threads)


def check_pins(workers: int, threads: int) -> None:
    """Check that there are cores for all workers and threads.

    Raises
    ------
    InputError
    """
    _allowed(workers, threads)


def pin(cores: Set[int]) -> None:
    """Pin this process to `cores`, with its present and future threads."""
    for thread in Path("/proc/self/task").iterdir():
        with suppress(ProcessLookupError):  # it has ended
            os.sched_setaffinity(int(thread.name), cores)


def _allowed(workers: int, threads: int) -> set[int]:
    if not hasattr(os, "sched_setaffinity"):
        raise InputError(
            f"expected Linux to pin workers, got another system; leave out {flag('pin')}"
        )
    allowed = os.sched_getaffinity(0)
    if workers * threads > len(allowed):
        raise InputError(
            f"expected at most {len(allowed)} cores to pin to, got {workers} workers of {threads} "
            f"threads each; use fewer ({option('workers')} or {option('threads')}), or leave out "
            f"{flag('pin')}"
        )
    return allowed


def _cut(cores: list[int], threads: int) -> list[Cores]:
    whole = range(0, len(cores) - threads + 1, threads)
    return [frozenset(cores[at : at + threads]) for at in whole]


def _lists(system: Path, pattern: str) -> tuple[Cores, ...]:
    """Read the distinct lists of cores in files, in the order of their first cores."""
    found = {_parsed(file) for file in system.glob(pattern)}
    return tuple(sorted((cores for cores in found if cores), key=min))


def _parsed(file: Path) -> Cores:
    """Parse a list of cores of the kernel: ``0-3,8``."""
    try:
        text = file.read_text().strip()
        ranges = [part.split("-") for part in text.split(",") if part]
        return frozenset(n for r in ranges for n in range(int(r[0]), int(r[-1]) + 1))
    except (OSError, ValueError):
        return frozenset()
