"""The command that runs others with several numbers of workers."""

from __future__ import annotations

import builtins
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import psutil
import pytest

import sharedcompute as sc
from sharedcompute.cli.scaling import command, trials
from sharedcompute.cli.scaling.laws import Run
from sharedcompute.hdf5.address import Address
from sharedcompute.system.machine import cores, default_workers
from tests.cli.conftest import Cli

PYTHON = [sys.executable, "-S", "-c"]

NOTES = "import os, sys; open('notes', 'a').write({} + ' ')"
BY_WORD = [*PYTHON, NOTES.format("sys.argv[1]"), "{workers}"]
BY_VARIABLE = [*PYTHON, NOTES.format("os.environ.get('SHAREDCOMPUTE_WORKERS', 'none')")]


def record(cli: Cli, *words: object) -> dict[str, Any]:
    said = cli("scaling", "--json", *words)
    assert said.code == 0, said.err
    made: dict[str, Any] = json.loads(said.out)
    return made


@pytest.mark.parametrize("program", [BY_WORD, BY_VARIABLE], ids=["word", "variable"])
def test_a_program_is_told_its_workers_in_rounds_after_a_warm_up(
    cli: Cli, folder: Path, program: list[str]
) -> None:
    made = record(cli, "--workers", "4,2", "--repeats", "2", *program)
    # 1 is what all others are compared with; the second round goes backwards.
    assert Path("notes").read_text().split() == ["4", "1", "2", "4", "4", "2", "1"]
    assert [(p["workers"], len(p["seconds"])) for p in made["points"]] == [(1, 2), (2, 2), (4, 2)]
    assert made["points"][0]["speedup"] == 1
    assert made["recommended"]["workers"] <= made["cores"] == cores()


def test_the_variable_is_what_a_team_has_by_default(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SHAREDCOMPUTE_WORKERS", "3")
    assert default_workers() == 3
    with sc.Team() as team:
        assert team.size == 3
    monkeypatch.setenv("SHAREDCOMPUTE_WORKERS", "many")
    with pytest.raises(sc.InputError, match="SHAREDCOMPUTE_WORKERS: expected a number"):
        sc.Team()


@pytest.mark.slow
def test_a_job_is_measured_and_its_output_is_left_alone(cli: Cli, sample: Path) -> None:
    Path("out.h5").write_text("precious")
    said = cli("scaling", "--json", "-j1", "--repeats", 1, "reduce", "mean", "in.h5::/x", "out.h5")
    assert said.code == 0
    assert said.err.strip() == (
        "sharedcompute: note: results go to a temporary file beside out.h5, which stays as it is"
    )
    point = json.loads(said.out)["points"][0]
    assert set(point["shares"]) == {"start", "serial", "read", "compute", "write", "wait"}
    assert sum(point["shares"].values()) == pytest.approx(1)
    assert 0 < point["job_seconds"] < point["median"]
    assert Path("out.h5").read_text() == "precious"
    assert sorted(p.name for p in sample.iterdir()) == ["in.h5", "out.h5"]


@pytest.fixture
def commands(monkeypatch: pytest.MonkeyPatch) -> list[list[str]]:
    """What would be run, where nothing is."""
    seen: list[list[str]] = []

    def took(words: list[str], *_: object) -> trials._Took:
        seen.append(words[3:] if "-m" in words else words)
        return trials._Took(1.0, 1.0, 0)

    answer = {
        "seconds": 0.5, "start_seconds": 0.1, "parallel_seconds": 0.3,
        "worker_seconds": {"read": 0.1, "compute": 0.1, "write": 0.0},
    }  # fmt: skip
    monkeypatch.setattr(trials, "_measured", took)
    monkeypatch.setattr(trials, "_text", lambda _: json.dumps(answer))
    return seen


OURS = ["--workers", "1", "--engine", "local", "--json", "--quiet"]


@pytest.mark.parametrize(
    ("words", "output"),
    [
        (["map", "scale", "in.h5::/x", "out.h5"], "out.h5"),
        (["sharedcompute", "map", "cast", "in.h5::/x", "out.h5::/a", "-p", "dtype=f8"],
         "out.h5::/a"),
        (["reduce", "--axis", "all", "mean,std", "in.h5::/x", "out.h5"], "out.h5"),
        (["stats", "in.h5::/x", "out.h5", "--filter", "out.h5"], "out.h5"),
        (["repack", "--", "in.h5", "out.h5"], "out.h5"),
    ],
)  # fmt: skip
def test_every_job_writes_elsewhere(
    cli: Cli, sample: Path, commands: list[list[str]], words: list[str], output: str
) -> None:
    assert cli("scaling", "-j", 1, "--repeats", 1, *words).code == 0
    asked = words[1:] if words[0] == "sharedcompute" else words
    for ran in commands:
        assert ran[: 1 + len(OURS)] == [asked[0], *OURS]
        rest = ran[1 + len(OURS) :]
        (changed,) = [i for i, word in enumerate(rest) if word != asked[1 + i]]
        assert asked[1 + changed] == output
        file, _, path = rest[changed].partition("::")
        assert Path(file).name == "out.h5"
        assert Path(file).parent.parent == Path()
        assert path == output.partition("::")[2]


def test_a_job_file_writes_elsewhere(cli: Cli, sample: Path, commands: list[list[str]]) -> None:
    steps = '[[steps]]\nop = "mean"\nsave = "/m"\n'
    Path("job.toml").write_text(f'input = "in.h5::/x"\noutput = "out.h5::/g"\n{steps}')
    assert cli("scaling", "-j", 1, "--repeats", 1, "run", "job.toml").code == 0
    *_, option, output, job = commands[0]
    assert (option, job) == ("--output", "job.toml")
    assert output.endswith("/out.h5::/g")
    assert Path(output).parent != Path()
    Path("job.toml").write_text(f'input = "in.h5::/x"\nresume = true\noutput = "o.h5"\n{steps}')
    said = cli("scaling", "run", "job.toml")
    assert said.code == 2
    assert "resume = true" in said.err


def test_run_writes_where_the_command_line_says(cli: Cli, sample: Path) -> None:
    steps = '[[steps]]\nop = "mean"\nsave = "/m"\n'
    Path("job.toml").write_text(f'input = "in.h5::/x"\noutput = "out.h5"\n{steps}')
    assert cli("run", "job.toml", "--output", "other.h5").code == 0
    assert sorted(p.name for p in sample.iterdir()) == ["in.h5", "job.toml", "other.h5"]


def test_work_that_grows_with_the_workers_is_named_in_the_words(
    cli: Cli, sample: Path, commands: list[list[str]]
) -> None:
    words = ["reduce", "mean", "in_{workers}.h5::/x", "--axis", "all"]
    made = record(cli, "--weak", "-j", "1,2", "--repeats", 1, *words)
    assert [ran[-3] for ran in commands] == ["in_2.h5::/x", "in_1.h5::/x", "in_2.h5::/x"]
    assert made["points"][1]["efficiency"] == 1
    assert made["amdahl"] is None
    assert made["gustafson"]["serial"] == 0
    said = cli("scaling", "--weak", "reduce", "mean", "in.h5::/x", "--axis", "all")
    assert said.code == 2
    assert "{workers}" in said.err


@pytest.mark.parametrize(
    ("words", "what"),
    [
        (["nonsense"], "a program, got nonsense"),
        (["info", "in.h5"], "a command that runs a job (map, "),
        (["scaling", "reduce"], "got scaling"),
        (["sharedcompute"], "got nothing"),
        (["sharedcompute", "ls"], "got ls"),
        ([], "COMMAND"),
        (["map", "scale", "in.h5::/x", "out.h5", "-j", "2"], "-j/--workers in COMMAND"),
        (["map", "scale", "in.h5::/x", "out.h5", "--engine", "serial"], "--engine serial"),
        (["map", "scale", "in.h5::/x", "out.h5", "--resume"], "--resume in COMMAND"),
        (["map", "scale", "in.h5::/x", "out.h5", "--dry-run"], "--dry-run in COMMAND"),
        (["map", "scale", "in.h5::/x", "out.h5", "--wrong"], "--wrong"),
        (["map", "scale", "in.h5::/x"], "expected map OP INPUT OUTPUT"),
        (["map", "scale", "in.h5::/x", "gone/out.h5"], "gone: expected a folder"),
        (["--workers", "1,two", "ls"], "expected numbers such as 1,2,4"),
        (["--workers", "0", "ls"], "expected numbers such as 1,2,4"),
        (["--repeats", "0", "ls"], "--repeats"),
        (["--plot", "x.pdf", "ls"], "ends in .png or .svg"),
        (["--plot", "gone/x.png", "ls"], "--plot: expected a folder gone"),
    ],
)
def test_what_cannot_be_measured_is_refused(
    cli: Cli, sample: Path, words: list[str], what: str
) -> None:
    said = cli("scaling", *words)
    assert said.code == 2
    assert what in said.err.splitlines()[-1]
    assert said.out == ""
    assert sorted(p.name for p in sample.iterdir()) == ["in.h5"]


def test_without_matplotlib_the_way_to_it_is_told(
    cli: Cli, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = builtins.__import__

    def without(name: str, *args: Any) -> Any:
        if name.startswith("matplotlib"):
            raise ImportError(name)
        return real(name, *args)

    monkeypatch.setattr(builtins, "__import__", without)
    said = cli("scaling", "--plot", "x.png", "ls")
    assert said.code == 2
    assert "pip install matplotlib" in said.err


def test_a_program_that_fails_stops_it_with_what_it_said(cli: Cli, folder: Path) -> None:
    said = cli("scaling", *PYTHON, "import sys; print('a\\nno luck', file=sys.stderr); sys.exit(7)")
    assert (said.code, said.out) == (1, "")
    assert said.err.endswith("workers failed (exit code 7): no luck\n")
    said = cli("scaling", *PYTHON, "import os; os.kill(os.getpid(), 9)")
    assert said.code == 1
    assert "killed by SIGKILL" in said.err


@pytest.mark.slow
def test_a_job_that_fails_gives_its_own_exit_code(cli: Cli, sample: Path) -> None:
    said = cli("scaling", "-q", "-j1", "map", "scale", "in.h5::/x", "o.h5", "--memory", "1M")
    assert said.code == 4
    assert said.err.startswith("sharedcompute: map with 1 worker failed (exit code 4): ")
    assert said.err.count("\n") == 1
    assert sorted(p.name for p in sample.iterdir()) == ["in.h5"]


def test_the_time_of_processes_that_nobody_waited_for_is_counted() -> None:
    """As a fork server's workers: here a grandchild outlives its parent."""
    burn = "import time\nwhile time.process_time() < 0.3: pass"
    program = f"import subprocess, sys; subprocess.Popen([sys.executable, '-S', '-c', {burn!r}])"
    took = trials._measured([*PYTHON, program], {}, subprocess.DEVNULL, sys.stderr)
    assert took.code == 0
    assert took.cpu_seconds > 0.3


def test_ctrl_c_leaves_no_file_and_no_process(sample: Path) -> None:
    endless = "import os, time; open('running', 'w').write(str(os.getpid())); time.sleep(600)"
    words = ["-m", "sharedcompute", "scaling", *PYTHON, f"{endless} # {{workers}}"]
    process = subprocess.Popen(
        [sys.executable, *words], cwd=sample, text=True, stderr=subprocess.PIPE,
        start_new_session=True,
    )  # fmt: skip
    try:
        running = sample / "running"
        while not running.exists() or not running.read_text():
            assert process.poll() is None
            time.sleep(0.01)
        children = psutil.Process(process.pid).children(recursive=True)
        os.killpg(process.pid, signal.SIGINT)
        _, err = process.communicate(timeout=60)
    finally:
        process.kill()
    assert process.returncode == 130
    assert "interrupted" in err
    assert err.count("\n") == 1
    assert len(children) == 2
    assert psutil.wait_procs(children, timeout=10)[1] == []
    assert sorted(p.name for p in sample.iterdir()) == ["in.h5", "running"]


def test_an_interrupted_run_leaves_no_output(sample: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    trial = trials.Job("map", ("map", "scale", "in.h5", "out.h5"), Address("out.h5"), 3)

    def interrupted(words: list[str], *_: object) -> None:
        Path(words[-1]).write_text("half")
        raise KeyboardInterrupt

    monkeypatch.setattr(trials, "_measured", interrupted)
    with pytest.raises(KeyboardInterrupt):
        trial.run(2)
    assert sorted(p.name for p in sample.iterdir()) == ["in.h5"]


@pytest.fixture
def law(monkeypatch: pytest.MonkeyPatch) -> None:
    """A program with a serial second and nine others, on four cores."""
    monkeypatch.setattr(command, "cores", lambda: 4)
    monkeypatch.setattr(
        trials.Program,
        "run",
        lambda _, p: Run(p, 1 + 9 / p, {"busy": 10.0, "idle": p * (1 + 9 / p) - 10}),
    )


def test_the_table_and_what_comes_of_it(cli: Cli, law: None) -> None:
    said = cli("scaling", "ls")
    assert said.code == 0
    header, *rows = said.out.splitlines()
    assert header.split() == ["workers", "seconds", "speed-up", "efficiency", "busy", "idle"]
    assert rows[1].split() == ["2", "5.5", "(5.5..5.5)", "1.82", "91%", "91%", "9%"]
    assert [row.split()[0] for row in rows[:4]] == ["1", "2", "4", "8"]
    told = dict(line.split(maxsplit=1) for line in rows[5:])
    assert "serial fraction 0.100" in told["Amdahl"]
    assert "at most 10 times as fast (extrapolated beyond 4 workers)" in told["Amdahl"]
    assert "not measured" in told["Gustafson"]
    assert told["bottleneck"].startswith("serial part, or waiting: with 4 workers 23%")
    assert told["past"].startswith("cores")
    assert told["recommended"] == "4 workers (the fastest of 1, 2, 4)"


@pytest.mark.slow
@pytest.mark.parametrize("weak", [[], ["--weak"]])
@pytest.mark.parametrize(("name", "begins"), [("a.png", b"\x89PNG"), ("a.SVG", b"<?xml")])
def test_it_is_drawn(
    cli: Cli, folder: Path, law: None, name: str, begins: bytes, weak: list[str]
) -> None:
    pytest.importorskip("matplotlib")
    assert cli("scaling", "--plot", name, *weak, "echo", "$x_1$ {workers}").code == 0
    assert Path(name).read_bytes().startswith(begins)


@pytest.mark.parametrize(
    ("have", "counts"), [(1, (1, 2)), (2, (1, 2, 4)), (6, (1, 2, 4, 6, 12)), (8, (1, 2, 4, 8, 16))]
)
def test_by_default_the_workers_double_and_go_past_the_cores(
    have: int, counts: tuple[int, ...]
) -> None:
    assert command.default_counts(have) == counts
