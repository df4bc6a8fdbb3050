"""Worker processes: start them once, run programs in all of them, never hang on one."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sharedcompute.team.team import Team

if TYPE_CHECKING:
    from sharedcompute.team.programs.worker import Worker

__all__ = ["Team", "Worker"]


def __getattr__(name: str) -> Any:
    """Import `Worker` on first use: its module needs numba, which takes 0.4 s."""
    if name == "Worker":
        from sharedcompute.team.programs.worker import Worker  # noqa: PLC0415

        return Worker
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
