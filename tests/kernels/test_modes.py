"""The same tests without the JIT, and with every index checked."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from . import naive

HERE = Path(__file__).parent


@pytest.mark.slow
# Long, as a busy machine compiles slowly: 24 and 165 s where it has a core for itself, nearly all
# of it compilation with the indices checked.
@pytest.mark.timeout(900)
@pytest.mark.skipif(naive.REDUCED, reason="this is such a run")
@pytest.mark.parametrize("variable", ["NUMBA_DISABLE_JIT", "NUMBA_BOUNDSCHECK"])
def test_the_kernels_pass_their_tests_with(variable: str, tmp_path: Path) -> None:
    env = {name: value for name, value in os.environ.items() if not name.startswith("PYTEST_")}
    env |= {variable: "1", "NUMBA_CACHE_DIR": str(tmp_path)}
    command = [sys.executable, "-m", "pytest", "-q", "-x", "-p", "no:cacheprovider", str(HERE)]
    command.append(f"--ignore={HERE / 'test_cache.py'}")  # has processes of its own
    done = subprocess.run(
        command,
        cwd=HERE.parents[1],
        env=env,
        capture_output=True,
        text=True,
        timeout=880,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
