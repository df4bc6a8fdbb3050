"""What the tests of stopped jobs read."""

from __future__ import annotations

from pathlib import Path

import pytest

from .stopping import write_input


@pytest.fixture
def place(tmp_path: Path) -> Path:
    """A folder with a small input."""
    write_input(tmp_path / "in.h5", rows=60)
    return tmp_path
