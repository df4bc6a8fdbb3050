"""Whole numbers in options and job files keep all their digits."""

from __future__ import annotations

from pathlib import Path

import h5py
import numpy as np
import pytest

from tests.cli.conftest import Cli


@pytest.mark.sample(1)
@pytest.mark.parametrize("how", ["options", "job"])
def test_no_digit_is_lost_on_the_way_from_text(cli: Cli, folder: Path, how: str) -> None:
    del folder
    x = np.arange(2**53, 2**53 + 10)
    with h5py.File("in.h5", "w") as file:
        file["x"] = x
    level, value = 9007199254740993, 9007199254740995
    if how == "options":
        words = ["map", "threshold", "in.h5", "out.h5", "-p", f"level={level}"]
        said = cli(*words, "-p", f"value={value}")
    else:
        step = f'op = "threshold"\nsave = "/x"\nparams = {{ level = {level}, value = {value} }}\n'
        Path("job.toml").write_text(f'input = "in.h5"\noutput = "out.h5"\n[[steps]]\n{step}')
        said = cli("run", "job.toml")
    assert (said.code, said.err) == (0, "")
    with h5py.File("out.h5") as file:
        np.testing.assert_array_equal(file["x"][()], np.where(x > level, x, value))
