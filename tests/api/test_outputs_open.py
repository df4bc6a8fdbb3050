"""Each output of each command is opened by other programs, with the dimensions of its input."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest

import sharedcompute as sc
from sharedcompute.operations.catalogue import ITERATIVE
from tests.netcdf_files import SAMPLES
from tests.readers import Dims, opened_by_all

pytestmark = [
    pytest.mark.filterwarnings("ignore:.*as they are stored"),
    pytest.mark.filterwarnings("ignore:axis .* has no coordinates"),
]

HOW: dict[str, Any] = {"engine": "serial"}


def first_column(x: np.ndarray, out: np.ndarray) -> None:
    out[...] = x[..., 0]


def pair(x: np.ndarray, out: np.ndarray) -> None:
    out[...] = x.reshape(len(x), -1)[:, :2]


FEWER = sc.Map("fewer", first_column, row_shape=lambda _params, spec: spec.shape[1:-1])
PAIR = sc.Map("pair", pair, row_shape=lambda _params, _spec: (2,))

Expected = Callable[[tuple[str, ...]], Dims]
Command = tuple[Callable[[str, Path], Any], Expected]


def name_of(address: str) -> str:
    return address.rpartition("/")[2]


def _pipeline(address: str, out: Path) -> None:
    (out.parent / "job.toml").write_text(
        f'input = "{address}"\noutput = "{out}"\n'
        '[[steps]]\nop = "anomaly"\nsave = "/deep/down/anomaly"\n'
        '[[steps]]\nop = ["mean", "std"]\nsave = "/statistics"\n'
        '[[steps]]\nop = "scale"\nparams = { factor = 2.0 }\nsave = "/scaled"\n'
        '[[steps]]\nop = "max"\naxis = "all"\nsave = "/all"\n'
    )
    sc.run(out.parent / "job.toml", engine="serial")


def _added(address: str, out: Path) -> None:
    sc.map("scale", address, f"{out}::/scaled", factor=2.0, **HOW)
    sc.reduce("mean", address, f"{out}::/group/new", **HOW)
    sc.map(FEWER, address, f"{out}::/fewer", **HOW)


def _weights(address: str) -> np.ndarray:
    columns = int(np.prod(sc.open(address).shape[1:]))
    return np.arange(3.0 * columns).reshape(3, columns)


COMMANDS: dict[str, Command] = {
    "map": (
        lambda a, o: sc.map("scale", a, f"{o}::/y", factor=2.0, **HOW),
        lambda d: {"/y": d},
    ),
    "stencil": (
        lambda a, o: sc.map("gaussian", a, f"{o}::/y", sigma=1.0, **HOW),
        lambda d: {"/y": d},
    ),
    "scan": (lambda a, o: sc.scan("cumsum", a, f"{o}::/y", **HOW), lambda d: {"/y": d}),
    "decode": (
        lambda a, o: sc.map("scale", a, f"{o}::/y", factor=2.0, decode_cf=True, **HOW),
        lambda d: {"/y": d},
    ),
    "reduce": (
        lambda a, o: sc.reduce(["mean", "count"], a, o, **HOW),
        lambda d: {"/mean": d[1:], "/count": d[1:]},
    ),
    "reduce all": (
        lambda a, o: sc.reduce("mean", a, o, axis="all", **HOW),
        lambda d: {"/mean": ()},
    ),
    "stats": (lambda a, o: sc.stats(a, o, axis="rows", **HOW), lambda d: {"/std": d[1:]}),
    "fewer axes": (lambda a, o: sc.map(FEWER, a, f"{o}::/y", **HOW), lambda d: {"/y": d[:-1]}),
    "other axes": (
        lambda a, o: sc.map(PAIR, a, f"{o}::/y", **HOW),
        lambda d: {"/y": (d[0], "y_dim_1")},
    ),
    "project": (
        lambda a, o: sc.map("project", a, f"{o}::/y", components=_weights(a), **HOW),
        lambda d: {"/y": (d[0], "y_dim_1")},
    ),
    "pipeline": (
        _pipeline,
        lambda d: {
            "/deep/down/anomaly": d,
            "/statistics/mean": d[1:],
            "/scaled": d,
            "/all/max": (),
        },
    ),
    "added": (_added, lambda d: {"/scaled": d, "/group/new/mean": d[1:], "/fewer": d[:-1]}),
}


@pytest.fixture(scope="module")
def addresses(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """The addresses of all samples."""
    folder = tmp_path_factory.mktemp("samples")
    return {name: make(folder) for name, (make, _) in SAMPLES.items()}


def made(command: str, sample: str, addresses: dict[str, str], folder: Path) -> Dims:
    """The dimensions of what a command makes of a sample, as they were expected."""
    dims = SAMPLES[sample][1]
    run, expected = COMMANDS[command]
    out = folder / "out.nc"
    run(addresses[sample], out)
    found = opened_by_all(out)
    wanted = expected(dims)
    assert {name: found[name] for name in wanted} == wanted, (command, sample)
    return found


@pytest.mark.slow
@pytest.mark.parametrize("command", ["pipeline", "decode", "added"])
def test_outputs_are_opened_with_the_dimensions_of_yearly_files(
    command: str, addresses: dict[str, str], tmp_path: Path
) -> None:
    found = made(command, "years", addresses, tmp_path)
    assert found["/time"] == ("time",)


@pytest.mark.sample(1)
@pytest.mark.parametrize("sample", [s for s in SAMPLES if s != "years"])
@pytest.mark.parametrize("command", ["added"])
def test_outputs_are_opened_with_the_dimensions_of_their_input(
    command: str, sample: str, addresses: dict[str, str], tmp_path: Path
) -> None:
    made(command, sample, addresses, tmp_path)


@pytest.mark.faults
@pytest.mark.parametrize("sample", SAMPLES)
@pytest.mark.parametrize("command", COMMANDS)
def test_every_output_of_every_command_is_opened(
    command: str, sample: str, addresses: dict[str, str], tmp_path: Path
) -> None:
    made(command, sample, addresses, tmp_path)


@pytest.mark.slow
@pytest.mark.parametrize("sample", [s for s in SAMPLES if s != "years"])
def test_repack_of_a_dataset_and_of_a_file_keep_all_dimensions(sample: str, tmp_path: Path) -> None:
    make, dims = SAMPLES[sample]
    address = make(tmp_path)
    before = opened_by_all(address.partition("::")[0])
    sc.repack(address, tmp_path / "one.nc", filter="gzip:1", **HOW)
    path = address.partition("::")[2]
    assert opened_by_all(tmp_path / "one.nc")[path] == dims
    sc.repack(address.partition("::")[0], tmp_path / "all.nc", filter="gzip:1", **HOW)
    assert opened_by_all(tmp_path / "all.nc") == before


CLOUD = ("sample", "feature")
FITTED: dict[str, tuple[dict[str, Any], Dims]] = {
    "kmeans": (
        {"n_clusters": 4},
        {"/cluster_centers": ("cluster_centers_dim_0", "feature"), "/labels": ("sample",)},
    ),
    "pca": (
        {"n_components": 4},
        {"/components": ("components_dim_0", "feature"), "/mean": CLOUD[1:]},
    ),
    "lstsq": ({"y": np.arange(12.0)}, {"/coef": CLOUD[1:]}),
    "ridge": ({"y": np.arange(12.0)}, {"/coef": CLOUD[1:]}),
    "power": ({"tol": 1e-3}, {"/eigenvector": CLOUD[1:]}),
    "heat": ({"sweeps": 3}, {"/grid": CLOUD}),
    "jacobi": ({"max_iter": 3}, {"/grid": CLOUD}),
}


def test_every_fit_has_an_expectation() -> None:
    assert set(FITTED) == set(ITERATIVE)


@pytest.mark.sample(2)
@pytest.mark.parametrize("name", FITTED)
def test_what_a_fit_gives_is_opened_with_the_dimensions_of_its_input(
    name: str, tmp_path: Path
) -> None:
    params, expected = FITTED[name]
    # As many features as clusters and components: what is which must not be guessed by lengths.
    columns = 12 if name == "power" else 4
    x = np.random.default_rng(1).normal(size=(12, columns))
    with h5py.File(tmp_path / "in.nc", "w") as file:
        file["x"] = x @ x.T if name == "power" else x
        file["x"].attrs["units"] = "K"
        for axis, scale in enumerate(CLOUD):
            file[scale] = np.arange(float(file["x"].shape[axis]))
            file[scale].make_scale(scale)
            file["x"].dims[axis].attach_scale(file[scale])
    run = sc.fit if ITERATIVE[name].kind == "fit" else sc.solve
    run(name, f"{tmp_path}/in.nc::/x", tmp_path / "out.nc", **params, **HOW)
    found = opened_by_all(tmp_path / "out.nc")
    assert {path: found[path] for path in expected} == expected
    with h5py.File(tmp_path / "out.nc") as file:
        assert not any("units" in file[path].attrs for path in expected)
