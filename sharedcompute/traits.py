"""The registry of engines: their names, and the traits by which plans choose and reckon.

Plans, options and reports ask for traits and never for a name, so an engine that is added here is
known to all of them.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final, Literal

EngineName = Literal["auto", "serial", "local"]
"""What an option may name: the type that users' tools see of `ENGINES`."""

AUTO: Final = "auto"
"""Stands for the engine that suits the size of the job."""

IN_PROCESS: Final = "serial"
"""The engine without processes of its own."""

ON_TEAM: Final = "local"
"""The engine that runs on a team of workers."""


@dataclass(frozen=True)
class Traits:
    """What plans have to know of an engine.

    Parameters
    ----------
    processes : bool
        Units run in worker processes, and not in the process that runs the job.
    threads : bool
        A process may run several units at a time.
    shares_memory : bool
        Units see the arrays of the process that runs the job, and write to them in place. Else
        they return their values, which that process puts in place.
    steps_together : bool
        Workers can wait for each other at barriers. Else each round of a fit is run as units, and
        sweeps, which need barriers, run in the process that runs the job.
    """

    processes: bool
    threads: bool
    shares_memory: bool
    steps_together: bool

    @property
    def segments(self) -> bool:
        """True if arrays lie in blocks of shared memory, of which the system has only so much."""
        return self.processes and self.shares_memory


@dataclass(frozen=True)
class Registered:
    """An engine that can be asked for by its name.

    Parameters
    ----------
    traits : Traits
    module : str
        Has ``opened(workers, options, team)``, a context manager that gives the engine. By name, as
        what an engine imports is of no use to a job that runs on another one.
    """

    traits: Traits
    module: str


ENGINES: Mapping[str, Registered] = MappingProxyType(
    {
        IN_PROCESS: Registered(
            Traits(processes=False, threads=True, shares_memory=True, steps_together=True),
            "sharedcompute.engines.serial",
        ),
        ON_TEAM: Registered(
            Traits(processes=True, threads=True, shares_memory=True, steps_together=True),
            "sharedcompute.engines.local",
        ),
    }
)


def engine_names() -> tuple[str, ...]:
    """Return all that an option may name: engines, and the choice of one."""
    return (AUTO, *ENGINES)


def traits_of(engine: str) -> Traits:
    """Return the traits of the engine of this name."""
    return ENGINES[engine].traits


def module_of(engine: str) -> str:
    """Return the module of the engine of this name."""
    return ENGINES[engine].module


def must_be_alone(engine: str) -> bool:
    """Return whether an option asks for an engine without processes of its own."""
    return engine != AUTO and not traits_of(engine).processes


def with_processes(engine: str) -> str:
    """Return the engine to use where workers pay: the one asked for, or that of a team."""
    return ON_TEAM if engine == AUTO or must_be_alone(engine) else engine
