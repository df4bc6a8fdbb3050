"""info, ops, verify, shm, and the command line itself."""

from __future__ import annotations

import json
import re
from pathlib import Path

import h5py
import numpy as np
import pytest

import sharedcompute as sc
from sharedcompute.operations.catalogue import CATALOGUE, everything
from tests.cli.conftest import Cli


def test_info_lists_each_dataset_with_what_it_takes_to_read_it(cli: Cli, folder: Path) -> None:
    with h5py.File("in.h5", "w") as file:
        x = np.zeros((20, 30), "i2")
        file.create_dataset("g/packed", data=x, chunks=(5, 30), compression="gzip", shuffle=True)
        file["plain"] = x
    said = cli("info", "in.h5")
    packed, plain = said.out.splitlines()[1:]
    assert said.code == 0
    assert said.err == ""
    assert " ".join(packed.split()).startswith("/g/packed 20 x 30 int16 5 x 30 shuffle, gzip:4 ")
    assert "mmap" in plain


def test_info_of_one_dataset_shows_it_alone(cli: Cli, sample: Path) -> None:
    (found,) = json.loads(cli("info", "in.h5::/g/y", "--json").out)
    assert found["path"] == "/g/y"
    assert found["shape"] == [12, 5]
    assert found["dtype"] == "float32"
    assert found["nbytes"] == 240
    assert found["read_path"] == "mmap"


def test_info_says_why_a_dataset_cannot_be_used(cli: Cli, sample: Path) -> None:
    found = {d["path"]: d for d in json.loads(cli("info", "in.h5", "--json").out)}
    assert found["/text"]["read_path"] is None
    assert "strings" in found["/text"]["reason"]
    assert found["/x"]["read_path"] == "mmap"


def test_ops_lists_every_operation_with_its_kind(cli: Cli) -> None:
    said = cli("ops")
    rows = [line.split()[:2] for line in said.out.splitlines()[1:]]
    assert said.code == 0
    assert rows == [[op.kind, op.name] for op in everything()]


@pytest.mark.parametrize("name", CATALOGUE)
def test_ops_of_one_shows_its_parameters_and_shapes(cli: Cli, name: str) -> None:
    said = cli("ops", name)
    told = json.loads(cli("ops", name, "--json").out)[0]
    assert said.out.splitlines()[1].startswith("shape: (rows, ...) -> ")
    assert [p["name"] for p in told["parameters"]] == [p.name for p in CATALOGUE[name].parameters]
    for parameter in CATALOGUE[name].parameters:
        assert parameter.doc in said.out


def test_verify_finds_an_output_intact_and_says_what_made_it(cli: Cli, sample: Path) -> None:
    cli("map", "scale", "in.h5::/x", "out.h5", "-p", "factor=3")
    said = cli("verify", "out.h5")
    assert said.code == 0
    assert "out.h5: complete" in said.out
    assert "/x: intact" in said.out
    assert "in.h5::/x: scale(factor=3.0)" in said.out
    told = json.loads(cli("verify", "out.h5", "--json").out)
    assert told["ok"]
    assert told["datasets"][0]["job"]["steps"] == [{"factor": 3.0, "operation": "scale"}]


def test_verify_names_the_damaged_rows(cli: Cli, sample: Path) -> None:
    cli("map", "scale", "in.h5::/whole", "out.h5", "--block-rows", 5)
    with h5py.File("out.h5", "r+") as file:
        file["whole"][7, 2] += 1
    said = cli("verify", "out.h5")
    assert said.code == 1
    assert "rows 5:10 are damaged" in said.out


def test_verify_sees_that_a_job_did_not_end(cli: Cli, sample: Path) -> None:
    cli("reduce", "mean", "in.h5::/x", "out.h5")
    with h5py.File("out.h5", "r+") as file:
        file.attrs["sharedcompute_complete"] = False
    said = cli("verify", "out.h5")
    assert said.code == 1
    assert "NOT complete" in said.out


def test_shm_lists_blocks_in_use_and_clean_spares_them(cli: Cli) -> None:
    block = sc.zeros((1000,), "f8")
    shown = json.loads(cli("shm", "list", "--json").out)
    assert any(b["alive"] and b["nbytes"] >= 8000 for b in shown)
    assert "in use" in cli("shm", "list").out
    said = cli("shm", "clean")
    assert said.code == 0
    # What killed programs of this user left behind goes, whoever they were.
    assert re.fullmatch(r"removed \d+ shared block\(s\)\n", said.out)
    assert json.loads(cli("shm", "list", "--json").out)
    assert block.sum() == 0


def test_the_version_is_that_of_the_package(cli: Cli) -> None:
    said = cli("--version")
    assert said.code == 0
    assert sc.__version__ in said.out


@pytest.mark.parametrize("command", ["", "map", "reduce", "run", "shm list"])
def test_every_command_explains_itself(cli: Cli, command: str) -> None:
    said = cli(*command.split(), "--help")
    assert said.code == 0
    assert said.out.startswith(f"Usage: sharedcompute {command}".strip())
    assert said.err == ""


def test_no_command_shows_the_help_and_is_wrong_usage(cli: Cli) -> None:
    said = cli()
    assert said.code == 2
    assert said.out == ""
    assert said.err.startswith("Usage: sharedcompute")


def test_debug_shows_the_traceback(cli: Cli, sample: Path) -> None:
    with pytest.raises(sc.InputError, match="found nothing"):
        cli("map", "scale", "in.h5::/nope", "out.h5", "--debug")
