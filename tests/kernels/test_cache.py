"""A damaged cache of compiled kernels costs time and nothing else."""

from __future__ import annotations

import os
import random
import resource
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numba import njit
from numba.core import config
from numba.core.caching import CacheImpl, UserProvidedCacheLocator

from sharedcompute.kernels.cache import cached

from . import naive

pytestmark = pytest.mark.skipif(naive.REDUCED, reason="the cache is the same")


def triple(x: Any) -> Any:
    return 3 * x


def negative(x: Any) -> Any:
    return -x


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where kernels that are made in the test are cached."""
    monkeypatch.setattr(config, "CACHE_DIR", str(tmp_path))
    return tmp_path


def loaded(function: Any, value: Any, expected: Any) -> bool:
    """Whether a fresh kernel finds its code on disk; it gives what is right in any case."""
    kernel: Any = cached(njit(nogil=True))(function)
    assert kernel(value) == expected
    assert sum(kernel.stats.cache_hits.values()) + sum(kernel.stats.cache_misses.values()) == 1
    return bool(kernel.stats.cache_hits)


def files(folder: Path) -> list[Path]:
    return sorted(path for path in folder.rglob("*") if path.is_file())


def flipped(place: float) -> Callable[[Path], None]:
    def damage(path: Path) -> None:
        content = bytearray(path.read_bytes())
        content[int(place * (len(content) - 1))] ^= 1 << random.Random(place).randrange(8)
        path.write_bytes(content)

    return damage


def cut(part: float) -> Callable[[Path], None]:
    return lambda path: os.truncate(path, int(part * path.stat().st_size))


def sparse(path: Path) -> None:
    os.truncate(path, 2**40)


def longer(path: Path) -> None:
    path.write_bytes(path.read_bytes() + b"\0")


def pipe(path: Path) -> None:
    path.unlink()
    os.mkfifo(path)


def loop(path: Path) -> None:
    path.unlink()
    path.symlink_to(path)


def locked(path: Path) -> None:
    if os.geteuid() == 0:
        pytest.skip("root may read everything")
    path.chmod(0)


DAMAGES: dict[str, Callable[[Path], None]] = {
    "removed": Path.unlink,
    "emptied": cut(0),
    "cut to its checksum": lambda path: os.truncate(path, 16),
    "cut in the middle": cut(0.5),
    "cut by a byte": lambda path: os.truncate(path, path.stat().st_size - 1),
    "longer": longer,
    "of 1 TiB": sparse,
    "garbage": lambda path: path.write_bytes(random.Random(0).randbytes(10_000)),  # type: ignore[dict-item, return-value]
    "a pickle of something else": lambda path: path.write_bytes(b"\x80\x05N."),  # type: ignore[dict-item, return-value]
    "a pipe": pipe,
    "a link to itself": loop,
    "not to be read": locked,
    **{f"flipped at {place}": flipped(place) for place in (0, 0.1, 0.3, 0.5, 0.7, 0.9, 1)},
}


def test_compiled_code_is_found_again(folder: Path) -> None:
    assert not loaded(triple, 5, 15)
    assert loaded(triple, 5, 15)


@pytest.mark.sample(5)
@pytest.mark.parametrize("damage", DAMAGES.values(), ids=DAMAGES)
def test_a_damaged_file_is_compiled_again_and_made_whole(
    damage: Callable[[Path], None], folder: Path
) -> None:
    loaded(triple, 5, 15)
    (path,) = files(folder)
    damage(path)
    assert not loaded(triple, 5, 15)
    assert loaded(triple, 5, 15)
    assert files(folder) == [path]


def test_a_folder_in_place_of_a_file_is_gone_around(folder: Path) -> None:
    loaded(triple, 5, 15)
    (path,) = files(folder)
    path.unlink()
    path.mkdir()
    assert not loaded(triple, 5, 15)
    assert files(folder) == []


def test_code_of_another_kernel_or_signature_is_not_run(folder: Path) -> None:
    loaded(triple, 5, 15)
    (of_ints,) = files(folder)
    loaded(triple, 0.5, 1.5)
    (of_floats,) = {*files(folder)} - {of_ints}
    loaded(negative, 5, -5)
    (other,) = {*files(folder)} - {of_ints, of_floats}
    for wrong in (of_floats, other):
        shutil.copy(wrong, of_ints)
        assert not loaded(triple, 5, 15)


def test_code_that_an_edited_source_made_is_not_run(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    loaded(triple, 5, 15)
    monkeypatch.setattr(UserProvidedCacheLocator, "get_source_stamp", lambda _: b"edited")
    assert not loaded(triple, 5, 15)
    assert loaded(triple, 5, 15)


def test_without_a_folder_that_can_be_written_kernels_are_compiled_each_time(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(CacheImpl, "_locator_classes", [UserProvidedCacheLocator])
    monkeypatch.setattr(config, "CACHE_DIR", "/dev/null/cache")
    kernel: Any = cached(njit(nogil=True))(triple)
    assert kernel(5) == 15
    assert kernel.stats.cache_path is None


def test_a_folder_that_is_gone_or_has_become_a_file_does_no_harm(folder: Path) -> None:
    kernel: Any = cached(njit(nogil=True))(triple)
    (place,) = folder.iterdir()
    place.rmdir()
    assert kernel(5) == 15
    assert loaded(triple, 5, 15)
    later: Any = cached(njit(nogil=True))(triple)
    shutil.rmtree(place)
    place.write_text("")
    assert later(0.5) == 1.5


def test_a_file_that_finds_no_room_is_left_out(folder: Path) -> None:
    kernel: Any = cached(njit(nogil=True))(triple)
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1000, before[1]))
    try:
        assert kernel(5) == 15
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert files(folder) == []
    assert not loaded(triple, 5, 15)


def test_recompiling_forgets_the_code_on_disk(folder: Path) -> None:
    kernel: Any = cached(njit(nogil=True))(triple)
    kernel(5)
    loaded(negative, 5, -5)
    (path,) = (path for path in files(folder) if "triple" in path.name)
    path.write_bytes(b"")
    kernel.recompile()
    assert loaded(triple, 5, 15)
    assert loaded(negative, 5, -5)


def test_a_function_as_argument_is_not_told_by_its_address(folder: Path) -> None:
    """Another process may have another function there."""
    call: Any = cached(njit(nogil=True))(apply)
    inner: Any = njit(triple)
    assert call(inner, 5) == 15
    assert files(folder) == []


def apply(f: Any, x: Any) -> Any:
    return f(x)


AT_ONCE = """
import sys
import numpy as np
from sharedcompute.kernels import scans
names = "i4 f4 u1 f8".split()
turn = int(sys.argv[1])
for name in names[turn:] + names[:turn]:
    x = np.arange(12, dtype=name).reshape(4, 3)
    kind = {"i": "i8", "u": "u8", "f": "f8"}[x.dtype.kind]
    out, carry = np.empty((4, 3), kind), np.zeros(3, kind)
    scans.cumsum(x, out, carry, False)
    np.testing.assert_array_equal(out, x.cumsum(axis=0, dtype=kind))
print(sum(scans.cumsum.stats.cache_hits.values()))
"""


def at_once(folder: Path, count: int) -> list[int]:
    """Several processes that begin at once, each with other signatures; what they found."""
    env = os.environ | {"NUMBA_CACHE_DIR": str(folder)}
    started = [
        subprocess.Popen(
            [sys.executable, "-c", AT_ONCE, str(turn)],
            env=env,
            cwd=Path(__file__).parents[2],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        for turn in range(count)
    ]
    found = []
    for process in started:
        said, complaints = process.communicate(timeout=100)
        assert (process.returncode, complaints) == (0, "")
        found.append(int(said))
    return found


@pytest.mark.slow
def test_processes_that_compile_at_once_leave_a_cache_that_is_right(tmp_path: Path) -> None:
    at_once(tmp_path, 2)
    assert at_once(tmp_path, 1) == [4]


@pytest.mark.faults
@pytest.mark.parametrize("seed", range(3))
def test_processes_that_meet_a_damaged_cache_at_once_are_right(tmp_path: Path, seed: int) -> None:
    at_once(tmp_path, 1)
    ways = [d for name, d in DAMAGES.items() if name != "not to be read"]
    for path in files(tmp_path):
        random.Random(f"{seed} {path.name[:30]}").choice(ways)(path)
    assert len(at_once(tmp_path, 4)) == 4
    assert at_once(tmp_path, 1) == [4]


def command(cache: Path, *words: str) -> str:
    """What a whole command prints."""
    done = subprocess.run(
        [sys.executable, "-m", "sharedcompute", *words],
        env=os.environ | {"NUMBA_CACHE_DIR": str(cache)},
        cwd=Path(__file__).parents[2],
        capture_output=True,
        text=True,
        timeout=100,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")
    return done.stdout


@pytest.mark.faults
@pytest.mark.parametrize("engine", ["serial", "local"])
def test_a_command_with_a_damaged_cache_gives_the_same(tmp_path: Path, engine: str) -> None:
    import h5py

    cache = tmp_path / "cache"
    source = tmp_path / "in.h5"
    with h5py.File(source, "w") as file:
        file["x"] = np.random.default_rng(0).normal(size=(3000, 4)).astype("f4")
    words = ("stats", str(source), "--engine", engine, "-j", "2", "--axis", "rows")
    want = command(cache, *words)
    count = len(files(cache))
    assert count > 5
    ways = [d for name, d in DAMAGES.items() if name != "not to be read"]
    for number, path in enumerate(files(cache)):
        ways[number % len(ways)](path)
    assert command(cache, *words) == want
    assert len(files(cache)) == count
    for path in files(cache):
        flipped(0.6)(path)
    assert command(cache, *words) == want


OWN = """
import numba

@numba.njit(cache=True)
def doubled(v):
    return v * 2

@numba.njit(cache=True, nogil=True)
def twice(x, out):
    for i in range(len(x)):
        out[i] = doubled(x[i])
"""
BY_MAP = """
import sys
import numpy as np
import sharedcompute as sc
from own_kernels import twice
if __name__ == "__main__":
    x = sc.asarray(np.arange(6.0))
    print(sc.map(twice, x, engine="serial").tolist())
    with sc.Team(2) as team:
        print(sc.map(twice, x, team=team).tolist(), team.map(twice, x).tolist())
"""


@pytest.mark.slow
def test_a_users_kernels_are_compiled_again_too(tmp_path: Path) -> None:
    (tmp_path / "own_kernels.py").write_text(OWN)
    (tmp_path / "job.py").write_text(BY_MAP)
    cache = tmp_path / "cache"
    root = str(Path(__file__).parents[2])
    path = os.pathsep.join((str(tmp_path), root))
    env = os.environ | {"NUMBA_CACHE_DIR": str(cache), "PYTHONPATH": path}
    for _ in range(2):
        done = subprocess.run(
            [sys.executable, str(tmp_path / "job.py")],
            env=env,
            capture_output=True,
            text=True,
            timeout=100,
            check=False,
        )
        assert (done.returncode, done.stderr) == (0, "")
        result = "[0.0, 2.0, 4.0, 6.0, 8.0, 10.0]"
        assert done.stdout.split("\n")[:2] == [result, f"{result} {result}"]
        own = [path for path in files(cache) if "own_kernels" in path.name]
        assert {path.suffix for path in own} == {".nbk"}
        assert {path.name.split("-")[0] for path in own} == {
            "own_kernels.doubled",
            "own_kernels.twice",
        }
        for damaged in own:
            flipped(0.5)(damaged)
