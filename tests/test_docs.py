"""The code on the pages of docs/, of the README and of the gallery runs as it stands there."""

from __future__ import annotations

import importlib.util
import re
import shlex
import shutil
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType

import h5py
import matplotlib as mpl
import numpy as np
import pytest
from _pytest.mark import ParameterSet
from scipy.optimize import minimize

import sharedcompute as sc
from sharedcompute.cli.main import invoke
from sharedcompute.operations.catalogue import everything

ROOT = Path(__file__).parent.parent
DOCS = ROOT / "docs"
GUIDE = DOCS / "guide"
GALLERY = ROOT / "examples" / "gallery"
TASKS = sorted(GALLERY.glob("tasks/*.py"), key=lambda page: page.stem != "detector")
X = np.random.default_rng(0).random((1050, 3))
FENCE = re.compile(r"^```(python|console)\n(.*?)^```", re.S | re.M)
PAGES = [
    page
    for page in (ROOT / "README.md", *sorted(DOCS.glob("*.md")), *sorted(DOCS.glob("*/*.md")))
    if FENCE.search(page.read_text())
]


def slow(page: Path) -> ParameterSet:
    """A page that only a run of all tests needs."""
    return pytest.param(page, marks=pytest.mark.slow)


def block(page: str, text: str, folder: Path) -> ModuleType:
    """The block of a guide's code that has `text`, as a module that a user would write."""
    blocks = re.findall(r"```python\n(.*?)```", (GUIDE / page).read_text(), re.S)
    (code,) = [code for code in blocks if text in code]
    path = folder / "written.py"
    path.write_text(f"import numba\nimport numpy as np\nimport sharedcompute as sc\n{code}")
    spec = importlib.util.spec_from_file_location("written", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def moved(x: np.ndarray, sweeps: int) -> np.ndarray:
    x = x.copy()
    for _ in range(sweeps):
        x[1:-1] = (x[:-2] + x[1:-1] + x[2:]) / 3
    return x


@pytest.fixture(scope="module")
def pair():
    with sc.Team(2) as team:
        yield team


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory, climate: Path) -> Path:
    """A folder with all files that pages name."""
    folder = tmp_path_factory.mktemp("files")
    rng = np.random.default_rng(1)
    for name in ("run_7.h5", "run_8.h5"):
        with h5py.File(folder / name, "w") as file:
            frames = rng.random((40, 16, 24)).astype("f4")
            file.create_dataset("entry/data", data=frames, chunks=(1, 16, 24), compression="gzip")
            file["x"] = rng.normal(size=(400, 8))
            file["energy"] = rng.random(400)
    arrays = {
        "in.h5": ("x", 290 + 20 * rng.random((20, 3))),
        "measured.h5": ("frames", rng.random((200, 8))),
        "t2m.nc": ("t2m", rng.random((240, 5, 6))),
        "plate.h5": ("grid", rng.random((16, 24))),
        "links.h5": ("matrix", rng.random((40, 40))),
        "era5.nc": ("t2m", rng.integers(-99, 99, (24, 6, 8), "i2")),
        "wind.nc": ("u", rng.normal(size=(24, 5, 6))),
        "run_1.nc": ("t", rng.random((24, 5, 6))),
        "run_2.nc": ("t", rng.random((24, 5, 6))),
        "t.nc": ("t", 270 + 20 * rng.random((24, 5, 6))),
        "land.nc": ("mask", rng.integers(0, 2, (5, 6), "i1")),
        "area.nc": ("area", rng.random((5, 6))),
    }
    for name, (path, array) in arrays.items():
        with h5py.File(folder / name, "w") as file:
            file[path] = array
    with h5py.File(folder / "t2m.nc", "a") as file:
        file["lat"] = np.linspace(60, 20, 5)
    with h5py.File(folder / "wind.nc", "a") as file:
        file["v"] = rng.normal(size=(24, 5, 6))
    with h5py.File(folder / "era5.nc", "a") as file:
        file["t2m"].attrs.update(scale_factor=0.5, add_offset=280.0)
        file["time"], file["lat"], file["lon"] = (
            np.arange(24) * 10.0,
            np.linspace(70, 20, 6),
            np.arange(8.0),
        )
        file["time"].attrs["units"] = "days since 2001-01-01"
        for axis, name in enumerate(("time", "lat", "lon")):
            file[name].make_scale(name)
            file["t2m"].dims[axis].attach_scale(file[name])
    layout = h5py.VirtualLayout((80, 16, 24), "f4")
    for k, name in enumerate(("run_7.h5", "run_8.h5")):
        rows = h5py.VirtualSource(name, "entry/data", (40, 16, 24))
        layout[40 * k : 40 * k + 40] = rows
    with h5py.File(folder / "master.h5", "w") as file:
        file.create_virtual_dataset("entry/data/all", layout)
    shutil.copy(climate, folder)
    shutil.copy(ROOT / "data" / "demo.toml", folder)
    shutil.copy(ROOT / "examples" / "my_kernels.py", folder)
    return folder


@pytest.fixture
def here(files: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Those files in the working folder."""
    mpl.use("Agg")
    sys.modules.pop("my_kernels", None)  # of another page's folder: a name is imported once
    shutil.copytree(files, tmp_path, dirs_exist_ok=True)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def commands(text: str) -> Iterator[list[str]]:
    """The words of each command of a text."""
    for line in re.findall(r"\$ sharedcompute (.*)", text):
        yield shlex.split(line, comments=True)


@pytest.mark.timeout(600)  # with a cold cache a page compiles many kernels
@pytest.mark.filterwarnings("default")
@pytest.mark.parametrize("page", [PAGES[0], *map(slow, PAGES[1:])], ids=lambda page: page.stem)
def test_code_and_commands_of_a_page_run_in_their_order(page: Path, here: Path) -> None:
    names: dict[str, object] = {"__name__": "__main__"}
    for number, (kind, text) in enumerate(FENCE.findall(page.read_text())):
        if kind == "python":
            path = here / f"block_{number}.py"  # numba caches what lies in a file
            path.write_text(text)
            exec(compile(text, path, "exec"), names)
        for words in commands(text) if kind == "console" else ():
            assert invoke(words) == 0, words
    names.clear()  # shared arrays, that functions of the page hold as well


def written(words: list[str]) -> list[Path]:
    """The output of a command in the gallery."""
    if words[0] == "run":
        return [Path("job.h5")]
    return [Path(word) for word in words if re.fullmatch(r"\w+\.(h5|nc)", word)][-1:]


@pytest.mark.slow  # `make docs` executes them as well
@pytest.mark.timeout(600)
@pytest.mark.filterwarnings("default")
@pytest.mark.parametrize("example", sorted(GALLERY.glob("*.py")), ids=lambda path: path.stem)
def test_the_command_of_an_example_writes_the_bytes_of_its_call(
    example: Path, here: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.syspath_prepend(here)
    code = example.read_text()
    exec(compile(code, str(example), "exec"), {"__name__": "__main__"})
    found = list(commands(code))
    assert found
    for words in found:
        before = {output: output.read_bytes() for output in written(words)}
        for output in before:
            output.unlink()
        assert invoke(words) == 0, words
        for output, content in before.items():
            if "--dry-run" in words:
                output.write_bytes(content)
            assert output.read_bytes() == content, words


@pytest.mark.timeout(600)
@pytest.mark.filterwarnings("default")
@pytest.mark.parametrize("page", [TASKS[0], *map(slow, TASKS[1:])], ids=lambda page: page.stem)
def test_a_page_on_tasks_comes_to_what_others_say(page: Path, here: Path) -> None:
    path = here / page.name  # numba caches what lies in a file
    path.write_text(page.read_text())
    exec(compile(page.read_text(), path, "exec"), {"__name__": "__main__"})
    for words in commands(page.read_text()):
        assert invoke(words) == 0, words


def test_every_operation_has_an_example() -> None:
    text = "".join(path.read_text() for path in GALLERY.glob("*.py"))
    assert [op.name for op in everything() if f'"{op.name}"' not in text] == []


def test_every_public_name_is_in_the_reference() -> None:
    listed = (DOCS / "reference" / "python.md").read_text().split()
    assert set(sc.__all__) - set(listed) == set()


def test_the_gallery_executes_every_example_that_is_there(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(DOCS / "_ext")
    found = importlib.import_module("gallery")
    assert sorted(found.ORDER) == sorted(path.name for path in GALLERY.glob("*.py"))
    assert sorted(found.TASKS) == sorted(path.name for path in GALLERY.glob("tasks/*.py"))


@pytest.mark.parametrize("page", ["where.md", "design.md"])
def test_modules_that_a_page_names_are_there(page: str) -> None:
    text = (DOCS / "design" / page).read_text()
    named = set(re.findall(r"`((?:[a-z_]+/)+(?:[a-z_]+\.py)?|[a-z_]+\.py)`", text))
    places = (ROOT, ROOT / "sharedcompute", *(ROOT / "sharedcompute").iterdir())
    assert named
    assert {name for name in named if not any((p / name).exists() for p in places)} == set()


def test_files_that_the_readme_links_to_are_there() -> None:
    links = re.findall(r"\]\(((?!https?:)[^)#]+)", (ROOT / "README.md").read_text())
    assert links
    assert [link for link in links if not (ROOT / link).exists()] == []


PROGRAMS: list[tuple[str, Callable[[np.ndarray], np.ndarray]]] = [
    ("np.sqrt", np.sqrt),
    ("len(x), 100, schedule", np.square),
    ("fetch_add(control, 0", np.square),
]


@pytest.mark.parametrize(("text", "f"), PROGRAMS)
def test_programs_on_rows_fill_in_all_rows(pair, tmp_path, text, f) -> None:
    x = sc.asarray(X if "fetch_add" not in text else X.ravel())
    y = sc.empty_like(x)
    pair.run(block("programs.md", text, tmp_path).program, x, y)
    np.testing.assert_array_equal(y, f(x))


@pytest.mark.slow
def test_the_loop_with_a_barrier_reads_what_its_neighbours_wrote(pair, tmp_path) -> None:
    a = sc.asarray(X[:, 0])
    pair.run(block("programs.md", "def smooth", tmp_path).program, a, sc.asarray(X[:, 0].copy()))
    np.testing.assert_allclose(a, moved(X[:, 0], 100), rtol=1e-12)


def test_collectives_messages_and_queues_give_what_the_page_says(pair, tmp_path) -> None:
    collectives = block("collectives.md", "worker.allreduce", tmp_path).program
    (total, lowest, settings, sizes), other = pair.run(collectives, sc.full((1000, 3), 0.5))
    np.testing.assert_array_equal(total, [500.0] * 3)
    assert (lowest, settings, sizes, other[3]) == (0.5, {"tol": 1e-6}, [500, 500], None)
    messages = block("collectives.md", "worker.recv(left)", tmp_path).program
    assert pair.run(messages) == [{"from": 1}, {"from": 0}]
    queue = block("collectives.md", "worker.queue", tmp_path).program
    assert pair.run(queue) == [[], [task**2 for task in range(100)]]


def test_the_deadlock_says_what_the_page_shows(pair, tmp_path) -> None:
    with pytest.raises(sc.DeadlockError) as caught:
        pair.run(block("program-errors.md", "worker.locks(second)", tmp_path).program)
    assert str(caught.value) in (GUIDE / "program-errors.md").read_text()


def test_sums_and_random_numbers_by_block_have_the_bits_of_any_team(pair, tmp_path) -> None:
    sums = block("same-bits.md", "BLOCK = 1000", tmp_path).program
    numbers = block("same-bits.md", "SeedSequence(seed, spawn_key", tmp_path).program
    x, found = sc.asarray(np.resize(X, 10_500)), []
    with sc.Team(3) as three:
        for team in (pair, three):
            means = sc.empty(7)
            ranks = team.run(sums, x, sc.empty(11))
            team.run(numbers, means)
            found.append((*set(ranks), *means))
    assert found[0] == found[1]
    np.testing.assert_allclose(found[0][0], x.sum(), rtol=1e-12)
    spawned = np.random.default_rng(np.random.SeedSequence(2024).spawn(7)[4])
    first = np.exp(-(spawned.random((20_000, 6)) ** 2).sum(axis=1)).mean()
    assert found[0][1:][4] == first


def test_the_fit_of_ones_own_finds_the_spatial_median(pair, tmp_path) -> None:
    fit = block("own-fits.md", "class Weiszfeld", tmp_path).spatial_median
    how = {"block_rows": 100, "tol": 1e-9}
    alone = sc.fit(fit, X, engine="serial", **how)
    assert np.array_equal(sc.fit(fit, X, team=pair, engine="local", **how).median_, alone.median_)
    want = minimize(lambda m: np.linalg.norm(X - m, axis=1).sum(), X.mean(axis=0), tol=1e-10).x
    np.testing.assert_allclose(alone.median_, want, atol=1e-5)
