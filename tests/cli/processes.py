"""The command as a process of its own."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

COMMAND = (sys.executable, "-m", "sharedcompute")


def start(folder: Path, *words: str, command: Sequence[str] = COMMAND) -> subprocess.Popen[str]:
    """Start it in `folder`, as a terminal does: with a process group of its own."""
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    return subprocess.Popen(
        [*command, *words], cwd=folder, text=True, start_new_session=True, **pipes
    )


def wait_until_running(folder: Path, process: subprocess.Popen[str]) -> None:
    """Wait until something in it has made the file ``running``."""
    while not (folder / "running").exists():
        assert process.poll() is None, process.communicate()
