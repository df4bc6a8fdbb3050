"""Every option of every command: accepted and effective, or refused; never swallowed."""

from __future__ import annotations

import inspect
import json
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click
import h5py
import numpy as np
import pytest

import sharedcompute as sc
from sharedcompute.api.repack import make_repack
from sharedcompute.api.settings import Settings
from sharedcompute.cli.main import cli, invoke
from sharedcompute.operations.catalogue import everything
from sharedcompute.options.groups import (
    ARGUMENTS,
    FOR_REPACK,
    NAMES,
    OF_REDUCTIONS,
    OF_REPACK,
    RESERVED,
    ReadOptions,
    RunOptions,
    StorageOptions,
    names_of,
)

ROWS = np.arange(240.0).reshape(24, 10)

CALLS: dict[str, Callable[..., Any]] = {
    "map": lambda given, out, **k: sc.map("scale", given, out, factor=2, **k),
    "scan": lambda given, out, **k: sc.scan("cumsum", given, out, **k),
    "reduce": lambda given, out, **k: sc.reduce("mean", given, out, **k),
    "stats": lambda given, out, **k: sc.stats(given, out, axis="rows", **k),
    "fit": lambda given, out, **k: sc.fit("kmeans", given, out, n_clusters=2, random_state=0, **k),
    "solve": lambda given, out, **k: sc.solve("heat", given, out, sweeps=2, **k),
    "run": lambda _, out, **k: sc.run("job.toml", out, **k),
    "repack": lambda given, out, **k: sc.repack(str(given), out, **k),
}

VALUES: dict[str, Any] = {
    "workers": 2,
    "threads": 2,
    "schedule": "static",
    "block_rows": 8,
    "memory": "8G",
    "engine": "serial",
    "retries": 1,
    "pin": False,
    "overwrite": True,
    "filter": "gzip:1",
    "chunks": "8,5",
    "shuffle": True,
    "resume": True,
    "decode_cf": True,
    "allow_external": True,
    "rows": "8:20",
}
"""A value for each option that asks for something."""


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    with h5py.File("in.h5", "w") as file:
        file.create_dataset("x", data=ROWS, chunks=(4, 10), compression=1)
        file["x"].attrs["scale_factor"] = 10.0
    (tmp_path / "job.toml").write_text(
        'input = "in.h5::/x"\n[[steps]]\nop = "scale"\nparams = {factor = 2}\nsave = "/x"\n'
    )
    warnings.simplefilter("ignore")
    return tmp_path


def test_the_sweep_has_all_options_and_all_commands() -> None:
    assert set(VALUES) == set(NAMES)
    assert set(NAMES) == {*names_of(RunOptions), *names_of(StorageOptions), *names_of(ReadOptions)}
    jobs = {name for name, c in cli.commands.items() if any(p.name == "engine" for p in c.params)}
    assert jobs == set(CALLS)


@pytest.mark.parametrize("command", CALLS)
def test_the_command_line_has_the_options_that_python_has(command: str) -> None:
    params = {param.name for param in cli.commands[command].params}
    assert params & set(NAMES) == set(FOR_REPACK if command == "repack" else NAMES)


def test_the_guide_of_job_files_names_all_options() -> None:
    guide = Path(__file__).parent.parent.parent / "docs" / "guide" / "jobs.md"
    text = guide.read_text()
    assert [name for name in NAMES if f"| `{name}`" not in text and f", `{name}`" not in text] == []


def test_names_that_parameters_may_not_have_are_those_of_options_and_arguments() -> None:
    functions = (sc.map, sc.scan, sc.reduce, sc.fit, sc.solve, sc.stats)
    arguments = {name for f in functions for name in inspect.signature(f).parameters}
    assert arguments - {"params", *OF_REDUCTIONS} == {*ARGUMENTS, *NAMES}
    assert set(NAMES) | set(ARGUMENTS) == RESERVED
    for name in RESERVED:
        with pytest.raises(sc.InputError, match=f"'{name}' is an option of every job"):
            sc.Parameter(name, int, "cannot be given")
    with pytest.raises(sc.InputError, match="'axis'"):
        sc.Reduce(
            "own", lambda *_: None, lambda *_: None,  # type: ignore[arg-type, return-value]
            parameters=(sc.Parameter("axis", int, "cannot be given"),),
        )  # fmt: skip


@pytest.mark.sample(4)
@pytest.mark.parametrize("command", CALLS)
@pytest.mark.parametrize("name", NAMES)
def test_an_option_is_accepted_where_it_can_have_an_effect(command: str, name: str) -> None:
    call, option = CALLS[command], {name: VALUES[name]}
    if command == "repack" and name not in FOR_REPACK:
        with pytest.raises(sc.InputError, match=f"repack takes no '{name}'"):
            call("in.h5", "out.h5", **option)
        assert not Path("out.h5").exists()
        return
    if command == "solve" and name in ("filter", "chunks", "shuffle"):
        with pytest.raises(sc.InputError, match=f"^{name}: expected a result with rows"):
            call("in.h5::/x", "out.h5", **option)
        return
    if name in ("workers", "pin"):
        Settings.of(option)  # what they do is seen in tests of teams
        return
    filtered = {"filter": "gzip:1"} if name == "shuffle" else {}
    chunks = (8, 5) if command in ("map", "scan", "run", "repack") else (5,)
    if name == "chunks":
        option = {name: chunks}
    call("in.h5" if command == "repack" else "in.h5::/x", "out.h5", **option, **filtered)
    with h5py.File("out.h5") as file:
        results = all_arrays(file)
        if name in ("filter", "shuffle"):
            assert any(item.compression == "gzip" for item in results)
        if name == "shuffle":
            assert any(item.shuffle for item in results)
        if name == "chunks":
            assert any(item.chunks == chunks for item in results)
        if name == "decode_cf":
            assert any(float(np.max(item[...])) > 1000 for item in results)


def all_arrays(file: h5py.File) -> list[h5py.Dataset]:
    found: list[h5py.Dataset] = []
    file.visititems(lambda _, item: found.append(item) if isinstance(item, h5py.Dataset) else None)
    return [item for item in found if item.shape]


OF_OUTPUTS = names_of(StorageOptions)


@pytest.mark.parametrize("command", [c for c in CALLS if c not in ("repack", "run")])
@pytest.mark.parametrize("name", OF_OUTPUTS)
def test_an_option_of_outputs_needs_one(command: str, name: str) -> None:
    for given in (ROWS, "in.h5::/x"):
        with pytest.raises(sc.InputError, match=f"^{name}: expected an output file"):
            CALLS[command](given, None, **{name: VALUES[name]})
    if command in ("map", "scan"):
        with pytest.raises(sc.InputError, match=f"^{name}: expected an output file"):
            CALLS[command](ROWS, np.empty_like(ROWS), **{name: VALUES[name]})


@pytest.mark.parametrize("name", [name for name in names_of(ReadOptions) if name != "rows"])
def test_an_option_of_files_needs_one(name: str) -> None:
    for command in ("map", "scan", "reduce", "stats", "fit", "solve"):
        with pytest.raises(sc.InputError, match=f"^{name}: expected a dataset in a file"):
            CALLS[command](ROWS, None, **{name: True})
    # An array that a parameter names is in a file.
    with h5py.File("row.h5", "w") as file:
        file["row"] = ROWS[0]
    sc.map("anomaly", ROWS, mean="row.h5::/row", **{name: True})


@pytest.mark.parametrize("name", ["filter", "chunks", "shuffle"])
def test_storage_is_for_results_with_rows(name: str) -> None:
    for job in (
        lambda **k: sc.reduce("mean", "in.h5::/x", "out.h5", axis="all", **k),
        lambda **k: sc.stats("in.h5::/x", "out.h5", **k),
        lambda **k: sc.solve("power", ROWS[:10, :10] + ROWS[:10, :10].T, "out.h5", **k),
    ):
        with pytest.raises(sc.InputError, match=f"^{name}: expected a result with rows"):
            job(**{name: VALUES[name]})
        assert not Path("out.h5").exists()


@pytest.mark.parametrize("command", CALLS)
def test_an_unknown_keyword_is_an_error_with_the_nearest_name(command: str) -> None:
    given = "in.h5" if command == "repack" else "in.h5::/x"
    for name in NAMES:
        if command == "repack" and name not in FOR_REPACK:
            continue
        wrong = f"{name}x"
        with pytest.raises(sc.InputError, match=f"did you mean '{name}'"):
            CALLS[command](given, "out.h5", **{wrong: VALUES[name]})
    with pytest.raises(sc.InputError, match="'zzz'"):
        CALLS[command](given, "out.h5", zzz=1)
    assert not Path("out.h5").exists()


@pytest.mark.parametrize(
    ("command", "wrong", "meant"),
    [
        ("map", "ouput", "output"),
        ("map", "lisen", "listen"),
        ("fit", "taem", "team"),
        ("reduce", "axsi", "axis"),
        ("run", "ouput", "output"),
        ("repack", "chek", "check"),
        ("repack", "lisen", "listen"),
    ],
)
def test_what_calls_take_besides_options_is_near_too(command: str, wrong: str, meant: str) -> None:
    given = "in.h5" if command == "repack" else "in.h5::/x"
    with pytest.raises(sc.InputError, match=f"'{wrong}': did you mean '{meant}'"):
        CALLS[command](given, "out.h5", **{wrong: None})
    arguments = set(inspect.signature(sc.repack).parameters)
    assert arguments == set(OF_REPACK)


def test_open_takes_what_it_says() -> None:
    with pytest.raises(TypeError, match="decode"):
        sc.open("in.h5", decode=True)  # type: ignore[call-arg]


def test_run_takes_an_output_instead_of_the_job_files() -> None:
    job = Path("job.toml").read_text()
    Path("job.toml").write_text('output = "a.h5::/group"\n' + job)
    sc.run("job.toml", output="b.h5")
    assert not Path("a.h5").exists()
    with h5py.File("b.h5") as file:
        np.testing.assert_array_equal(file["x"], 2 * ROWS)
    # A group of the output is one, whoever names it; in Python and on the command line.
    sc.run("job.toml", "b.h5::/there")
    assert invoke(["run", "job.toml", "--output", "c.h5::/there", "-q"]) == 0
    for name in ("b.h5", "c.h5"):
        with h5py.File(name) as file:
            np.testing.assert_array_equal(file["there/x"], 2 * ROWS)
    with pytest.raises(sc.InputError, match="unknown keyword 'factor'"):
        sc.run("job.toml", "d.h5", factor=3)  # type: ignore[call-arg]
    with pytest.raises(sc.InputError, match="unknown keyword 'wrokers': did you mean 'workers'"):
        sc.run("job.toml", output="b.h5", wrokers=4)  # type: ignore[call-arg]


@pytest.mark.parametrize("name", NAMES)
def test_a_job_file_has_the_same_options(name: str) -> None:
    job = Path("job.toml").read_text()
    value = json.dumps(VALUES[name])
    Path("job.toml").write_text(f'output = "out.h5"\n{name} = {value}\n{job}')
    assert invoke(["run", "job.toml", "--dry-run", "-q"]) == 0
    wrong = f"{name}x"
    Path("job.toml").write_text(f'output = "out.h5"\n{wrong} = {value}\n{job}')
    with pytest.raises(sc.InputError, match=f"did you mean '{name}'"):
        sc.run("job.toml")
    if name in OF_OUTPUTS:
        Path("job.toml").write_text(
            f'input = "in.h5::/x"\n{name} = {value}\n[[steps]]\nop = "mean"\n'
        )
        with pytest.raises(sc.InputError, match=f"^{name}: expected an output file"):
            sc.run("job.toml")


@pytest.mark.parametrize("name", OF_OUTPUTS)
@pytest.mark.parametrize("command", ["reduce", "stats"])
def test_the_command_line_refuses_what_needs_an_output(
    command: str, name: str, capsys: pytest.CaptureFixture[str]
) -> None:
    value = VALUES[name]
    words = ["mean", "in.h5::/x"] if command == "reduce" else ["in.h5::/x"]
    option = [f"--{name}"] if isinstance(value, bool) else [f"--{name}", str(value)]
    assert invoke([command, *words, "--axis", "all", *option]) == 2
    assert f"{name}: expected an output file" in capsys.readouterr().err


def test_an_option_that_is_given_as_a_parameter_is_pointed_to(
    capsys: pytest.CaptureFixture[str],
) -> None:
    for name in NAMES:
        assert invoke(["map", "scale", "in.h5::/x", "out.h5", "-p", f"{name}=1"]) == 2
        assert f"give --{name.replace('_', '-')}" in capsys.readouterr().err


def test_no_operation_of_the_catalogue_has_a_name_that_cannot_be_given() -> None:
    for op in everything():
        assert RESERVED.isdisjoint(p.name for p in op.parameters)
        assert isinstance(cli, click.Group)


def test_a_repack_without_filters_has_nothing_to_shuffle_for() -> None:
    with h5py.File("plain.h5", "w") as file:
        file["x"] = ROWS
    with pytest.raises(sc.InputError, match="expected a filter with shuffle=True"):
        make_repack("plain.h5", "out.h5", Settings.of({"shuffle": True}))
