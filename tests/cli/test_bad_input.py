"""What cannot work is refused: one line, the right exit code, before anything starts or changes."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path

import h5py
import numpy as np
import pytest

from tests.cli.conftest import Cli

# Each: the command line, and words of the message that tell what is wrong and what to do.
USAGE = {
    "bogus": "No such command",
    "map": "expected map OP INPUT OUTPUT",
    "map scale in.h5::/x": "expected map OP INPUT OUTPUT",
    "map scale in.h5::/x out.h5 more": "expected map OP INPUT OUTPUT",
    "map scale,cast in.h5::/x out.h5": "one operation",
    "map scale in.h5::/x out.h5 --axis all": "No such option",
    "map scale in.h5::/x out.h5 --ovewrite": "--overwrite",
    "map scale in.h5::/x out.h5 -j 0": "x>=1",
    "map scale in.h5::/x out.h5 -j two": "two",
    "map scale in.h5::/x out.h5 --threads 0": "x>=1",
    "map scale in.h5::/x out.h5 --block-rows -1": "x>=1",
    "map scale in.h5::/x out.h5 --schedule random": "static",
    "map scale in.h5::/x out.h5 --engine cluster": "serial",
    "map scale in.h5::/x out.h5 --memory lots": "512M",
    "map scale in.h5::/x out.h5 --memory 0": "512M",
    "map scale in.h5::/x out.h5 --memory -1G": "512M",
    "reduce mean in.h5::/x out.h5 --axis columns": "rows",
    "reduce mean,mean in.h5::/x out.h5": "name each once",
    "reduce mean in.h5::/wide": "--axis all",
    "stats": "INPUT",
    "info": "ADDRESS",
}
OPERATIONS = {
    "map gausian in.h5::/x out.h5 -p sigma=1": "did you mean 'gaussian'",
    "map mean in.h5::/x out.h5": "use `reduce`",
    "reduce gaussian in.h5::/x out.h5": "use `map`",
    "scan gaussian in.h5::/x out.h5": "use `map`",
    "reduce mean,sdt in.h5::/x out.h5": "did you mean 'std'",
    "ops gausian": "did you mean 'gaussian'",
    "map scale in.h5::/x out.h5 --op-from none.py:f": "a file that exists",
    "map laplace in.h5::/complex out.h5": "cast it first",
    "scan cummax in.h5::/complex out.h5": "cast it first",
    "reduce min in.h5::/complex out.h5": "cast it first",
    "map threshold in.h5::/bool out.h5 -p level=1": "cast it first",
    "map cast in.h5::/complex out.h5 -p dtype=f4": "imaginary",
    "reduce min in.h5::/empty out.h5": "at least one row",
    "stats in.h5::/empty": "at least one row",
    "reduce max in.h5::/narrow out.h5": "no elements",
}
PARAMETERS = {
    "scale factor": "NAME=VALUE",
    "scale =1": "NAME=VALUE",
    "scale factor=two": "expected a number",
    "scale fctor=2": "did you mean 'factor'",
    "scale factor=1 factor=2": "given twice",
    "scale workers=2": "give --workers",
    "scale block_rows=2": "give --block-rows",
    "scale team=2": "give --workers",
    "gaussian": "needs the parameter 'sigma'",
    "gaussian sigma=abc": "expected a number",
    "gaussian sigma=nan": "at least 0",
    "gaussian sigma=inf": "at least 0",
    "gaussian sigma=-1": "at least 0",
    "gaussian sigma=1e300": "window",
    "gaussian sigma=": "one per axis",
    "gaussian sigma=1,2,3": "one per axis",
    "gaussian sigma=1 axes=7": "axis 7",
    "gaussian sigma=1 axes=0,-2": "different axes",
    "gaussian sigma=1 axes=0.5": "whole number",
    "gaussian sigma=1 order=-1": "at least 0",
    "gaussian sigma=1 order=1000": "order 1000",
    "gaussian sigma=1 mode=relfect": "reflect",
    "gaussian sigma=1 truncate=0": "above 0",
    "gaussian sigma=1 truncate=1e300": "window",
    "uniform size=0": "at least 1",
    "uniform size=2.5": "whole number",
    "uniform size=99999999999999999999": "window",
    "median size=-3": "at least 1",
    "median size=100000": "window",
    "sobel axis=2": "axis 2",
    "laplace axes=": "at least one axis",
    "clip": "lower",
    "clip lower=3 upper=1": "lower <= upper",
    "clip lower=nan": "expected a number",
    "threshold level=nan": "expected a number",
    "cast dtype=float99": "NumPy dtype",
    "cast dtype=O": "dtype of numbers",
    "cast dtype=f2": "single precision",
    "cast dtype=f4,f4": "dtype of numbers",
    "anomaly mean=none.h5::/m": "found nothing",
    "anomaly mean=in.h5::/wide": "like one row",
    "anomaly mean=in.h5::/complex": "real numbers",
    "anomaly skipna=maybe": "true or false",
    "flatfield dark=in.h5::/mean": "needs the parameter 'flat'",
}
WHOLE_NUMBERS = {
    "threshold level=3 value=nan": "fit uint8",
    "threshold level=3 value=inf": "fit uint8",
    "threshold level=3 value=-1": "fit uint8",
    "gaussian sigma=1 mode=constant cval=nan": "fit uint8",
    "median mode=constant cval=300": "fit uint8",
    "laplace mode=constant cval=inf": "fit uint8",
}
INPUTS = {
    "none.h5::/x": "found nothing",
    "in.h4::/x": "did you mean in.h5",
    "in.h5": "choose",
    "in.h5::": "no PATH",
    "::/x": "name a file",
    "in.h5::/none": "found nothing",
    "in.h5::/g": "found a group; choose /g/y",
    "in.h5::/x/y": "found a dataset",
    "in.h5::/bytes": "found strings",
    "in.h5::/text": "found strings",
    "in.h5::/compound": "found a compound",
    "in.h5::/reference": "found references",
    "in.h5::/ragged": "variable length",
    "in.h5::/scalar": "a single number",
    "in.h5::/null": "empty dataspace",
    "in.h5::/long": "long doubles",
    "in.h5::/type": "named type",
    "in.h5::/soft": "link to /nope",
    "in.h5::/external": "link to gone.h5",
    "in.h5::/secret": "filter",
    "text.txt": "not HDF5",
    "nothing.h5": "is empty",
    "classic.nc": "nccopy",
    "cut.h5::/x": "cut short",
    "folder": "found a folder",
    "dangling.h5": "found a link to nothing",
}
OUTPUTS = {
    "in.h5 --overwrite": (2, "other than the input"),
    "in.h5::/new": (2, "other than the input"),
    "link.h5 --overwrite": (2, "other than the input"),
    "hard.h5 --overwrite": (2, "other than the input"),
    "folder/../in.h5 --overwrite": (2, "other than the input"),
    "folder --overwrite": (2, "is a folder"),
    "none/out.h5": (2, "create it first"),
    "text.txt": (3, "--overwrite"),
    "text.txt::/x": (3, "not HDF5"),
    "old.h5": (3, "--overwrite"),
    "old.h5::/y": (3, "--overwrite"),
    "old.h5::/y/z": (2, "found a dataset"),
    "/dev/null --overwrite": (2, "regular file"),
    "out.h5::": (2, "no PATH"),
    "out.h5 --filter gzip:10": (2, "gzip:9"),
    "out.h5 --filter zip": (2, "unknown filter"),
    "out.h5 --filter none --shuffle": (2, "--shuffle"),
    "out.h5 --filter gzip --chunks contiguous": (2, "drop one"),
    "out.h5 --chunks 0,5": (2, "64,36,48"),
    "out.h5 --chunks 3": (2, "2 chunk sides"),
    "out.h5 --chunks a,b": (2, "64,36,48"),
    "out.h5 --memory 1M": (4, "--memory"),
    "out.h5 --engine local --memory 1M": (4, "--memory"),
}


def state(folder: Path) -> dict[str, str]:
    """Everything in a folder, down to the bytes and the times of change."""
    return {
        str(p): f"{p.lstat().st_mtime_ns} {hashlib.md5(p.read_bytes()).hexdigest()}"
        for p in sorted(folder.rglob("*"))
        if p.is_file()
    }


@pytest.fixture
def hostile(sample: Path, no_workers: None) -> Path:
    """A folder with traps; a test that starts a worker fails."""
    whole = Path("in.h5").read_bytes()
    with h5py.File("in.h5", "a") as file:
        file["wide"] = np.zeros((3, 100))
        _add_secret(file)
    with h5py.File("old.h5", "w") as file:
        file["y"] = 1
    Path("text.txt").write_text("hello")
    Path("nothing.h5").touch()
    Path("classic.nc").write_bytes(b"CDF\x01" + bytes(100))
    Path("cut.h5").write_bytes(whole[: len(whole) // 2])
    Path("folder").mkdir()
    Path("link.h5").symlink_to("in.h5")
    Path("hard.h5").hardlink_to("in.h5")
    Path("dangling.h5").symlink_to("gone.h5")
    return sample


def _add_secret(file: h5py.File) -> None:
    """A dataset whose filter nobody has: number 511 is for tests."""
    dcpl = h5py.h5p.create(h5py.h5p.DATASET_CREATE)
    dcpl.set_chunk((3,))
    dcpl.set_filter(511, h5py.h5z.FLAG_OPTIONAL)
    space = h5py.h5s.create_simple((3,))
    made = h5py.h5d.create(file.id, b"secret", h5py.h5t.NATIVE_FLOAT, space, dcpl)
    made.write_direct_chunk((0,), bytes(12))


def assert_refused(cli: Cli, folder: Path, line: str, code: int, words: str) -> None:
    before = state(folder)
    said = cli(*line.split())
    assert (said.code, said.out) == (code, "")
    assert words in said.err
    assert said.err.startswith("sharedcompute: ")
    assert said.err.count("\n") == 1
    assert state(folder) == before


@pytest.mark.parametrize("line", [*USAGE, *OPERATIONS])
def test_wrong_usage_is_refused(cli: Cli, hostile: Path, line: str) -> None:
    assert_refused(cli, hostile, line, 2, {**USAGE, **OPERATIONS}[line])


@pytest.mark.parametrize("words", [*PARAMETERS, *WHOLE_NUMBERS])
def test_a_wrong_parameter_is_refused(cli: Cli, hostile: Path, words: str) -> None:
    op, *params = words.split()
    told = "".join(f" -p {param}" for param in params)
    source = "u1" if words in WHOLE_NUMBERS else "x"
    line = f"map {op} in.h5::/{source} out.h5{told}"
    assert_refused(cli, hostile, line, 2, {**PARAMETERS, **WHOLE_NUMBERS}[words])


@pytest.mark.parametrize("address", INPUTS)
@pytest.mark.parametrize("command", ["map scale {} out.h5", "reduce mean {} out.h5", "stats {}"])
def test_an_unusable_input_is_refused(cli: Cli, hostile: Path, command: str, address: str) -> None:
    assert_refused(cli, hostile, command.format(address), 2, INPUTS[address])


@pytest.mark.parametrize("output", OUTPUTS)
def test_an_unusable_output_is_refused(cli: Cli, hostile: Path, output: str) -> None:
    code, words = OUTPUTS[output]
    assert_refused(cli, hostile, f"map scale in.h5::/x {output}", code, words)


@pytest.mark.parametrize("command", ["info", "verify"])
@pytest.mark.parametrize("address", ["none.h5", "text.txt", "folder", "in.h5::/none", "cut.h5"])
def test_what_cannot_be_looked_at_is_refused(
    cli: Cli, hostile: Path, command: str, address: str
) -> None:
    words = {**INPUTS, "none.h5": "found nothing", "cut.h5": "cut short"}[address]
    assert_refused(cli, hostile, f"{command} {address}", 2, words)


def test_there_is_nothing_to_verify_in_a_file_that_is_not_ours(cli: Cli, hostile: Path) -> None:
    assert_refused(cli, hostile, "verify in.h5", 2, "expected results of sharedcompute")


@pytest.mark.skipif(os.getuid() == 0, reason="root may read and write everything")
def test_permissions_are_named(cli: Cli, hostile: Path) -> None:
    Path("in.h5").chmod(0)
    Path("folder").chmod(0o500)
    assert_refused(cli, hostile, "map scale in.h5::/x out.h5", 2, "permissions")
    Path("in.h5").chmod(0o600)
    assert_refused(cli, hostile, "map scale in.h5::/x folder/out.h5", 2, "choose another")
    Path("folder").chmod(0o700)


def test_a_folder_that_cannot_be_written_is_named(
    cli: Cli, hostile: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "access", lambda *_: False)
    assert_refused(cli, hostile, "map scale in.h5::/x folder/out.h5", 2, "folder cannot; choose")


def test_an_input_that_is_being_written_is_refused(cli: Cli, hostile: Path) -> None:
    with h5py.File("in.h5", "r+"):
        assert_refused(cli, hostile, "map scale in.h5::/x out.h5", 2, "open for writing")
