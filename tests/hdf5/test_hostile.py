"""Files that are broken or made to do harm: an error of one line, and this process lives on."""

from __future__ import annotations

import os
import random
import zlib
from pathlib import Path

import h5py
import numpy as np
import pytest
from h5py import h5d, h5p, h5s, h5t

import sharedcompute as sc
from sharedcompute.cli.main import invoke
from sharedcompute.hdf5.inspection.listing import describe
from sharedcompute.system import disposable

X = np.arange(60, dtype="f4").reshape(6, 10)


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """An input's folder, and one beside it that the input has no business in."""
    (tmp_path / "own").mkdir()
    (tmp_path / "other").mkdir()
    with h5py.File(tmp_path / "other" / "x.h5", "w") as file:
        file["x"] = X
    monkeypatch.chdir(tmp_path / "own")
    return tmp_path


def refusal(address, use=sc.stats):
    with pytest.raises(sc.Error) as caught:
        use(str(address))
    message = str(caught.value)
    assert "\n" not in message
    return message


def listed(file, **how):
    return {found.path: found for found in describe(str(file), **how)}


def virtual(file, name, target, path="x", shape=(6, 10)):
    layout = h5py.VirtualLayout(shape, "f4")
    layout[:] = h5py.VirtualSource(target, path, shape)
    with h5py.File(file, "a") as opened:
        opened.create_virtual_dataset(name, layout)


# Other files


def outward(folder, kind, name="in.h5"):
    """A file whose /d lies in the other folder, in one of the ways in which it can."""
    away = str(folder / "other" / "x.h5")
    if kind == "virtual":
        virtual(name, "d", away)
        return
    with h5py.File(name, "w") as file:
        if kind == "link":
            file["d"] = h5py.ExternalLink("../other/x.h5", "/x")
        if kind == "soft link to a link":
            file["way"] = h5py.ExternalLink(away, "/")
            file["d"] = h5py.SoftLink("/way/x")
        if kind == "link in a linked file":
            with h5py.File("hop.h5", "w") as hop:
                hop["away"] = h5py.ExternalLink(away, "/")
            file["d"] = h5py.ExternalLink("hop.h5", "/away/x")
        if kind == "link to a symbolic link":
            Path("near.h5").symlink_to(away)
            file["d"] = h5py.ExternalLink("near.h5", "/x")
        if kind == "storage":
            (folder / "other" / "raw").write_bytes(X.tobytes())
            raw = str(folder / "other" / "raw")
            file.create_dataset("d", X.shape, "f4", external=[(raw, 0, X.nbytes)])
    if kind == "virtual through a link":
        with h5py.File("hop.h5", "w") as hop:
            hop["away"] = h5py.ExternalLink(away, "/")
        virtual(name, "d", "hop.h5", "away/x")
    if kind == "numbered":
        numbered(name, "../other/%b.h5", folder / "other" / "0.h5")


def numbered(name, pattern, first):
    """An unlimited mapping: HDF5 opens the files to tell the shape."""
    with h5py.File(first, "w") as file:
        file["x"] = X
    dcpl, unlimited = h5p.create(h5p.DATASET_CREATE), (h5s.UNLIMITED, 10)
    there = h5s.create_simple((6, 10), unlimited)
    there.select_hyperslab((0, 0), (h5s.UNLIMITED, 1), (6, 1), (6, 10))
    dcpl.set_virtual(there, pattern.encode(), b"x", h5s.create_simple((6, 10)))
    with h5py.File(name, "w") as file:
        space = h5s.create_simple((6, 10), unlimited)
        h5d.create(file.id, b"d", h5t.NATIVE_FLOAT, space, dcpl)


KINDS = [
    "link",
    "soft link to a link",
    "link in a linked file",
    "link to a symbolic link",
    "virtual",
    "virtual through a link",
    "numbered",
    "storage",
]


@pytest.mark.sample(2)
@pytest.mark.parametrize("kind", KINDS)
def test_another_folder_is_read_only_when_that_is_allowed(folder, kind):
    outward(folder, kind)
    message = refusal("in.h5::/d")
    assert "allow_external=True" in message
    assert str(folder / "other") in message
    assert "--allow-external" in listed("in.h5")["/d" if "soft" not in kind else "/way"].reason
    assert sc.stats("in.h5::/d", allow_external=True)["mean"] == X.mean()
    np.testing.assert_array_equal(sc.open("in.h5::/d", allow_external=True)[2:4], X[2:4])
    if "soft" not in kind:
        assert listed("in.h5", allow_external=True)["/d"].shape == X.shape


@pytest.mark.parametrize("kind", ["link", "virtual", "numbered", "storage"])
@pytest.mark.sample(1)
def test_every_command_has_the_option(folder, kind, capsys):
    outward(folder, kind)
    for words in (
        ["info", "in.h5"],
        ["stats", "in.h5::/d"],
        ["map", "clip", "in.h5::/d", "map.h5", "-p", "lower=0"],
        ["scan", "cumsum", "in.h5::/d", "scan.h5"],
        ["reduce", "mean", "in.h5::/d", "reduce.h5"],
        ["repack", "in.h5::/d", "repack.h5"],
    ):
        code = invoke(words)
        assert "--allow-external" in "".join(capsys.readouterr())
        assert code == (0 if words[0] == "info" else 2)
        assert invoke([*words, "--allow-external"]) == 0, words
        capsys.readouterr()
    with h5py.File("repack.h5") as file:
        (name,) = file
        np.testing.assert_array_equal(file[name][()], X)


def test_the_folder_itself_and_those_below_it_are_its_own(folder):
    Path("below").mkdir()
    for name in ("beside.h5", "below/x.h5"):
        with h5py.File(name, "w") as file:
            file["x"] = X
    with h5py.File("in.h5", "w") as file:
        file["beside"] = h5py.ExternalLink("beside.h5", "/x")
        file["below"] = h5py.ExternalLink("below/x.h5", "/x")
    virtual("in.h5", "virtual", "below/x.h5")
    for name in ("beside", "below", "virtual"):
        assert sc.stats(f"in.h5::/{name}")["mean"] == X.mean()


def test_what_a_link_names_is_not_even_opened(folder):
    """A file that only root may open, or a device, may do something on being opened."""
    outward(folder, "link")
    target = folder / "other" / "x.h5"
    os.utime(target, ns=(1, 1))
    refusal("in.h5::/d")
    describe("in.h5")
    assert target.stat().st_atime_ns == 1


def test_etc_passwd_is_not_read(folder, capsys):
    with h5py.File("in.h5", "w") as file:
        file.create_dataset("d", (40,), "u1", external=[("/etc/passwd", 0, 40)])
        file["link"] = h5py.ExternalLink("/etc/passwd", "/x")
    assert "/etc/passwd" in refusal("in.h5::/d")
    assert "/etc/passwd" in refusal("in.h5::/link")
    # A copy of the file names it as well, and has nothing of it.
    sc.repack("in.h5", "out.h5", filter="gzip:4")
    assert b"root:" not in Path("out.h5").read_bytes()


def test_companions_in_other_folders_are_left_out(folder):
    with h5py.File("in.h5", "w") as file:
        file["d"] = X
        file["d"].attrs["coordinates"] = "near far raw"
        file["near"] = X
        file["far"] = h5py.ExternalLink("../other/x.h5", "/x")
        file.create_dataset("raw", (6, 10), "u1", external=[("/etc/passwd", 0, 60)])
    sc.map("clip", "in.h5::/d", "out.h5", lower=0)
    with h5py.File("out.h5") as file:
        assert set(file) == {"d", "near"}


# What is no file


@pytest.mark.sample(1)
@pytest.mark.parametrize("what", ["fifo", "/dev/zero", "folder"])
def test_what_is_no_file_is_refused_as_input_and_as_target(folder, what):
    os.mkfifo("fifo")
    Path("folder").mkdir()
    assert "expected an HDF5 file" in refusal(what)
    assert "expected an HDF5 file" in refusal(what, describe)
    with h5py.File("in.h5", "w") as file:
        file["link"] = h5py.ExternalLink(what, "/x")
        file.create_dataset("raw", (6, 10), "f4", external=[(what, 0, 240)])
    virtual("in.h5", "virtual", what)
    for name in ("link", "raw"):
        refusal(f"in.h5::/{name}")
    if what != "folder":
        refusal("in.h5::/virtual")
        assert listed("in.h5")["/virtual"].read_path is None
    numbered("many.h5", "%b", "0")
    Path("1").unlink(missing_ok=True)
    os.mkfifo("1")
    assert "no regular file" in refusal("many.h5::/d")


# Cycles and bombs


def test_cycles_end(folder):
    virtual("in.h5", "a", ".", "b")
    virtual("in.h5", "b", "in.h5", "a")
    with h5py.File("in.h5", "a") as file:
        file["g/x"] = X
        file["g/again"] = file["g"]
        file["g/root"] = file["/"]
        file["soft"], file["soft2"] = h5py.SoftLink("/soft2"), h5py.SoftLink("/soft")
        file["self"] = h5py.ExternalLink("in.h5", "/self")
        file["round"] = h5py.ExternalLink("in.h5", "/round/round")
    assert "mapped to itself" in refusal("in.h5::/a")
    for name in ("soft", "self", "round"):
        assert "a link to" in refusal(f"in.h5::/{name}")
    assert sc.stats("in.h5::/g/root/g/again/x")["mean"] == X.mean()
    found = listed("in.h5")
    assert found["/g/x"].read_path == "mmap"
    assert found["/a"].read_path is None


@pytest.mark.slow
def test_virtual_datasets_in_layers_are_looked_at_once_each(folder):
    """Eight layers of eight that each map all eight below: 16 million ways."""
    with h5py.File("in.h5", "w") as file:
        for n in range(8):
            file[f"0_{n}"] = X
    for layer in range(1, 8):
        layout = h5py.VirtualLayout((48, 10), "f4")
        for n in range(8):
            source = h5py.VirtualSource(".", f"{layer - 1}_{n}", (6 if layer == 1 else 48, 10))
            layout[6 * n : 6 * n + 6] = source[:6]
        with h5py.File("in.h5", "a") as file:
            for n in range(8):
                file.create_virtual_dataset(f"{layer}_{n}", layout)
    assert sc.open("in.h5::/7_0").shape == (48, 10)


def test_a_shape_of_exabytes_is_listed_and_sliced_but_no_job_begins(folder):
    with h5py.File("in.h5", "w") as file:
        bomb = file.create_dataset("x", (8_000_000_000, 300_000_000), "f8", chunks=(100, 100))
        bomb[0, 0] = 7
    assert listed("in.h5")["/x"].shape == (8_000_000_000, 300_000_000)
    assert sc.open("in.h5::/x")[:2, :2].tolist() == [[7, 0], [0, 0]]
    assert "1.92e+07 TB" in refusal("in.h5::/x")
    assert "1.92e+07 TB" in refusal("in.h5", lambda f: sc.repack(f, "out.h5", filter="gzip:1"))
    with pytest.raises(MemoryError):
        sc.open("in.h5::/x").compute()


def test_a_chunk_that_unpacks_to_a_hundred_times_its_size(folder):
    """Decoded by us, and by HDF5."""
    with h5py.File("in.h5", "w") as file:
        for name, after in (("ours", None), ("theirs", h5py.h5z.FILTER_LZF)):
            dcpl = h5p.create(h5p.DATASET_CREATE)
            dcpl.set_chunk((10, 1000))
            dcpl.set_deflate(4)
            if after is not None:
                dcpl.set_filter(after, h5py.h5z.FLAG_OPTIONAL)
            space = h5s.create_simple((100, 1000))
            made = h5d.create(file.id, name.encode(), h5t.NATIVE_FLOAT, space, dcpl)
            # Bit 1: stored without the second filter.
            made.write_direct_chunk((0, 0), zlib.compress(bytes(4_000_000)), 2 if after else 0)
    assert "longer than 40000 bytes" in refusal("in.h5::/ours")
    # HDF5 takes as much as the chunk has room for.
    assert sc.open("in.h5::/theirs").source.read_path == "h5py"
    assert sc.stats("in.h5::/theirs")["mean"] == 0


@pytest.mark.slow
def test_three_thousand_nested_groups(folder):
    with h5py.File("in.h5", "w") as file:
        group: h5py.Group = file
        for _ in range(3000):
            group = group.create_group("g")
        group["x"] = X
    assert sc.stats("in.h5")["mean"] == X.mean()
    assert list(listed("in.h5")) == ["/g" * 3000 + "/x"]


# A library that crashes


def test_a_crash_of_hdf5_is_an_error_that_names_the_file(folder, monkeypatch):
    with h5py.File("in.h5", "w") as file:
        file["x"] = X
    monkeypatch.setattr(
        "sharedcompute.hdf5.inspection.inspector.numeric_dtype", lambda _: os.abort()
    )
    for use in (sc.stats, sc.open, describe, lambda f: sc.repack(f, "out.h5")):
        message = refusal("in.h5", use)
        assert "crashed" in message
        assert "in.h5" in message


def test_a_crash_on_one_file_of_a_glob_names_that_file(folder, monkeypatch):
    from sharedcompute.hdf5.inspection import inspector

    for number in range(4):
        with h5py.File(f"run_{number}.h5", "w") as file:
            file["x"] = X
    real = inspector.numeric_dtype  # type: ignore[attr-defined]
    monkeypatch.setattr(
        inspector,
        "numeric_dtype",
        lambda d: os.abort() if d.file.filename.endswith("run_2.h5") else real(d),
    )
    assert "got run_2.h5" in refusal("run_*.h5")


def test_a_decoder_that_crashes_does_not_take_this_process_with_it(folder, monkeypatch):
    from sharedcompute.hdf5.reading.library import H5pyReader

    with h5py.File("in.h5", "w") as file:
        file.create_dataset("x", data=X, chunks=(2, 10), compression="lzf")
    opened = sc.open("in.h5")
    monkeypatch.setattr(H5pyReader, "read", lambda *_: os.abort())
    monkeypatch.setattr(H5pyReader, "read_box", lambda *_: os.abort())
    assert "crashed" in refusal("in.h5", lambda f: sc.stats(f, engine="serial"))
    assert "crashed" in refusal("in.h5", lambda _: opened[2:4].compute())
    assert "crashed" in refusal(
        "in.h5", lambda f: sc.repack(f, "out.h5", filter="gzip:1", engine="serial")
    )


# Damage


def small_files():
    """Names and how they are made: formats of HDF5, kinds of storage."""
    names = {"earliest": {}, "latest": {"libver": "latest"}, "user block": {"userblock_size": 512}}
    return [pytest.param(how, id=name) for name, how in names.items()]


NAMES = ("flat", "g/gzip", "g/plain", "g/lzf", "swapped")


def write_small(path, how):
    values = np.random.default_rng(1).normal(size=(30, 8)).astype("f4")
    with h5py.File(path, "w", **how) as file:
        file["flat"] = values
        file["swapped"] = values.astype(">f8")
        group = file.create_group("g")
        checked = {"fletcher32": True}
        group.create_dataset("gzip", data=values, chunks=(7, 3), compression=1, shuffle=True)
        group.create_dataset("plain", data=values, chunks=(10, 8), maxshape=(None, 8), **checked)
        group.create_dataset("lzf", data=values, chunks=(10, 8), compression="lzf", **checked)
        group.attrs["text"] = "some text"
        file["text"] = np.array(["a", "bc"], object)
        file["scale"] = np.arange(30.0)
        file["scale"].make_scale("t")
        file["flat"].dims[0].attach_scale(file["scale"])


def as_hdf5_reads(path, name):
    """min, max and size, as h5py has them; None where HDF5 contradicts itself.

    A chunk that it lists and yet does not find when it is asked for is read as fill values.
    """
    with h5py.File(path, "r") as file:
        dataset = file[name]
        if dataset.chunks:
            count = dataset.id.get_num_chunks()
            for info in map(dataset.id.get_chunk_info, range(count)):
                inside = all(map(int.__lt__, info.chunk_offset, dataset.shape))
                found = dataset.id.get_chunk_info_by_coord(info.chunk_offset)
                if inside and found.byte_offset != info.byte_offset:
                    return None
        if dataset.dtype.kind not in "biuf":
            return None
        values = dataset[()]
    with np.errstate(all="ignore"):
        return values.size, np.float64(values.min()), np.float64(values.max())


def found_or_refused(use, *args, **how):
    """A result; None for an error of one line."""
    try:
        return use(*args, **how)
    except sc.Error as error:
        if "\n" in str(error):
            raise
        return None


def check_damaged(path):
    """info and stats give what h5py gives, or an error of one line; how often the same."""
    found_or_refused(describe, str(path))
    right = 0
    for name in NAMES:
        ours = found_or_refused(sc.stats, f"{path}::{name}", engine="serial")
        if ours is None:
            continue
        theirs = disposable.run(name, as_hdf5_reads, str(path), name)
        if theirs is not None and theirs[0]:
            found = ours["count"] + ours["nan_count"], ours["min"], ours["max"]
            np.testing.assert_array_equal(found, theirs)
            right += 1
    return right


@pytest.mark.filterwarnings("ignore::sharedcompute.api.notices.UnappliedAttributes")
@pytest.mark.filterwarnings("ignore::RuntimeWarning")
@pytest.mark.parametrize("how", small_files())
@pytest.mark.slow
def test_flipped_bytes_give_what_hdf5_gives_or_an_error(folder, how):
    flip_and_check(how, range(8))


@pytest.mark.faults
@pytest.mark.timeout(900)
@pytest.mark.filterwarnings("ignore::sharedcompute.api.notices.UnappliedAttributes")
@pytest.mark.filterwarnings("ignore::RuntimeWarning")
@pytest.mark.parametrize("how", small_files())
def test_flipped_bytes_in_many_places(folder, how):
    flip_and_check(how, range(8, 200))


def flip_and_check(how, seeds):
    write_small("good.h5", how)
    whole = Path("good.h5").read_bytes()
    assert check_damaged("good.h5") == len(NAMES)
    for seed in seeds:
        draw, data = random.Random(seed), bytearray(whole)
        for _ in range(draw.choice([1, 2, 8, 40])):
            place = draw.randrange(len(data))
            data[place] = draw.choice([0, 255, data[place] ^ (1 << draw.randrange(8))])
        # Another name each time: HDF5 knows files by their inode.
        path = Path(f"flipped_{seed}.h5")
        path.write_bytes(data)
        check_damaged(path)


@pytest.mark.parametrize("how", small_files())
@pytest.mark.slow
def test_a_file_that_was_cut_anywhere_is_refused(folder, how):
    write_small("good.h5", how)
    whole = Path("good.h5").read_bytes()
    lengths = [0, 1, 7, 8, 47, 96, 511, 512, 600, *range(1000, len(whole), len(whole) // 12)]
    for length in (*lengths, len(whole) - 1):
        Path(f"cut_{length}.h5").write_bytes(whole[:length])
        refusal(f"cut_{length}.h5", describe)
        refusal(f"cut_{length}.h5::/flat")
