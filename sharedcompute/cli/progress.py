"""A progress bar with rate and time left, on a terminal only."""

from __future__ import annotations

import sys
from types import TracebackType
from typing import TYPE_CHECKING, Self

from sharedcompute.cli.notes import note
from sharedcompute.events import (
    BlockDone,
    BlocksRestored,
    Event,
    PassStarted,
    RoundDone,
    WorkerReplaced,
)

if TYPE_CHECKING:
    from rich.progress import Progress, TaskID


class Bar:
    """A listener that draws, on a terminal only, and notes workers that died."""

    def __init__(self, quiet: bool) -> None:
        self._quiet = quiet
        # Not rich's own `disable`: before rich 13.4 that printed an empty line all the same.
        self._progress = None if quiet or not sys.stderr.isatty() else _progress()
        self._task: TaskID | None = None

    def __enter__(self) -> Self:
        if self._progress is not None:
            self._progress.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        value: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if self._progress is not None:
            self._progress.stop()

    def __call__(self, event: Event) -> None:
        """Draw an event."""
        if self._progress is not None:
            self._draw(self._progress, event)
        self._note(event)

    def _draw(self, progress: Progress, event: Event) -> None:
        if isinstance(event, PassStarted):
            count = f"pass {event.number}/{event.passes}  " if event.passes > 1 else ""
            self._task = progress.add_task(count + event.purpose, total=event.nbytes)
        elif isinstance(event, BlockDone | BlocksRestored) and self._task is not None:
            progress.advance(self._task, event.nbytes)
        elif isinstance(event, RoundDone) and self._task is not None:
            values = ", ".join(f"{name} {value:.6g}" for name, value in event.values.items())
            progress.reset(self._task, description=f"round {event.number}: {values}")

    def _note(self, event: Event) -> None:
        if isinstance(event, BlocksRestored) and not self._quiet:
            note(f"{event.blocks} blocks that a stopped job has done are taken over")
        if isinstance(event, WorkerReplaced) and not self._quiet:
            how = f"was killed by signal {event.signal}" if event.signal else "ended"
            rows = f" on rows {event.rows[0]}:{event.rows[1]}" if event.rows else ""
            note(
                f"worker {event.rank} (pid {event.pid}) {how}{rows}; what it had in hand is done "
                "again"
            )


def _progress() -> Progress:
    # 50 ms to import, and most commands run without a terminal.
    from rich.console import Console  # noqa: PLC0415
    from rich.progress import (  # noqa: PLC0415
        BarColumn,
        DownloadColumn,
        Progress,
        TextColumn,
        TimeRemainingColumn,
        TransferSpeedColumn,
    )

    return Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        DownloadColumn(),
        TransferSpeedColumn(),
        TimeRemainingColumn(),
        console=Console(file=sys.stderr),
    )
