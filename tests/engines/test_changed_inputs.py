"""An input that changes while a job reads it: an error that names it, and nothing kept of it."""

from __future__ import annotations

import os
import pickle
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest

import sharedcompute as sc
from sharedcompute import events
from sharedcompute.cli.main import invoke
from sharedcompute.engines.fits import rounds
from sharedcompute.hdf5 import rehearsal
from sharedcompute.system import faults

ROWS = np.arange(4000.0).reshape(200, 20)

Change = Callable[[Path], None]


def write(path: Path, rows: Any = ROWS) -> None:
    """A contiguous and a compressed dataset."""
    with h5py.File(path, "w") as file:
        file["x"] = rows
        file.create_dataset("gzip", data=rows, chunks=(10, 20), compression=1)
        file["centers"] = rows[:3]


def replace(path: Path) -> None:
    """Another file is renamed over it, as editors and our own jobs do."""
    other = path.with_name("other.h5")
    write(other, ROWS + 95)
    other.replace(path)


def overwrite(path: Path) -> None:
    """Its bytes change, and it stays the same file."""
    before = path.stat()
    with path.open("r+b") as file:
        file.seek(before.st_size - 8)
        file.write(b"12345678")
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns + 1))


def append(path: Path) -> None:
    """It grows."""
    before = path.stat()
    with path.open("ab") as file:
        file.write(b"more")
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))


def remove(path: Path) -> None:
    """It is gone."""
    path.unlink()


CHANGES = [replace, overwrite, append, remove]


class At:
    """A listener that changes a file once, at the first event of a kind, or the `number`-th."""

    def __init__(self, kind: type[Any], change: Change, path: Path, number: int = 1) -> None:
        self.kind, self.change, self.path, self.left = kind, change, path, number

    def __call__(self, event: events.Event) -> None:
        if isinstance(event, self.kind):
            self.left -= 1
            if self.left == 0:
                self.change(self.path)


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    write(tmp_path / "in.h5")
    return tmp_path


@pytest.fixture(params=["serial", "local"])
def how(request: pytest.FixtureRequest) -> dict[str, Any]:
    if request.param == "serial":
        return {"engine": "serial"}
    return {"team": request.getfixturevalue("team")}


def assert_nothing_is_kept(home: Path, job: Callable[..., Any], name: str = "in.h5") -> None:
    before = {item.name for item in home.iterdir()}
    with pytest.raises(sc.InputChanged, match="the input changed while it was read") as caught:
        job()
    text = str(caught.value)
    assert name in text
    assert "\n" not in text
    assert {item.name for item in home.iterdir()} <= before


@pytest.mark.sample(1)
@pytest.mark.parametrize("change", CHANGES)
def test_between_two_passes(home: Path, how: dict[str, Any], change: Change) -> None:
    listen = At(events.PassStarted, change, home / "in.h5", 2)
    for output in (None, "out.h5"):
        write(home / "in.h5")
        listen.left = 2
        assert_nothing_is_kept(
            home, lambda: sc.map("anomaly", "in.h5::/x", output, listen=listen, **how)
        )


JOBS: dict[str, Callable[..., Any]] = {
    "map": lambda **k: sc.map("scale", "in.h5::/gzip", "out.h5", factor=2, block_rows=10, **k),
    "in memory": lambda **k: sc.map("scale", "in.h5::/x", factor=2, block_rows=10, **k),
    "reduce": lambda **k: sc.reduce(["mean", "std"], "in.h5::/x", block_rows=10, **k),
    "scan": lambda **k: sc.scan("cumsum", "in.h5::/x", "out.h5", block_rows=10, **k),
    "held": lambda **k: sc.map(
        "scale", "in.h5::/x", "out.h5", chunks="200,2", filter="gzip:1", **k
    ),
    "repack": lambda **k: sc.repack("in.h5", "out.h5", filter="gzip:2", **k),
    "repack one": lambda **k: sc.repack("in.h5::/gzip", "out.h5", filter="gzip:2", **k),
    "fit": lambda **k: sc.fit(
        "kmeans", "in.h5::/x", "out.h5", n_clusters=3, random_state=0, max_iter=5, **k
    ),
}


@pytest.mark.parametrize("change", [replace, overwrite])
@pytest.mark.parametrize("job", JOBS)
@pytest.mark.sample(4)
def test_in_the_midst_of_a_pass(home: Path, how: dict[str, Any], job: str, change: Change) -> None:
    kind = events.RoundDone if job == "fit" else events.BlockDone
    listen = At(kind, change, home / "in.h5")
    assert_nothing_is_kept(home, lambda: JOBS[job](listen=listen, **how))


def test_before_the_rename(
    home: Path, how: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    def point(name: str, number: int | None = None) -> None:
        if name == "output.rename":
            replace(home / "in.h5")

    monkeypatch.setattr(faults, "point", point)
    assert_nothing_is_kept(home, lambda: sc.map("scale", "in.h5::/x", "out.h5", factor=2, **how))


@pytest.fixture
def workers() -> Iterator[sc.Team]:
    with sc.Team(2) as team:
        yield team  # type: ignore[misc]


def test_a_worker_that_takes_a_dead_ones_place_opens_no_other_file(
    home: Path, workers: sc.Team
) -> None:
    killed: list[int] = []

    def listen(event: events.Event) -> None:
        if isinstance(event, events.BlockDone) and not killed:
            replace(home / "in.h5")
            killed.append(workers.pids[0])
            os.kill(workers.pids[0], 9)

    for output in (None, "out.h5"):
        write(home / "in.h5")
        killed.clear()
        assert_nothing_is_kept(
            home,
            lambda: sc.map(
                "gaussian", "in.h5::/gzip", output, sigma=1, block_rows=10, listen=listen,
                team=workers, retries=2,
            ),
        )  # fmt: skip


@pytest.mark.slow
def test_all_that_an_input_leads_to_counts(home: Path, how: dict[str, Any]) -> None:
    """Links, virtual sources, numbered ones, external storage, files of a glob."""
    for number in range(3):
        write(home / f"part_{number}.h5")
    (home / "raw.bin").write_bytes(ROWS.tobytes())
    layout = h5py.VirtualLayout((200, 20), "f8")
    layout[:100] = h5py.VirtualSource("part_0.h5", "x", (200, 20))[:100]
    layout[100:] = h5py.VirtualSource("part_1.h5", "gzip", (200, 20))[100:]
    strided = h5py.VirtualLayout((100, 20), "f8")
    strided[:] = h5py.VirtualSource("part_1.h5", "x", (200, 20))[::2]
    with h5py.File("lead.h5", "w") as file:
        file["link"] = h5py.ExternalLink("mid.h5", "/on")
        file.create_virtual_dataset("boxes", layout)
        file.create_virtual_dataset("strided", strided)
        file.create_dataset("raw", (200, 20), "f8", external=[(f"{home}/raw.bin", 0, ROWS.nbytes)])
    with h5py.File("mid.h5", "w") as file:
        file["on"] = h5py.ExternalLink("part_2.h5", "/x")
    leads = {
        "lead.h5::/link": ["lead.h5", "mid.h5", "part_2.h5"],
        "lead.h5::/boxes": ["lead.h5", "part_0.h5", "part_1.h5"],
        "lead.h5::/strided": ["lead.h5", "part_1.h5"],
        "lead.h5::/raw": ["lead.h5", "raw.bin"],
        "part_*.h5::/x": ["part_0.h5", "part_1.h5", "part_2.h5"],
    }
    for address, files in leads.items():
        for name in files:
            kept = (home / name).read_bytes()
            listen = At(events.BlockDone, append, home / name)
            assert_nothing_is_kept(
                home, lambda: sc.reduce("mean", address, "out.h5", listen=listen, **how), name
            )
            (home / name).write_bytes(kept)
            # Nor may any of them be the output.
            os.link(home / name, home / "hard.h5")
            (home / "soft.h5").symlink_to(name)
            for output in (name, "hard.h5", "soft.h5"):
                with pytest.raises(sc.InputError, match="other than the input"):
                    sc.reduce("mean", address, output, overwrite=True)
            (home / "hard.h5").unlink()
            (home / "soft.h5").unlink()


PARAMETERS: dict[str, Callable[..., Any]] = {
    "init": lambda a, out, **k: sc.fit("kmeans", "in.h5::/x", out, n_clusters=3, init=a, **k),
    "centers": lambda a, out, **k: sc.map("nearest_center", "in.h5::/x", out, centers=a, **k),
    "components": lambda a, out, **k: sc.map("project", "in.h5::/x", out, components=a, **k),
    "y": lambda a, out, **k: sc.fit("ridge", "in.h5::/x", out, y=a.replace("centers", "x"), **k),
    "mean": lambda a, out, **k: sc.map("anomaly", "in.h5::/x", out, mean=f"{a[:-7]}row", **k),
}


@pytest.mark.parametrize("name", PARAMETERS)
@pytest.mark.sample(1)
def test_an_array_that_a_parameter_names_is_an_input(
    home: Path, name: str, tmp_path_factory: pytest.TempPathFactory
) -> None:
    job = PARAMETERS[name]
    (home / "far").mkdir()
    write(home / "far/p.h5")
    with h5py.File("far/p.h5", "r+") as file:
        file["row"] = ROWS[0]
    with h5py.File("p.h5", "w") as file:
        for path in ("x", "centers", "row"):
            file[path] = h5py.ExternalLink("far/p.h5", f"/{path}")
    before = {f: (home / f).read_bytes() for f in ("p.h5", "far/p.h5")}
    for output in before:
        with pytest.raises(sc.InputError, match="other than the input"):
            job("p.h5::/centers", output, overwrite=True)
    for file_name, content in before.items():
        assert (home / file_name).read_bytes() == content
        kind = events.PassStarted
        listen = At(kind, append, home / file_name)
        assert_nothing_is_kept(
            home, lambda: job("p.h5::/centers", "out.h5", listen=listen), file_name
        )
        (home / file_name).write_bytes(content)
    # Reach is asked of it as of any other input.
    beyond = tmp_path_factory.mktemp("beyond")
    shutil.move("far/p.h5", beyond)
    with h5py.File("p.h5", "w") as file:
        for path in ("x", "centers", "row"):
            file[path] = h5py.ExternalLink(f"{beyond}/p.h5", f"/{path}")
    with pytest.raises(sc.InputError, match="allow_external=True"):
        job("p.h5::/centers", "out.h5")
    job("p.h5::/centers", "out.h5", allow_external=True)
    assert (home / "out.h5").exists()


def test_a_fit_goes_on_only_with_the_centres_that_it_began_with(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rounds, "SAVE_SECONDS", 0.0)
    monkeypatch.setattr(rounds, "SAVE_SHARE", 0)
    write(home / "c.h5")

    class Stopped(Exception):
        pass

    def stop(event: events.Event) -> None:
        if isinstance(event, events.RoundDone) and event.number == 2:
            raise Stopped

    def fit(**how: Any) -> None:
        sc.fit("kmeans", "in.h5::/x", "out.h5", init="c.h5::/centers", n_clusters=3, **how)

    with pytest.raises(Stopped):
        fit(listen=stop, engine="serial")
    assert (home / "out.h5.resume").is_dir()
    overwrite(home / "c.h5")
    with pytest.raises(sc.StaleResumeError, match=r"the file .*c\.h5 has changed"):
        fit(resume=True)


def test_a_job_file_is_no_output_of_its_job(home: Path) -> None:
    (home / "own_double.py").write_text("def double(x, out):\n    out[...] = 2 * x\n")
    for output in ("job.toml", "own_double.py"):
        (home / "job.toml").write_text(
            f'input = "in.h5::/x"\noutput = "{output}"\noverwrite = true\n'
            '[[steps]]\nop-from = "own_double.py:double"\nsave = "/a"\n'
        )
        with pytest.raises(sc.InputError, match="other than the input"):
            sc.run("job.toml")
    assert "double" in (home / "own_double.py").read_text()


def test_the_command_line_ends_with_code_1(
    home: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def point(name: str, number: int | None = None) -> None:
        if name == "output.rename":
            replace(home / "in.h5")

    monkeypatch.setattr(faults, "point", point)
    assert invoke(["map", "scale", "in.h5::/x", "out.h5", "-p", "factor=2"]) == 1
    told = capsys.readouterr().err
    assert told.count("\n") == 1
    assert "the input changed while it was read" in told


@pytest.mark.sample(1)
@pytest.mark.parametrize("path", ["x", "gzip"])
def test_a_dataset_is_read_as_its_file_is_now(
    home: Path, tmp_path_factory: pytest.TempPathFactory, path: str, monkeypatch: Any
) -> None:
    opened = sc.open(f"in.h5::/{path}")
    np.testing.assert_array_equal(opened[3:5], ROWS[3:5])
    replace(home / "in.h5")
    monkeypatch.chdir(tmp_path_factory.mktemp("elsewhere"))
    np.testing.assert_array_equal(opened[3:5], ROWS[3:5] + 95)
    with h5py.File(home / "in.h5", "r+") as file:
        file[path].attrs["note"] = "added since"
    assert sc.reduce("mean", opened, axis="all") == ROWS.mean() + 95
    np.testing.assert_array_equal(pickle.loads(pickle.dumps(opened)), ROWS + 95)
    write(home / "in.h5", ROWS[:100])
    for use in (lambda: float(opened[3, 0]), lambda: sc.reduce("mean", opened)):
        with pytest.raises(sc.InputError, match="open it again"):
            use()
    (home / "in.h5").unlink()
    with pytest.raises(sc.InputError, match="found nothing"):
        opened[3:5].compute()


def test_a_result_stays_readable_when_another_is_put_into_its_file(home: Path) -> None:
    doubled = sc.map("scale", "in.h5::/x", "out.h5::/r", factor=2.0)
    sc.map("scale", "in.h5::/x", "out.h5::/s", factor=3.0)
    np.testing.assert_array_equal(doubled[0:1], 2 * ROWS[:1])
    np.testing.assert_array_equal(sc.reduce("max", doubled), 2 * ROWS[-1])


def test_a_file_that_changes_while_a_dataset_is_read_is_told(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    opened = sc.open("in.h5::/x")
    box = rehearsal._box

    def changing(*given: Any) -> Any:
        found = box(*given)
        overwrite(home / "in.h5")
        return found

    monkeypatch.setattr(rehearsal, "_box", changing)
    with pytest.raises(sc.InputChanged, match="while it was read"):
        opened[3:5].compute()
