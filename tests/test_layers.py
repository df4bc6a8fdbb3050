"""Imports go down: the contracts of pyproject.toml hold."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent


def test_the_layers_hold(tmp_path: Path) -> None:
    pytest.importorskip("importlinter")
    script = "from importlinter.cli import lint_imports_command; lint_imports_command()"
    options = ["--config", str(ROOT / "pyproject.toml"), "--cache-dir", str(tmp_path)]
    said = subprocess.run(
        [sys.executable, "-c", script, *options],
        cwd=ROOT, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert said.returncode == 0, said.stdout + said.stderr
    assert "0 broken" in said.stdout


def test_engines_are_named_in_their_modules_and_in_the_registry_only() -> None:
    """All else asks for traits."""
    package = ROOT / "sharedcompute"
    known = {"traits.py", "engines/serial.py", "engines/local.py"}
    # The serial part of a job, in Amdahl's law.
    known.add("cli/scaling/laws.py")
    named = set()
    for path in package.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Constant) and node.value in ("serial", "local"):
                named.add(str(path.relative_to(package)))
    assert named <= known
