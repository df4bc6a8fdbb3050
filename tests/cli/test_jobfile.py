"""Pipelines from TOML files."""

from __future__ import annotations

import json
from pathlib import Path

import h5py
import numpy as np
import pytest

from tests.cli.conftest import Cli, read
from tests.cli.test_bad_input import assert_refused
from tests.operations import reference

HEAD = 'input = "in.h5::/whole"\noutput = "out.h5"\n'
SCALE = '[[steps]]\nop = "scale"\nsave = "/a"\n'

PIPELINE = (
    HEAD
    + """
block_rows = 4
filter = "gzip:2"

[[steps]]
op = "anomaly"
save = "/anomaly"

[[steps]]
op = "gaussian"
params = { sigma = [1.0, 0.5], mode = "nearest" }

[[steps]]
op = ["mean", "std"]
save = "/stats"
params = { ddof = 1 }

[[steps]]
op = "cumsum"
save = "/sums"

[[steps]]
op = ["min", "max"]
axis = "all"
"""
)


def test_a_pipeline_does_its_steps_one_after_the_other(cli: Cli, sample: Path) -> None:
    Path("job.toml").write_text(PIPELINE)
    said = cli("run", "job.toml")
    assert (said.code, said.err) == (0, "")
    anomaly = reference.anomaly(read("in.h5", "whole"))
    smooth = reference.STENCILS["gaussian"](anomaly, (1.0, 0.5), mode="nearest")
    sums = smooth.cumsum(axis=0)
    for path, want in (("anomaly", anomaly), ("sums", sums), ("stats/mean", smooth.mean(axis=0)),
                       ("stats/std", smooth.std(axis=0, ddof=1))):  # fmt: skip
        np.testing.assert_allclose(read("out.h5", path), want, rtol=1e-10, atol=1e-10)
    header, row = said.out.splitlines()[-2:]
    assert header.split() == ["min", "max"]
    np.testing.assert_allclose([float(v) for v in row.split()], [sums.min(), sums.max()])
    with h5py.File("out.h5") as file:
        assert file["anomaly"].compression == "gzip"
        assert sorted(file) == ["anomaly", "stats", "sums"]


def test_a_pipeline_has_the_same_bytes_on_a_team(cli: Cli, sample: Path) -> None:
    Path("job.toml").write_text(PIPELINE)
    cli("run", "job.toml")
    serial = Path("out.h5").read_bytes()
    words = ["--overwrite", "--engine", "local", "-j", "2"]
    assert cli("run", "job.toml", *words).code == 0
    assert Path("out.h5").read_bytes() == serial


def test_what_the_command_line_says_goes_before_the_file(cli: Cli, sample: Path) -> None:
    Path("job.toml").write_text(HEAD + "block_rows = 4\n" + SCALE)
    told = json.loads(cli("run", "job.toml", "--dry-run", "--json", "--block-rows", 6).out)
    assert told["block_rows"] == 6
    told = json.loads(cli("run", "job.toml", "--dry-run", "--json").out)
    assert told["block_rows"] == 4


def test_names_are_relative_to_the_job_file(
    cli: Cli, sample: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    Path("job.toml").write_text(HEAD + SCALE)
    Path("elsewhere").mkdir()
    monkeypatch.chdir("elsewhere")
    assert cli("run", "../job.toml").code == 0
    assert (sample / "out.h5").exists()


def test_an_output_with_a_path_is_the_group_of_all_results(cli: Cli, sample: Path) -> None:
    job = HEAD.replace("out.h5", "out.h5::/run/7") + SCALE + '[[steps]]\nop="mean"\nsave="s"\n'
    Path("job.toml").write_text(job)
    with h5py.File("out.h5", "w") as file:
        file["mine"] = 1
    assert cli("run", "job.toml").code == 0
    assert read("out.h5", "run/7/a").shape == (12, 5)
    assert read("out.h5", "run/7/s/mean").shape == (5,)
    assert read("out.h5", "mine") == 1
    assert cli("run", "job.toml").code == 3


def test_reductions_alone_need_no_output(cli: Cli, sample: Path) -> None:
    Path("job.toml").write_text('input = "in.h5::/whole"\n[[steps]]\nop = "sum"\naxis = "all"\n')
    assert cli("run", "job.toml").out.split() == ["sum", "1770"]


def test_a_step_may_be_the_users_own(cli: Cli, sample: Path) -> None:
    Path("own_step.py").write_text(
        "import sharedcompute as sc\n"
        "def double(x, out):\n"
        "    out[...] = 2 * x\n"
        "op = sc.Map('double', double)\n"
    )
    Path("job.toml").write_text(HEAD + '[[steps]]\nop-from = "own_step.py:op"\nsave = "/d"\n')
    assert cli("run", "job.toml").code == 0
    np.testing.assert_array_equal(read("out.h5", "d"), 2 * read("in.h5", "whole"))


STEP = HEAD + "[[steps]]\n"
WRONG = {
    "input is": "is not TOML",
    'output = "out.h5"\n' + SCALE: "expected input =",
    'input = 3\noutput = "out.h5"\n' + SCALE: "expected input =",
    HEAD + "inptu = 3\n" + SCALE: "did you mean 'input'",
    HEAD: "expected [[steps]]",
    HEAD + '[steps]\nop = "scale"': "expected [[steps]]",
    HEAD + 'steps = ["scale"]': "expected a table in step 1",
    STEP + 'save = "/a"': "expected op =",
    STEP + 'op = 3\nsave = "/a"': "expected op =",
    STEP + 'op = []\nsave = "/a"': "expected op =",
    STEP + 'op-from = 3\nsave = "/a"': "expected op-from =",
    STEP + 'op-from = "none.py:x"\nsave = "/a"': "a file that exists",
    STEP + 'op = "scal"\nsave = "/a"': "did you mean 'scale'",
    STEP + 'op = ["scale", "mean"]\nsave = "/a"': "expected one op in step 1",
    STEP + 'op = "scale"\nsaev = "/a"': "did you mean 'save'",
    STEP + 'op = "scale"\nsave = 3': "expected save =",
    STEP + 'op = "scale"\nsave = ""': "expected save =",
    STEP + 'op = "scale"\nsave = "/"': "a dataset's path",
    STEP + 'op = "scale"\n': "expected save =",
    STEP + 'op = "mean"\n': "expected save =",
    STEP + 'op = "mean"\nsave = 3': "expected save =",
    HEAD + SCALE + SCALE: "in each other's way",
    HEAD + SCALE + '[[steps]]\nop = "mean"\nsave = "/a"': "in each other's way",
    HEAD + SCALE + '[[steps]]\nop = "scale"\nsave = "/a/b"': "in each other's way",
    'input = "in.h5::/whole"\n' + SCALE: "expected output =",
    'input = "in.h5::/whole"\n[[steps]]\nop = "scale"': "or reductions to print",
    STEP + 'op = "scale"\nparams = 3\nsave = "/a"': "expected params =",
    STEP + 'op = "scale"\nparams = ["factor"]\nsave = "/a"': "expected params =",
    STEP + 'op = "scale"\nparams = { fctor = 2 }\nsave = "/a"': "did you mean 'factor'",
    STEP + 'op = "scale"\nparams = { factor = [1, 2] }\nsave = "/a"': "expected a number",
    STEP + 'op = "mean"\naxis = "columns"\nsave = "/a"': "'all'",
    STEP + 'op = "scale"\naxis = "all"\nsave = "/a"': "axis is for reductions",
    HEAD + 'workers = "two"\n' + SCALE: "whole number",
    HEAD + "workers = true\n" + SCALE: "whole number",
    HEAD + 'memory = "lots"\n' + SCALE: "512M",
    HEAD + 'schedule = ["static"]\n' + SCALE: "static, dynamic",
    HEAD + 'overwrite = "no"\n' + SCALE: "true or false",
    HEAD + "filter = 3\n" + SCALE: "filter",
    HEAD + "chunks = 3\n" + SCALE: "chunks",
    HEAD + 'shuffle = "no"\n' + SCALE: "true or false",
    HEAD.replace("whole", "text") + SCALE: "found strings",
    HEAD.replace("out.h5", "in.h5") + SCALE: "other than the input",
    STEP + 'op = "cumsum"\nsave = "/a"\n[[steps]]\nop = "median"\nsave = "/b"': "cannot follow",
}


@pytest.mark.parametrize("job", WRONG)
def test_a_job_that_cannot_run_is_refused(
    cli: Cli, sample: Path, no_workers: None, job: str
) -> None:
    Path("job.toml").write_text(job)
    assert_refused(cli, sample, "run job.toml", 2, WRONG[job])


@pytest.mark.parametrize(("name", "words"), [("none.toml", "No such file"), ("in.h5", "not TOML")])
def test_what_is_no_job_file_is_refused(
    cli: Cli, sample: Path, no_workers: None, name: str, words: str
) -> None:
    assert_refused(cli, sample, f"run {name}", 2, words)
