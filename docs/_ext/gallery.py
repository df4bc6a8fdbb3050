"""The examples of the gallery, in their order, and the folder where they are executed."""

from __future__ import annotations

import shutil
from importlib.util import find_spec
from pathlib import Path

SOURCES = Path(__file__).parents[2] / "examples" / "gallery"
FIELD = "A1B_north_america.nc"

ORDER = (
    "statistics.py",
    "anomaly.py",
    "smoothing.py",
    "edges.py",
    "elementwise.py",
    "flatfield.py",
    "running.py",
    "clusters.py",
    "components.py",
    "trends.py",
    "grids.py",
    "eigenvalue.py",
    "own_operations.py",
    "pipeline.py",
    "filters.py",
)
TASKS = ("climate.py", "detector.py", "neuroscience.py", "simulation.py", "batch.py")
"""The pages of the section on tasks."""


def prepare(folder: Path) -> Path:
    """Copy the examples and the field that they read to a folder, where they may write files."""
    shutil.rmtree(folder, ignore_errors=True)
    shutil.copytree(SOURCES, folder, ignore=shutil.ignore_patterns("__pycache__"))
    spec = find_spec("iris_sample_data")
    assert spec is not None
    assert spec.submodule_search_locations
    shutil.copy(Path(spec.submodule_search_locations[0]) / "sample_data" / FIELD, folder)
    return folder


class ByOrder:
    """Sort the examples as `ORDER` has them."""

    def __init__(self, folder: str) -> None:
        del folder

    def __call__(self, name: str) -> int:
        """Return the place of an example."""
        return (*ORDER, *TASKS).index(name)
