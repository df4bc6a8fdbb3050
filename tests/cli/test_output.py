"""What an output keeps of its input, what options change, and what is never lost."""

from __future__ import annotations

import time
from pathlib import Path

import h5py
import numpy as np
import pytest

from tests.cli.conftest import Cli, read, values


@pytest.fixture
def field(folder: Path) -> Path:
    """in.h5::/t: chunked, compressed, with units, scales, a fill value."""
    with h5py.File("in.h5", "w") as file:
        file.attrs["title"] = "a field"
        made = file.create_dataset(
            "t", data=values(), chunks=(4, 5), compression="gzip", compression_opts=3, shuffle=True,
            fillvalue=-99.0,
        )  # fmt: skip
        made.attrs["units"] = "K"
        file["time"], file["lon"] = np.arange(12.0), np.arange(5.0) * 2
        for axis, name in enumerate(("time", "lon")):
            file[name].make_scale(name)
            file[name].attrs["units"] = f"unit of {name}"
            made.dims[axis].attach_scale(file[name])
    return folder


def test_the_result_is_stored_as_its_input_is(cli: Cli, field: Path) -> None:
    assert cli("map", "scale", "in.h5::/t", "out.h5") == (0, "", "")
    with h5py.File("out.h5") as file:
        made = file["t"]
        assert (made.chunks, made.compression, made.compression_opts) == ((4, 5), "gzip", 3)
        assert made.shuffle
        assert made.fillvalue == -99.0
        assert made.attrs["units"] == "K"
        assert file.attrs["title"] == "a field"
        assert made.dims[0][0].name == "/time"
        assert made.dims[1][0].attrs["units"] == "unit of lon"
        np.testing.assert_array_equal(made.dims[0][0], np.arange(12.0))


def test_a_reduction_keeps_the_scales_that_are_left(cli: Cli, field: Path) -> None:
    assert cli("reduce", "mean,max", "in.h5::/t", "out.h5").code == 0
    with h5py.File("out.h5") as file:
        for name in ("mean", "max"):
            assert file[name].attrs["units"] == "K"
            assert file[name].dims[0][0].name == "/lon"
        assert "time" not in file


def test_the_result_says_what_made_it(cli: Cli, field: Path) -> None:
    cli("map", "scale", "in.h5::/t", "out.h5")
    with h5py.File("out.h5") as file:
        assert file.attrs["sharedcompute_complete"]
        assert '"operation": "scale"' in file["t"].attrs["sharedcompute_job"]
        assert str(field) not in file["t"].attrs["sharedcompute_job"]


@pytest.mark.sample(4)
@pytest.mark.parametrize(
    ("name", "code"),
    [
        ("gzip:7", h5py.h5z.FILTER_DEFLATE), ("lzf", h5py.h5z.FILTER_LZF), ("lz4", 32004),
        ("zstd:3", 32015), ("bitshuffle-lz4", 32008), ("bitshuffle-zstd:2", 32008),
        ("blosc2-zstd:5", 32026), ("none", None),
    ],
)  # fmt: skip
def test_a_filter_can_be_chosen(cli: Cli, field: Path, name: str, code: int | None) -> None:
    assert cli("map", "scale", "in.h5::/t", "out.h5", "--filter", name) == (0, "", "")
    with h5py.File("out.h5") as file:
        dcpl = file["t"].id.get_create_plist()
        codes = [dcpl.get_filter(i)[0] for i in range(dcpl.get_nfilters())]
        assert codes[-1:] == ([] if code is None else [code])
        np.testing.assert_array_equal(file["t"], values())


@pytest.mark.sample(2)
@pytest.mark.parametrize(
    ("given", "chunks"),
    [("3,2", (3, 2)), ("auto", (12, 5)), ("contiguous", None), ("100,100", (12, 5))],
)
def test_chunks_can_be_chosen(
    cli: Cli, field: Path, given: str, chunks: tuple[int, ...] | None
) -> None:
    assert cli("map", "scale", "in.h5::/t", "out.h5", "--chunks", given).code == 0
    with h5py.File("out.h5") as file:
        assert file["t"].chunks == chunks
        np.testing.assert_array_equal(file["t"], values())


@pytest.mark.parametrize(("option", "shuffled"), [("--shuffle", True), ("--no-shuffle", False)])
def test_shuffling_can_be_chosen(cli: Cli, field: Path, option: str, shuffled: bool) -> None:
    assert cli("map", "scale", "in.h5::/t", "out.h5", "--filter", "gzip:1", option).code == 0
    with h5py.File("out.h5") as file:
        assert file["t"].shuffle is shuffled


def test_an_output_that_exists_is_left_alone(cli: Cli, field: Path) -> None:
    Path("out.h5").write_text("mine")
    said = cli("map", "scale", "in.h5::/t", "out.h5")
    assert said.code == 3
    assert "--overwrite" in said.err
    assert Path("out.h5").read_text() == "mine"


def test_overwrite_replaces_the_whole_file(cli: Cli, field: Path) -> None:
    cli("map", "scale", "in.h5::/t", "out.h5")
    assert cli("reduce", "sum", "in.h5::/t", "out.h5", "--overwrite").code == 0
    with h5py.File("out.h5") as file:
        assert sorted(file) == ["lon", "sum"]


def test_a_path_adds_to_a_file_that_exists(cli: Cli, field: Path) -> None:
    with h5py.File("out.h5", "w") as file:
        file["mine"] = [1, 2, 3]
    assert cli("map", "scale", "in.h5::/t", "out.h5::/a/first").code == 0
    assert cli("reduce", "mean", "in.h5::/t", "out.h5::/stats").code == 0
    with h5py.File("out.h5") as file:
        assert file["mine"][...].tolist() == [1, 2, 3]
        assert file["a/first"].shape == (12, 5)
        assert file["stats/mean"].shape == (5,)


def test_a_path_that_exists_needs_overwrite_and_spares_its_neighbours(
    cli: Cli, field: Path
) -> None:
    cli("map", "scale", "in.h5::/t", "out.h5::/a")
    cli("map", "scale", "in.h5::/t", "out.h5::/b")
    words = ["map", "scale", "in.h5::/t", "out.h5::/a", "-p", "factor=0"]
    assert cli(*words).code == 3
    assert cli(*words, "--overwrite").code == 0
    assert np.nansum(read("out.h5", "a")) == 0
    np.testing.assert_array_equal(read("out.h5", "b"), values())


@pytest.mark.parametrize("output", ["out.h5", "out.h5::/"])
def test_a_file_alone_gets_the_name_of_the_input(cli: Cli, field: Path, output: str) -> None:
    assert cli("map", "scale", "in.h5::/t", output).code == 0
    np.testing.assert_array_equal(read("out.h5", "t"), values())


def test_a_link_to_an_output_stays_a_link(cli: Cli, field: Path) -> None:
    Path("real").mkdir()
    Path("out.h5").symlink_to("real/out.h5")
    assert cli("map", "scale", "in.h5::/t", "out.h5").code == 0
    assert Path("out.h5").is_symlink()
    np.testing.assert_array_equal(read("real/out.h5", "t"), values())


def test_a_job_that_fails_leaves_what_was_there(cli: Cli, field: Path) -> None:
    Path("mine.py").write_text(
        "import sharedcompute as sc\n"
        "def fail(x, out):\n"
        "    raise ArithmeticError('no luck')\n"
        "unlucky = sc.Map('unlucky', fail)\n"
    )
    cli("map", "scale", "in.h5::/t", "out.h5")
    before = Path("out.h5").read_bytes()
    words = ["map", "--op-from", "mine.py:unlucky", "in.h5::/t", "out.h5", "--overwrite"]
    for engine in (["--engine", "serial"], ["--engine", "local", "-j", "2"]):
        said = cli(*words, *engine)
        assert said.code == 1
        assert said.out == ""
        assert said.err.count("\n") == 1
        assert "no luck" in said.err
        assert Path("out.h5").read_bytes() == before
    assert [p.name for p in field.iterdir() if "resume" in p.name] == []


def test_two_outputs_of_the_same_job_have_the_same_bytes(cli: Cli, field: Path) -> None:
    for name in ("one.h5", "two.h5"):
        cli("map", "gaussian", "in.h5::/t", name, "-p", "sigma=1", "--filter", "zstd:3")
    assert Path("one.h5").read_bytes() == Path("two.h5").read_bytes()


def _one_of_each(cli: Cli, out: str) -> dict[str, bytes]:
    Path("job.toml").write_text(
        f'input = "in.h5::/t"\noutput = "{out}_run.h5"\n'
        '[[steps]]\nop = "scale"\nsave = "/deep/down/y"\n'
    )
    commands = [
        ["map", "scale", "in.h5::/t", f"{out}_map.h5"],
        ["map", "scale", "in.h5::/t", f"{out}_deep.h5::/g/h/y"],
        ["reduce", "mean,std", "in.h5::/t", f"{out}_reduce.h5::/g/h"],
        ["stats", "in.h5::/t", f"{out}_stats.h5", "--axis", "rows"],
        ["scan", "cumsum", "in.h5::/t", f"{out}_scan.h5::/g/y", "--chunks", "contiguous"],
        ["fit", "pca", "in.h5::/time", f"{out}_fit.h5::/g", "-p", "n_components=1"],
        ["repack", "in.h5", f"{out}_repack.h5", "--filter", "gzip:1"],
        ["repack", "in.h5::/t", f"{out}_one.h5::/g/t"],
        ["run", "job.toml"],
    ]
    for words in commands:
        assert cli(*words, "-q").code == 0, words
    return {path.name[1:]: path.read_bytes() for path in Path().glob(f"{out}_*.h5")}


@pytest.mark.slow
def test_the_bytes_of_an_output_do_not_tell_when_it_was_written(cli: Cli, field: Path) -> None:
    before = _one_of_each(cli, "a")
    time.sleep(1.1)  # HDF5 keeps times in seconds
    after = _one_of_each(cli, "b")
    assert len(before) == 9
    assert [name for name in before if before[name] != after[name]] == []
