"""Without scikit-learn there are no models, and the error names what to install."""

from __future__ import annotations

import subprocess
import sys

import pytest

SCRIPT = """
import sys
sys.modules["sklearn"] = None
import sharedcompute as sc
assert sc.fit("kmeans", [[0.0], [1.0]], n_clusters=1)["inertia"] == 0.5
try:
    sc.learn
except ImportError as problem:
    print(problem)
"""


@pytest.mark.slow
def test_the_error_names_the_extra_and_fits_work_all_the_same() -> None:
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert "pip install 'sharedcompute[learn]'" in done.stdout
