"""A progress bar with rate and time left, on a terminal only."""

from __future__ import annotations

import sys
from types import TracebackType
from typing import Self

import click
from rich.console import Console
from rich.progress import (
    BarColumn,
    DownloadColumn,
    Progress,
    TaskID,
    TextColumn,
    TimeRemainingColumn,
    TransferSpeedColumn,
)

from sharedcompute.events import (
    BlockDone,
    BlocksRestored,
    Event,
    PassStarted,
    RoundDone,
    WorkerReplaced,
)


class Bar:
    """A listener that draws, on a terminal only, and tells of workers that died."""

    def __init__(self, quiet: bool) -> None:
        self._quiet = quiet
        self._progress = Progress(
            TextColumn("{task.description}"),
            BarColumn(),
            DownloadColumn(),
            TransferSpeedColumn(),
            TimeRemainingColumn(),
            console=Console(file=sys.stderr),
            disable=quiet or not sys.stderr.isatty(),
        )
        self._task: TaskID | None = None

    def __enter__(self) -> Self:
        self._progress.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        value: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._progress.stop()

    def __call__(self, event: Event) -> None:
        """Draw an event."""
        if isinstance(event, PassStarted):
            count = f"pass {event.number}/{event.passes}  " if event.passes > 1 else ""
            self._task = self._progress.add_task(count + event.purpose, total=event.nbytes)
        elif isinstance(event, BlockDone | BlocksRestored) and self._task is not None:
            self._progress.advance(self._task, event.nbytes)
        elif isinstance(event, RoundDone) and self._task is not None:
            values = ", ".join(f"{name} {value:.6g}" for name, value in event.values.items())
            self._progress.reset(self._task, description=f"round {event.number}: {values}")
        if isinstance(event, BlocksRestored) and not self._quiet:
            click.echo(
                f"sharedcompute: note: {event.blocks} blocks that a stopped job has done are taken "
                "over",
                err=True,
            )
        if isinstance(event, WorkerReplaced) and not self._quiet:
            how = f"was killed by signal {event.signal}" if event.signal else "ended"
            rows = f" on rows {event.rows[0]}:{event.rows[1]}" if event.rows else ""
            click.echo(
                f"sharedcompute: note: worker {event.rank} (pid {event.pid}) {how}{rows}; "
                "what it had in hand is done again",
                err=True,
            )
