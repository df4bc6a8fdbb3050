"""Where files without names may be made."""

from __future__ import annotations

import tempfile
from pathlib import Path

from sharedcompute.planning.output import OutputSpec


def scratch_folder(output: OutputSpec | None) -> Path:
    """Return the folder of the output, as there is to be room, or that of temporary files."""
    folder = Path(output.address.file).absolute().parent if output is not None else Path()
    return folder if output is not None and folder.is_dir() else Path(tempfile.gettempdir())
