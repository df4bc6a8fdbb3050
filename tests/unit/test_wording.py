"""Options in errors are spelled by who shows them: keywords in Python, options on the line."""

from __future__ import annotations

import ast
import pickle
import re
from pathlib import Path

import h5py
import numpy as np
import pytest

import sharedcompute as sc
from sharedcompute.cli.main import invoke
from sharedcompute.engines.durability.stopped import Stopped
from sharedcompute.errors import OutputExists, StaleResumeError
from sharedcompute.options.groups import NAMES, ReadOptions, StorageOptions
from sharedcompute.wording import flag, in_python, on_command_line, option, parameter

PACKAGE = Path(sc.__file__).parent
OWN_WORDS = ("cli",)
"""What only the command line shows."""

SPELLED = [
    (flag("resume"), "--resume", "resume=True"),
    (flag("decode_cf"), "--decode-cf", "decode_cf=True"),
    (option("filter", "gzip:4"), "--filter gzip:4", "filter='gzip:4'"),
    (option("engine", "serial"), "--engine serial", "engine='serial'"),
    (option("block_rows"), "--block-rows", "block_rows=..."),
    (option("workers", 2), "--workers 2", "workers=2"),
    (parameter("sigma"), "-p sigma=...", "sigma=..."),
    (parameter("sigma", "0.5"), "-p sigma=0.5", "sigma=0.5"),
    (parameter("solver", "randomized"), "-p solver=randomized", "solver='randomized'"),
]


def test_an_option_is_spelled_for_each_front_end() -> None:
    for said, there, here in SPELLED:
        for text in ("{}", "give {}, or {} (--x, -p y)"):
            assert on_command_line(text.format(said, said)) == text.format(there, there)
            assert in_python(text.format(said, said)) == text.format(here, here)


def test_an_error_speaks_python_and_keeps_what_the_command_line_needs() -> None:
    for kind in (sc.InputError, OutputExists, StaleResumeError, sc.MemoryBudgetError):
        error = kind(f"a.h5 exists; give {flag('overwrite')}")
        for seen in (error, pickle.loads(pickle.dumps(error))):
            assert str(seen) == "a.h5 exists; give overwrite=True"
            assert on_command_line(seen.text) == "a.h5 exists; give --overwrite"
            assert seen.args == ("a.h5 exists; give overwrite=True",)
            assert repr(seen) == f"{kind.__name__}('a.h5 exists; give overwrite=True')"


def test_what_is_told_of_a_stopped_job_speaks_python() -> None:
    stopped = Stopped(Path("out.h5.partial"), "map", 1, 2, 0, running=False)
    assert "run it again with resume=True to go on" in str(stopped)
    assert "with --resume to go on" in on_command_line(stopped.text)


def constants(tree: ast.AST) -> list[ast.Constant]:
    """The texts of a module that are not its documentation."""
    spoken = [
        node.body[0].value
        for node in ast.walk(tree)
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef)
        and isinstance(node.body[0], ast.Expr)
    ]
    spoken += [node.value for node in ast.walk(tree) if isinstance(node, ast.Expr)]
    return [
        node
        for node in ast.walk(tree)
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and node not in spoken
    ]


def test_no_text_below_the_command_line_spells_an_option_itself() -> None:
    names = "|".join(sorted({name.replace("_", "-") for name in NAMES}))
    spelled = re.compile(rf"--({names})\b|(?<!\w)-p [a-z]|\(-j\)|\b({'|'.join(NAMES)})=(True|')")
    found = [
        f"{path.relative_to(PACKAGE)}:{node.lineno}: {node.value}"  # type: ignore[str-bytes-safe]
        for path in sorted(PACKAGE.rglob("*.py"))
        if path.relative_to(PACKAGE).parts[0] not in OWN_WORDS
        for node in constants(ast.parse(path.read_text()))
        if spelled.search(node.value)
    ]
    assert found == []


def test_what_is_named_as_an_option_is_one() -> None:
    flags = {
        f for group in (StorageOptions, ReadOptions) for f, v in vars(group()).items() if v is False
    } | {"pin", "shuffle", "skipna", "check"}
    for path in PACKAGE.rglob("*.py"):
        text = path.read_text()
        assert set(re.findall(r"\bflag\('(\w+)'\)", text)) <= flags, path
        assert set(re.findall(r"\boption\('(\w+)'", text)) <= set(NAMES) - flags, path


@pytest.mark.parametrize(
    ("line", "call", "there", "here"),
    [
        (
            "map scale in.h5 out.h5 -p factor=2",
            lambda: sc.map("scale", "in.h5", "out.h5", factor=2),
            "--overwrite",
            "overwrite=True",
        ),
        (
            "map gaussian in.h5 new.h5",
            lambda: sc.map("gaussian", "in.h5", "new.h5"),
            "-p sigma=...",
            "sigma=...",
        ),
        (
            "map clip in.h5 new.h5",
            lambda: sc.map("clip", "in.h5", "new.h5"),
            "-p lower=... or -p upper=...",
            "lower=... or upper=...",
        ),
        (
            "repack in.h5 new.h5 --filter none --shuffle",
            lambda: sc.repack("in.h5", "new.h5", filter="none", shuffle=True),
            "with --shuffle, got none; add --filter gzip:4",
            "with shuffle=True, got none; add filter='gzip:4'",
        ),
    ],
)
def test_both_front_ends_speak_their_own_language(
    line: str, call: object, there: str, here: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    monkeypatch.chdir(tmp_path)
    for name in ("in.h5", "out.h5"):
        with h5py.File(name, "w") as f:
            f["x"] = np.arange(6.0)
    with pytest.raises(sc.Error) as caught:
        call()  # type: ignore[operator]
    assert here in str(caught.value)
    assert "--" not in str(caught.value)
    assert invoke(line.split()) in (2, 3)
    said = capfd.readouterr().err
    assert there in said
    assert said.isascii()
