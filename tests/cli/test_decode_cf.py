"""--decode-cf on the command line and in job files."""

from __future__ import annotations

import json
from pathlib import Path

import h5py
import numpy as np
import pytest

from .conftest import Cli, read

STORED = np.array([[10, 20], [30, -1], [50, 60]], "i2")
MEANT = np.array([[2, 3], [4, np.nan], [6, 7]])


@pytest.fixture
def packed(folder: Path) -> Path:
    """in.nc: a packed field with a gap."""
    with h5py.File("in.nc", "w") as file:
        file["t"] = STORED
        file["t"].attrs.update(scale_factor=0.1, add_offset=1.0, _FillValue=np.int16(-1), units="K")
    return folder


@pytest.mark.sample(2)
@pytest.mark.parametrize(
    ("words", "path", "expected"),
    [
        (["map", "scale"], "t", MEANT),
        (["reduce", "mean", "--skipna"], "mean", np.nanmean(MEANT, axis=0)),
        (["scan", "cumsum", "--skipna"], "t", np.nancumsum(MEANT, axis=0)),
        (["stats", "--skipna", "--axis", "rows"], "max", np.nanmax(MEANT, axis=0)),
    ],
)
def test_every_command_decodes(
    words: list[str], path: str, expected: np.ndarray, cli: Cli, packed: Path
) -> None:
    said = cli(*words, "in.nc", "out.nc", "--decode-cf")
    assert (said.code, said.err) == (0, "")
    np.testing.assert_allclose(read("out.nc", path), expected, rtol=1e-15)
    assert "from in.nc::/t --decode-cf" in cli("verify", "out.nc").out


@pytest.mark.parametrize(("key", "options"), [("true", []), ("false", ["--decode-cf"])])
def test_a_job_file_decodes_by_its_key_or_the_option(
    key: str, options: list[str], cli: Cli, packed: Path
) -> None:
    Path("job.toml").write_text(
        f'input = "in.nc"\noutput = "out.nc"\ndecode_cf = {key}\n'
        '[[steps]]\nop = "anomaly"\nparams = { mean = 1.0 }\nsave = "/t"\n'
    )
    assert cli("run", "job.toml", *options).code == 0
    np.testing.assert_allclose(read("out.nc", "t"), MEANT - 1, rtol=1e-15)


def test_a_job_file_says_true_or_false(cli: Cli, packed: Path) -> None:
    Path("job.toml").write_text('input = "in.nc"\ndecode_cf = "yes"\n[[steps]]\nop = "mean"\n')
    said = cli("run", "job.toml")
    assert (said.code, said.out) == (2, "")
    assert "decode_cf: expected true or false, got 'yes'" in said.err


def test_the_plan_shows_what_is_applied(cli: Cli, packed: Path) -> None:
    said = cli("reduce", "mean", "in.nc", "--decode-cf", "--dry-run")
    assert "decode CF (scale_factor 0.1, add_offset 1.0, _FillValue -1) -> float64" in said.out


def test_without_it_a_note_names_it(cli: Cli, packed: Path) -> None:
    said = cli("stats", "in.nc", "--json")
    assert "as they are stored" in said.err
    assert "--decode-cf" in said.err
    assert json.loads(said.out)["results"][0]["max"] == 60


def test_as_a_parameter_it_is_refused_with_the_option(cli: Cli, packed: Path) -> None:
    said = cli("reduce", "mean", "in.nc", "-p", "decode_cf=1")
    assert said.code == 2
    assert "--decode-cf" in said.err


def test_an_attribute_that_is_no_number_is_wrong_input(cli: Cli, packed: Path) -> None:
    with h5py.File("in.nc", "r+") as file:
        file["t"].attrs["scale_factor"] = "a tenth"
    said = cli("reduce", "mean", "in.nc", "--decode-cf")
    assert said.code == 2
    assert said.err.count("\n") == 1
    assert "expected one number in the attribute scale_factor" in said.err
