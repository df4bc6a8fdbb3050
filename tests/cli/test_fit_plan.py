"""What `sharedcompute fit` plans, and what it offers."""

from __future__ import annotations

import json
from pathlib import Path

import h5py
import numpy as np
import pytest

from tests.cli.conftest import Cli

STORED = {"contiguous": {}, "chunked": {"chunks": (10, 3), "compression": "gzip"}}


@pytest.mark.parametrize(("stored", "load"), [("contiguous", None), ("chunked", "memory")])
def test_only_what_must_be_decoded_is_loaded_before_the_rounds(
    cli: Cli, folder: Path, stored: str, load: str | None
) -> None:
    with h5py.File("in.h5", "w") as file:
        file.create_dataset("x", data=np.ones((100, 3)), **STORED[stored])
    said = cli("fit", "pca", "in.h5", "out.h5", "--dry-run", "--json")
    assert said.code == 0, said.err
    assert json.loads(said.out).get("load") == load


def test_a_fit_offers_no_skipna_as_none_takes_it(cli: Cli, folder: Path) -> None:
    said = cli("fit", "--help")
    assert "--op-from" in said.out
    assert "--skipna" not in said.out
