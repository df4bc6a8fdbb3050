"""Maps that give another number of rows: groups of rows in, groups of rows out."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import h5py
import numba
import numpy as np
import pytest

import sharedcompute as sc

X = np.random.default_rng(0).normal(size=(24, 4))
PADS = {
    "reflect": "symmetric",
    "constant": "constant",
    "nearest": "edge",
    "mirror": "reflect",
    "wrap": "wrap",
}


@numba.njit
def fill_means(x, out):  # type: ignore[no-untyped-def]
    for i in range(out.shape[0]):
        for j in range(out.shape[1]):
            out[i, j] = (x[2 * i, j] + x[2 * i + 1, j]) / 2


def fill_linear(x: Any, out: Any) -> None:
    out[0::2] = x[:-1]
    out[1::2] = (x[:-1] + x[1:]) / 2


MEANS = sc.Map("means", fill_means, ratio=(1, 2))
THIRDS = sc.Map("thirds", lambda x: np.stack([x[0::3], x[2::3]], 1).reshape(-1, 4), ratio=(2, 3))


def fill_smooth(x: Any, out: Any) -> None:
    out[...] = (x[0:-2:2] + x[1:-1:2] + x[2::2]) / 3


def same(ours: Any, theirs: Any) -> None:
    assert ours.dtype == theirs.dtype
    np.testing.assert_array_equal(ours, theirs)


@pytest.mark.sample(4)
@pytest.mark.parametrize("block_rows", [1, 3, 7, None])
@pytest.mark.parametrize("workers", [0, 1, 2, 5])
def test_rows_are_fewer_or_more(
    teams: dict[int, sc.Team], workers: int, block_rows: int | None
) -> None:
    how: dict[str, Any] = {"team": teams[workers]} if workers else {"engine": "serial"}
    how["block_rows"] = block_rows
    same(sc.map(MEANS, X, **how), (X[::2] + X[1::2]) / 2)
    same(sc.map(THIRDS, X, **how), np.stack([X[0::3], X[2::3]], 1).reshape(-1, 4))
    again = sc.Map("again", lambda x: np.repeat(x, 3, axis=0), ratio=(3, 1))
    same(sc.map(again, X, **how), np.repeat(X, 3, axis=0))


@pytest.mark.parametrize("mode", PADS)
def test_groups_have_a_halo_of_rows(mode: Any) -> None:
    padded = np.pad(X, ((1, 1), (0, 0)), PADS[mode])  # type: ignore[call-overload]
    op = sc.Map("smooth", fill_smooth, ratio=(1, 2), halo=1, mode=mode)
    expected = (padded[0:-2:2] + padded[1:-1:2] + padded[2::2]) / 3
    for block_rows in (1, 3, 7, None):
        same(sc.map(op, X, engine="serial", block_rows=block_rows), expected)
    both = np.empty((48, 4))
    both[0::2], both[1::2] = padded[1:-1], (padded[1:-1] + padded[2:]) / 2
    linear = sc.Map(
        "linear", lambda x, out: fill_linear(x[1:], out), ratio=(2, 1), halo=1, mode=mode
    )
    for block_rows in (1, 3, 7, None):
        same(sc.map(linear, X, engine="serial", block_rows=block_rows), both)


def test_several_inputs_are_in_groups_and_the_first_row_has_its_number() -> None:
    def first(x: Any, y: Any, row: Any) -> Any:
        return x[::4] + y[3::4], row + 4 * np.arange(len(x) // 4)

    op = sc.Map("first", first, inputs=2, outputs=2, rows=True, ratio=(1, 4))
    for block_rows in (1, 9, None):
        total, rows = sc.map(op, [X, 2 * X], engine="serial", block_rows=block_rows)
        same(total, X[::4] + 2 * X[3::4])
        same(rows, np.arange(0, 24, 4))


@pytest.mark.sample(3)
@pytest.mark.filterwarnings("ignore:axis 0 of /y has no coordinates")
@pytest.mark.parametrize("chunks", [(4, 4), (5, 2), (24, 4), None])
@pytest.mark.parametrize("op", [MEANS, THIRDS])
def test_from_file_to_file_with_chunks_of_any_length(
    tmp_path: Path, team: sc.Team, op: sc.Map, chunks: Any
) -> None:
    with h5py.File(tmp_path / "in.h5", "w") as file:
        file.create_dataset("x", data=X, chunks=chunks, compression="gzip" if chunks else None)
        file["lat"] = np.arange(4.0)
        file["lat"].make_scale("lat")
        file["x"].dims[1].attach_scale(file["lat"])
        file["x"].attrs["units"] = "m"
    expected = sc.map(op, X)
    outs = []
    for name, how in {
        "a": {"team": team},
        "b": {"engine": "serial"},
        "c": {"block_rows": 5},
    }.items():
        made = sc.map(op, tmp_path / "in.h5::/x", tmp_path / f"{name}.h5::/y", **how)  # type: ignore[arg-type]
        same(made[...], expected)
        outs.append((tmp_path / f"{name}.h5").read_bytes())
    assert outs[0] == outs[1]
    with h5py.File(tmp_path / "a.h5") as file:
        assert file["y"].attrs["units"] == "m"
        assert file["y"].dims[1].keys() == ["lat"]


def test_a_window_and_packed_numbers_are_put_in_groups(tmp_path: Path) -> None:
    with h5py.File(tmp_path / "in.h5", "w") as file:
        file["x"] = np.arange(24, dtype="i2").reshape(12, 2)
        file["x"].attrs["scale_factor"] = np.float32(0.5)
        file["h"] = np.arange(24, dtype="f2").reshape(12, 2)
    unpacked = (np.arange(24, dtype="f4").reshape(12, 2) * np.float32(0.5))[2:10]
    address = f"{tmp_path / 'in.h5'}::/x"
    found = sc.map(MEANS, address, decode_cf=True, rows="2:10", block_rows=2)
    same(found, (unpacked[::2] + unpacked[1::2]) / 2)
    half = np.arange(24, dtype="f4").reshape(12, 2)
    same(sc.map(MEANS, tmp_path / "in.h5::/h"), (half[::2] + half[1::2]) / 2)


def test_steps_after_another_number_of_rows_go_on_with_it(tmp_path: Path) -> None:
    (tmp_path / "own_means.py").write_text(
        "import sharedcompute as sc\n"
        "means = sc.Map('means', lambda x: (x[::2] + x[1::2]) / 2, ratio=(1, 2))\n"
    )
    with h5py.File(tmp_path / "in.h5", "w") as file:
        file["x"] = X
    (tmp_path / "job.toml").write_text(
        'input = "in.h5::/x"\noutput = "out.h5"\n'
        '[[steps]]\nop = "scale"\nparams = {factor = 2}\n'
        '[[steps]]\nop-from = "own_means.py:means"\nsave = "/half"\n'
        '[[steps]]\nop = "clip"\nparams = {lower = 0}\nsave = "/clipped"\n'
        '[[steps]]\nop = ["mean", "max"]\nsave = "/all"\n'
    )
    sc.run(tmp_path / "job.toml", engine="serial", block_rows=3)
    half = X[::2] + X[1::2]
    with h5py.File(tmp_path / "out.h5") as file:
        same(file["half"][...], half)
        same(file["clipped"][...], half.clip(0))
        np.testing.assert_allclose(file["all/mean"][...], half.clip(0).mean(axis=0))


def test_a_stopped_map_goes_on_to_the_same_bytes(tmp_path: Path) -> None:
    class Stop(Exception):
        pass

    def stop(event: Any) -> None:
        if type(event).__name__ == "BlockDone" and event.block == 2:
            raise Stop

    with h5py.File(tmp_path / "in.h5", "w") as file:
        file["x"] = X
        file.create_dataset("z", data=X, chunks=(2, 4), compression="gzip")
    for name in ("x", "z"):
        how: dict[str, Any] = {"block_rows": 4, "engine": "serial"}
        address = f"{tmp_path / 'in.h5'}::/{name}"
        sc.map(MEANS, address, tmp_path / f"whole-{name}.h5", **how)
        with pytest.raises(Stop):
            sc.map(MEANS, address, tmp_path / f"out-{name}.h5", listen=stop, **how)
        seen: list[Any] = []
        sc.map(MEANS, address, tmp_path / f"out-{name}.h5", resume=True, listen=seen.append, **how)
        assert any(type(event).__name__ == "BlocksRestored" for event in seen)
        whole = (tmp_path / f"whole-{name}.h5").read_bytes()
        assert (tmp_path / f"out-{name}.h5").read_bytes() == whole


def test_no_rows_are_no_groups() -> None:
    assert sc.map(MEANS, X[:0]).shape == (0, 4)


def test_what_is_no_multiple_is_refused_with_a_window() -> None:
    with pytest.raises(
        sc.InputError, match=r"means: expected a multiple of 2 rows, got 23: .* x\[:22\]"
    ):
        sc.map(MEANS, X[:23])


@pytest.mark.parametrize("ratio", [(0, 1), (1, -2), (1,), 2, "12", (1.0, 2)])
def test_a_wrong_ratio_is_refused(ratio: Any) -> None:
    with pytest.raises(sc.InputError, match="f: expected ratio to be rows out for rows in"):
        sc.Map("f", fill_means, ratio=ratio)


def test_a_kernel_that_gives_other_rows_than_it_says_is_refused() -> None:
    with pytest.raises(sc.InputError, match="returned 4: expected 2 rows"):
        sc.map(sc.Map("f", lambda x: x, ratio=(1, 2)), X)


def test_a_kernel_that_leaves_rows_is_refused() -> None:
    def leaves(x: Any, out: Any) -> None:
        out[::2] = x

    with pytest.raises(sc.InputError, match=r"leaves left out\[0, 1, 0\] as it was"):
        sc.map(sc.Map("leaves", leaves, ratio=(2, 1)), X, engine="serial")
