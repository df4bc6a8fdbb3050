"""What editors, type checkers and `help()` see of the public functions."""

from __future__ import annotations

import doctest
import importlib
import inspect
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import click
import pytest
from click.testing import CliRunner

import sharedcompute as sc
from sharedcompute.cli.options import click_options, with_options
from sharedcompute.options.declaration import OptionGroup, option, options_of
from sharedcompute.options.groups import OF_A_TEAM, OPTIONS, ReadOptions, RunOptions, names_of
from tools import options as writer

ROOT = Path(__file__).parent.parent.parent
OPEN = ("map", "scan", "reduce", "stats", "fit", "solve", "plan")
"""These have parameters of operations beside their own."""
FACE: dict[str, Callable[..., Any]] = {
    **{
        name: getattr(sc, name)
        for name in (*OPEN, "run", "repack", "open", "lazy", "compute", "store", "Team")
    },
    "Team.map": sc.Team.map,
    "Team.run": sc.Team.run,
    "Team.reduce": sc.Team.reduce,
    "JobPlan.run": sc.JobPlan.run,
    "LazyArray.compute": sc.LazyArray.compute,
    "LazyArray.store": sc.LazyArray.store,
}

TOY = """
    toy: int | None = option(3, "A number of toys.", short="-y", least=1)
    retries: int"""

SEES_THE_TOY = """
import inspect
from pathlib import Path
import numpy as np
import sharedcompute as sc
from sharedcompute.cli.main import cli
from sharedcompute.options.groups import RESERVED
from sharedcompute.planning.jobfile import read_job

runs = (sc.run, sc.repack, sc.plan)
for function in (sc.map, sc.scan, sc.reduce, sc.stats, sc.fit, sc.solve, *runs):
    assert "toy" in inspect.signature(function).parameters, function
    assert "toy : int" in function.__doc__, function
for name in ("map", "scan", "reduce", "fit", "solve", "stats", "run", "repack"):
    (flag,) = (p for p in cli.commands[name].params if p.name == "toy")
    assert (flag.opts, flag.help, flag.default) == (["-y", "--toy"], "A number of toys.", 3)
assert "toy" in RESERVED
x = np.ones((3, 2))
assert sc.plan("map", "scale", x, toy=5)._plan.options.toy == 5
try:
    sc.map("scale", x, toy=0)
except sc.InputError as problem:
    assert str(problem) == "toy: expected a whole number of at least 1, got 0"
Path("job.toml").write_text('input = "in.h5"\\ntoy = 7\\n[[steps]]\\nop = "mean"\\n')
assert read_job(Path("job.toml")).settings == {"toy": 7}
print("seen")
"""


def test_signatures_and_docstrings_are_as_the_options_are_declared() -> None:
    outdated = [path.name for path, _ in writer.outdated()]
    assert outdated == [], "run `make stubs`, which writes them"


@pytest.mark.slow
def test_a_new_option_is_one_edit(tmp_path: Path) -> None:
    for folder in ("sharedcompute", "tools"):
        shutil.copytree(ROOT / folder, tmp_path / folder, ignore=shutil.ignore_patterns("*.pyc"))
    declared = tmp_path / "sharedcompute" / "options" / "groups.py"
    text = declared.read_text()
    assert text.count("\n    retries: int") == 1
    declared.write_text(text.replace("\n    retries: int", TOY))
    env = {**os.environ, "PYTHONPATH": str(tmp_path)}
    for words in (["-m", "tools.options"], ["-c", SEES_THE_TOY]):
        done = subprocess.run(
            [sys.executable, *words], cwd=tmp_path, env=env, text=True, capture_output=True,
            check=False,
        )  # fmt: skip
        assert done.returncode == 0, done.stderr
    assert done.stdout == "seen\n"


def test_the_writer_imports_what_converts_options() -> None:
    path = ROOT / "sharedcompute" / "api" / "maps.py"
    text = path.read_text()
    lacking = text.replace("    as_bytes,\n    as_chunks,\n", "")
    assert lacking != text
    assert writer.formatted(writer.written(lacking)) == text


@dataclass(frozen=True)
class Toys(OptionGroup):
    number: int = option(0, "A number of toys.", least=0, most=19)
    colour: Literal["red"] = option("red", "Their colour.", among=lambda: ("red", "blue"))


@pytest.mark.parametrize("number", [-1, 20, True, 2.5])
def test_a_number_has_limits(number: Any) -> None:
    assert Toys(19).number == 19
    with pytest.raises(sc.InputError, match="number: expected a whole number from 0 to 19"):
        Toys(number)


def test_the_command_line_has_limits_and_registered_names() -> None:
    @click.command()
    @with_options(*click_options(Toys))
    def command(number: int, colour: str) -> None:
        click.echo(f"{number} {colour}")

    given = ["--number", "19", "--colour", "blue"]
    assert CliRunner().invoke(command, given).output == "19 blue\n"
    for wrong in (["--number", "20"], ["--colour", "green"]):
        assert CliRunner().invoke(command, wrong).exit_code == 2


@pytest.mark.parametrize("name", FACE)
def test_a_signature_has_all_that_can_be_given_with_its_type(name: str) -> None:
    signature = inspect.signature(FACE[name])
    open_ended = [p.name for p in signature.parameters.values() if p.kind is p.VAR_KEYWORD]
    assert open_ended == (["params"] if name in (*OPEN, "Team.reduce") else [])
    for parameter in signature.parameters.values():
        assert parameter.name == "self" or parameter.annotation is not parameter.empty, parameter
    if name != "Team":
        assert signature.return_annotation is not signature.empty


@pytest.mark.parametrize("name", FACE)
def test_help_names_every_argument_with_what_it_gives_and_raises(name: str) -> None:
    text = inspect.getdoc(FACE[name]) or ""
    section = re.search(r"^Parameters\n-+\n(.*?)(?=\n\n[A-Z]\w+\n---|\Z)", text, re.S | re.M)
    assert section is not None
    entries = re.findall(r"^(\*{0,2}\w+)(?: : .+)?$", section[1], re.M)
    expected = [
        {p.VAR_KEYWORD: "**", p.VAR_POSITIONAL: "*"}.get(p.kind, "") + p.name
        for p in inspect.signature(FACE[name]).parameters.values()
        if p.name != "self"
    ]
    assert entries == expected
    wanted = {"repack": ("Raises", "Examples")}
    for title in wanted.get(name, ("Returns", "Raises") if name != "Team" else ("Raises",)):
        assert re.search(rf"^{title}\n-+$", text, re.M), title
    if name in (*OPEN, "run", "repack", "open", "Team", "Team.reduce"):
        assert ">>>" in text


def test_the_groups_of_other_signatures_agree_with_the_options() -> None:
    by_name = {known.name: known for known in OPTIONS}
    # Rows of what is open are taken by slicing it.
    of_files = tuple(name for name in names_of(ReadOptions) if name != "rows")
    for function, names in (
        (sc.open, of_files),
        (sc.Team, tuple(name for name in OF_A_TEAM if name != "engine")),
        (sc.Team.map, ("block_rows",)),
    ):
        parameters = inspect.signature(function).parameters
        for name in names:
            assert parameters[name].default == by_name[name].default
            assert parameters[name].annotation == by_name[name].accepts
    assert {known.name for known in options_of(RunOptions)} >= {*OF_A_TEAM}


FLAGS = doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE


@pytest.mark.parametrize("name", ["fits", "solve", "pipelines", "plans", "preview", "reductions",
                                  "statistics", "repack", "maps", "scans", "team", "lazy.opening",
                                  "lazy.compute", "lazy.array",
                                  "fitted"])  # fmt: skip
def test_examples_run(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    module = importlib.import_module(f"sharedcompute.api.{name}")
    found = [test for test in doctest.DocTestFinder().find(module) if test.examples]
    assert found
    for test in found:
        told: list[str] = []
        doctest.DocTestRunner(optionflags=FLAGS).run(test, out=told.append)
        assert told == []


def test_a_plan_is_text_a_table_and_data_and_runs() -> None:
    plan = sc.plan("stats", [[1.0, 2.0], [3.0, 5.0]])
    assert str(plan) == repr(plan)
    assert "reduce mean over all elements" in str(plan)
    assert plan._repr_html_().count("<tr>") == len(str(plan).splitlines())
    assert plan.to_dict()["shape"] == [2, 2]
    assert float(plan.run()["max"]) == 5.0


@pytest.mark.parametrize(
    ("arguments", "options", "message"),
    [
        (("mpa", "scale", [1.0]), {}, "unknown command 'mpa': did you mean 'map'"),
        (("map", "scale"), {}, "plan of map: missing a required argument: 'input'"),
        (("map", "scale", [1.0], None, 4), {}, "plan of map: too many positional arguments"),
        (("map", "scale", [1.0]), {"axis": "all"}, "did you mean|no parameter 'axis'|'axis'"),
        (("repack", "in.h5", "out.h5"), {"axis": 0}, "unknown keyword 'axis'"),
        (("repack", "in.h5", "out.h5"), {"block_rows": 4}, "repack takes no 'block_rows'"),
        (("run", "job.toml"), {"factor": 4}, "unknown keyword 'factor'"),
        (("reduce", "mean", [1.0]), {"axis": 1}, "axis: expected"),
    ],
)
def test_a_plan_refuses_what_its_function_refuses(
    arguments: tuple[Any, ...], options: dict[str, Any], message: str
) -> None:
    with pytest.raises(sc.InputError, match=message):
        sc.plan(*arguments, **options)
