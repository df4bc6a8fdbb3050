"""What a second machine needs: units that leave all they make in what they return.

Every job is run by processes that share no memory with the parent (`tests.engines.apart`), and its
bytes are those of the serial engine. The conformance suite runs on them as well.
"""

from __future__ import annotations

import pickle
from collections.abc import Sequence
from pathlib import Path
from typing import Any, get_args

import h5py
import numpy as np
import pytest

import sharedcompute as sc
from sharedcompute import traits
from sharedcompute.engines.fits.loop import Loop
from sharedcompute.engines.units.pass_work import PassWork
from sharedcompute.hdf5.reading.source import DatasetSource
from sharedcompute.planning.budget import staging
from sharedcompute.planning.budget.loading import Load
from sharedcompute.planning.in_memory import ArraySink, Elsewhere, FileArray
from sharedcompute.planning.passes import Pass
from sharedcompute.shm import arrays
from sharedcompute.team.messaging.pickling import Attached, dumps, loads

from .cases import data
from .stopping import JOBS, Stop, Watch, whole_of
from .test_every_fit import CASES, fitted, same

pytestmark = pytest.mark.filterwarnings("ignore:kmeans found")

How = dict[str, Any]


@pytest.mark.sample(2)
@pytest.mark.parametrize("threads", [1, 3])
@pytest.mark.parametrize("name", JOBS)
def test_an_output_has_the_same_bytes(field: Path, apart: How, name: str, threads: int) -> None:
    JOBS[name](field / "in.h5", field / "out.h5", threads=threads, **apart)
    assert (field / "out.h5").read_bytes() == whole_of(field / "in.h5", name)


@pytest.mark.sample(3)
@pytest.mark.parametrize("name", JOBS)
def test_a_stopped_job_goes_on(field: Path, apart: How, name: str) -> None:
    """Begun without shared memory and finished with it."""
    # Of boxes of whole chunks there are only a few.
    after = 0 if name.startswith(("held", "repack")) else 4
    with pytest.raises(Stop):
        JOBS[name](field / "in.h5", field / "out.h5", listen=Watch(after), **apart)
    JOBS[name](field / "in.h5", field / "out.h5", engine="serial", resume=True)
    assert (field / "out.h5").read_bytes() == whole_of(field / "in.h5", name)


@pytest.mark.sample(1)
@pytest.mark.parametrize("into", ["memory", "file"])
@pytest.mark.parametrize("job", ["mean", "gaussian", "cumsum"])
def test_what_is_decoded_first_has_the_same_bits(
    tmp_path: Path, apart: How, monkeypatch: pytest.MonkeyPatch, into: Any, job: str
) -> None:
    with h5py.File(tmp_path / "in.h5", "w") as file:
        file.create_dataset("x", data=data((300, 80)), chunks=(151, 16), compression=1)
    address = f"{tmp_path}/in.h5::/x"

    def chosen(passes: Sequence[Pass], *_: object) -> tuple[Load, ...]:
        source = passes[0].feeds[0]
        assert isinstance(source, DatasetSource)
        return (Load(source, into, ((0, 80),), 9.0),)

    monkeypatch.setattr(staging, "choose_loads", chosen)

    def run(**how: Any) -> Any:
        if job == "mean":
            return sc.reduce(job, address, block_rows=30, **how)
        if job == "cumsum":
            return sc.scan(job, address, block_rows=30, **how)
        return sc.map(job, address, sigma=1.0, block_rows=30, **how)

    assert np.asarray(run(**apart)).tobytes() == np.asarray(run(engine="serial")).tobytes()


def test_an_array_of_the_user_is_filled_in_whatever_memory_it_has(apart: How) -> None:
    x = data((50, 3))
    out = np.zeros_like(x)
    sc.map("scale", x, out, factor=3.0, block_rows=7, **apart)
    np.testing.assert_array_equal(out, x * np.float32(3))


QUICK = ("kmeans with empty clusters", "pca", "lstsq", "jacobi")
FITTED = [pytest.param(n, marks=() if n in QUICK else pytest.mark.slow) for n in CASES]


@pytest.mark.parametrize("name", FITTED)
def test_a_fit_has_the_same_bits(apart: How, name: str) -> None:
    assert same(fitted(name, **apart), fitted(name, engine="serial"))


def test_an_error_names_the_rows_that_it_was_raised_on(tmp_path: Path, apart: How) -> None:
    with h5py.File(tmp_path / "in.h5", "w") as file:
        x = file.create_dataset("x", data=data((96, 4)), chunks=(8, 4), compression=1)
        offset = x.id.get_chunk_info(5).byte_offset
    raw = bytearray((tmp_path / "in.h5").read_bytes())
    raw[offset : offset + 16] = b"\xff" * 16
    (tmp_path / "in.h5").write_bytes(raw)
    with pytest.raises(sc.InputError, match=r"whole chunk at \(40, 0\)") as caught:
        sc.reduce("mean", f"{tmp_path}/in.h5::/x", block_rows=8, **apart)
    assert caught.value.__notes__ == ["raised on rows 40:48"]


def test_an_engine_is_planned_for_by_its_traits(tmp_path: Path, apart: How) -> None:
    """Shared blocks are for engines that have them."""
    from sharedcompute.planning.budget.projection import Projection

    made = Projection(apart["engine"], 3, 10, 20, 30, 0, 0, 0)
    assert made.processes > Projection("serial", 1, 10, 20, 30, 0, 0, 0).processes
    assert not made.traits.segments
    assert {"auto", "serial", "local", "apart"} <= {*traits.engine_names()}
    with pytest.raises(sc.InputError, match=f"one of {', '.join(traits.engine_names())}, got"):
        sc.map("scale", np.zeros(3), engine="other")
    assert traits.with_processes("auto") == "local"
    assert {*get_args(traits.EngineName)} == {"auto", *traits.ENGINES} - {"apart"}


@pytest.mark.parametrize("how", ["copy", "value"])
def test_private_memory_that_units_write_to_does_not_travel(how: Any) -> None:
    """Each receiver would fill in a copy of its own, and nobody would see it."""
    sink = ArraySink(np.zeros(5))
    with pytest.raises(sc.ProgramError, match="send the work detached"):
        dumps(sink, how)
    with pytest.raises(sc.ProgramError, match="send the work detached"):
        pickle.dumps(sink)
    assert pickle.loads(pickle.dumps(sink.detached())).array == Elsewhere((5,), np.dtype("f8"))
    shared = ArraySink(arrays.zeros(5))
    assert loads(*dumps(shared, "handle"), Attached(), {}).array.shape == (5,)
    with pytest.raises(ValueError, match="read-only"):
        loads(*dumps(shared, "value"), Attached(), {}).open().begin((slice(0, 2),))[...] = 1


def test_a_file_is_written_in_place_by_everybody(tmp_path: Path) -> None:
    (tmp_path / "rows").write_bytes(bytes(40))
    sink = ArraySink(FileArray(str(tmp_path / "rows"), (5,), np.dtype("f8"))).detached()
    writer = pickle.loads(pickle.dumps(sink)).open()
    writer.begin((slice(1, 3),))[...] = 7
    assert writer.left() is None
    assert np.fromfile(tmp_path / "rows").tolist() == [0, 7, 7, 0, 0]


def test_states_in_private_memory_do_not_travel() -> None:
    made: Any = object.__new__(PassWork)
    object.__setattr__(made, "states", [{"sum": np.zeros((3, 2))}])
    with pytest.raises(sc.ProgramError, match="send the work detached"):
        pickle.dumps(made)


def test_the_models_of_a_fit_do_not_travel() -> None:
    made: Any = object.__new__(Loop)
    fields = {"models": (), "states": {}, "words": np.zeros(5)}
    for name, value in fields.items():
        object.__setattr__(made, name, value)
    with pytest.raises(sc.ProgramError, match="send the work detached"):
        pickle.dumps(made)


def test_kernels_travel_by_name() -> None:
    from sharedcompute.kernels import elementwise

    data, buffers = dumps(elementwise.all_finite, "value")
    assert not buffers
    assert len(data) < 100
    assert loads(data, (), Attached(), {}) is elementwise.all_finite
