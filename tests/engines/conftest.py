"""What the tests of stopped jobs read.

The inputs stay as they are for all tests: a file that was looked at is not looked at again, and
what a job makes of it has to be found out once.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path
from types import MappingProxyType
from typing import Any

import h5py
import pytest

from sharedcompute import traits

from . import apart as third
from .stopping import write_input


@pytest.fixture(scope="session")
def small(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with 60 rows of several kinds."""
    folder = tmp_path_factory.mktemp("small")
    write_input(folder / "in.h5", rows=60)
    return folder


@pytest.fixture(scope="session")
def large(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with 200 rows of several kinds."""
    folder = tmp_path_factory.mktemp("large")
    write_input(folder / "in.h5", rows=200)
    with h5py.File(folder / "in.h5", "r+") as file:
        file.create_dataset("chunks", data=file["plain"][...], chunks=(5, 40))
    return folder


@pytest.fixture(scope="session")
def apart() -> Iterator[dict[str, Any]]:
    """Options that run a job on processes without shared memory."""
    nodes = third.Nodes(3)
    third.NODES.append(nodes)
    with pytest.MonkeyPatch.context() as patch:
        known = {**traits.ENGINES, third.Apart.name: third.REGISTERED}
        patch.setattr(traits, "ENGINES", MappingProxyType(known))
        yield {"engine": third.Apart.name, "workers": 3}
    third.NODES.clear()
    nodes.close()


@pytest.fixture
def place(small: Path) -> Iterator[Path]:
    """A folder with a small input, and nothing else."""
    yield small
    _clear(small)


@pytest.fixture
def field(large: Path) -> Iterator[Path]:
    """A folder with an input of 20 blocks, and nothing else."""
    yield large
    _clear(large)


@pytest.fixture
def own_field(large: Path, tmp_path: Path) -> Path:
    """The same, with an input that may be changed."""
    shutil.copy(large / "in.h5", tmp_path)
    return tmp_path


def _clear(folder: Path) -> None:
    for item in folder.iterdir():
        if item.is_dir() and not item.is_symlink():
            shutil.rmtree(item)
        elif item.name != "in.h5":
            item.unlink()
