import errno
import gc
import os
import pickle
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import sharedcompute.shm.segments
from sharedcompute.errors import InputError, MemoryBudgetError
from sharedcompute.shm import arrays, segments
from sharedcompute.shm.shared_array import SharedArray

DTYPES = ["?", "i1", "u8", "f2", "f4", "f8", "c8", "c16", "M8[s]", "S3", "i4,(2,)f8"]


def names():
    """This process's blocks: others may run on the machine."""
    return {block.name for block in arrays.list_blocks() if block.pid == os.getpid()}


def in_a_fork(check):
    """The value of `check()` in a forked process."""
    reading, writing = os.pipe()
    pid = os.fork()
    if pid == 0:
        os.write(writing, pickle.dumps(check()))
        os._exit(0)
    os.close(writing)
    with os.fdopen(reading, "rb") as stream:
        value = pickle.loads(stream.read())
    os.waitpid(pid, 0)
    return value


@pytest.mark.sample(6)
@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("shape", [(), (0,), (3, 0, 2), 5, (2, 3, 4)])
def test_any_dtype_of_fixed_size_and_any_shape(dtype, shape):
    made = arrays.zeros(shape, dtype)
    oracle = np.zeros(shape, dtype)
    assert made.shape == oracle.shape
    assert made.dtype == oracle.dtype
    assert made.flags.c_contiguous
    assert made.flags.writeable
    assert (made == oracle).all()
    back = pickle.loads(pickle.dumps(made))
    assert (back.shape, back.dtype, back.strides) == (made.shape, made.dtype, made.strides)


def test_constructors_follow_numpy():
    a = np.arange(6, dtype="i4").reshape(2, 3)
    assert (arrays.asarray(a) == a).all()
    assert arrays.asarray(a, "f4").dtype == np.float32
    assert arrays.asarray([[1, 2], [3, 4]]).shape == (2, 2)
    assert (arrays.full((2, 2), 7) == np.full((2, 2), 7)).all()
    assert arrays.full(3, 7).dtype == np.full(3, 7).dtype
    assert arrays.full(3, 1.5, "f4").dtype == np.float32
    assert arrays.empty_like(a).dtype == a.dtype
    assert arrays.empty_like(a, "f8").shape == a.shape
    assert arrays.empty(4).dtype == np.float64


def test_asarray_gives_a_shared_array_as_it_is():
    x = arrays.zeros(3)
    assert arrays.asarray(x) is x
    assert arrays.asarray(x[1:]).base is not None
    assert arrays.asarray(x, "f4") is not x


def test_asarray_copies_what_only_looks_shared():
    private = arrays.zeros(3).reshape(3, 1) + 0
    assert arrays.handle(private) is None
    assert arrays.handle(arrays.asarray(private)) is not None


@pytest.mark.parametrize("dtype", [object, "i4,O", "no such type"])
def test_objects_are_refused(dtype):
    with pytest.raises(InputError, match="expected a dtype"):
        arrays.empty(3, dtype)


@pytest.mark.parametrize("shape", [-1, (2, -3), "ab", 1.5])
def test_bad_shapes_are_refused(shape):
    with pytest.raises(InputError, match="expected a shape"):
        arrays.empty(shape)


def test_views_are_shared_and_results_are_not():
    x = arrays.asarray(np.arange(12.0).reshape(3, 4))
    for shared in (x[1:], x.T, x[:, ::2], x.reshape(4, 3), x.view("i8")):
        assert type(shared) is SharedArray
        assert arrays.handle(shared) is not None
    for private in (x + 1, np.sqrt(x), x.copy(), x.astype("f4"), x[[0, 2]], x[x > 3], x.flatten()):
        assert type(private) is np.ndarray
        assert arrays.handle(private) is None
    assert type(x.sum()) is np.float64
    assert type(x[0, 0]) is np.float64
    assert type(x.sum(axis=0)) is np.ndarray
    assert np.add(x, 1, out=x) is x


def test_a_view_keeps_its_block_alive():
    before = names()
    x = arrays.asarray(np.arange(10.0))
    plain = np.asarray(x)[2:4]
    del x
    gc.collect()
    assert len(names() - before) == 1
    assert plain.tolist() == [2, 3]
    del plain
    gc.collect()
    assert names() == before


def test_closing_removes_the_name_and_views_stay_valid():
    before = names()
    x = arrays.asarray([1.0, 2.0])
    view = x[1:]
    x.close()
    x.close()
    assert names() == before
    assert view.tolist() == [2.0]
    x[1] = 5
    assert view.tolist() == [5.0]
    with pytest.raises(InputError, match="closed"):
        arrays.handle(view)


@given(
    st.lists(st.integers(0, 5), min_size=1, max_size=3),
    st.data(),
)
def test_a_handle_gives_the_same_elements_for_any_view(shape, data):
    x = arrays.asarray(np.arange(np.prod(shape), dtype="i8").reshape(shape))
    step = st.builds(
        slice,
        st.none() | st.integers(-6, 6),
        st.none() | st.integers(-6, 6),
        st.sampled_from([None, 1, 2, -1, -2]),
    )
    view = np.asarray(x)[tuple(data.draw(step) for _ in shape)]
    there = arrays.attach(arrays.handle(view))
    assert there.shape == view.shape
    assert (there == view).all()
    assert view.size == 0 or np.shares_memory(there, view)


def test_another_process_writes_to_the_same_memory():
    x = arrays.zeros(4, "i8")
    sent = pickle.dumps(x[1:3])

    def write():
        sharedcompute.shm.segments._mapped.clear()  # as in a process that never saw it
        pickle.loads(sent)[:] = 7, 8
        return True

    assert in_a_fork(write)
    assert x.tolist() == [0, 7, 8, 0]


def test_a_read_only_view_stays_read_only():
    x = arrays.zeros(3)
    view = x[:]
    view.flags.writeable = False
    assert not pickle.loads(pickle.dumps(view)).flags.writeable


def test_a_fork_that_ends_leaves_the_block():
    x = arrays.asarray([1.0])
    kept = [x]

    def drop():
        kept.clear()
        sharedcompute.shm.segments.remove_own()
        return True

    assert in_a_fork(drop)
    assert arrays.segment_of(x).name in names()


def test_a_pickled_private_array_is_its_data():
    x = arrays.zeros(3).view()
    result = np.add(x, 1, subok=True)
    assert pickle.loads(pickle.dumps(result)).tolist() == [1, 1, 1]


def test_a_freed_block_cannot_be_attached():
    x = arrays.zeros(3)
    handle = arrays.handle(x)
    del x
    gc.collect()
    with pytest.raises(InputError, match="keep the array"):
        arrays.attach(handle)


def test_too_large_is_an_error_with_need_and_have_and_leaves_nothing():
    before = names()
    with pytest.raises(MemoryBudgetError, match=r"expected 8000 TB .* free;"):
        arrays.empty(10**15)
    with pytest.raises(MemoryBudgetError):
        arrays.empty((10**15, 10**15))
    assert names() == before


def test_blocks_are_listed_with_owner_and_size():
    x = arrays.zeros(1000)
    (block,) = [b for b in arrays.list_blocks() if b.name == arrays.segment_of(x).name]
    assert (block.nbytes, block.pid, block.alive) == (8000, os.getpid(), True)


def test_clean_removes_blocks_whose_owner_is_gone_and_no_others():
    x = arrays.zeros(3)
    live = arrays.segment_of(x).name

    kept = []

    def die():
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(sharedcompute.shm.segments.janitor, "start_janitor", lambda *_: None)  # type: ignore[attr-defined]
            kept.append(arrays.zeros(5))
        return arrays.segment_of(kept[0]).name

    left = in_a_fork(die)
    assert [b.alive for b in arrays.list_blocks() if b.name == left] == [False]
    arrays.clean()
    assert left not in [b.name for b in arrays.list_blocks()]
    assert live in names()


def test_a_pid_used_again_does_not_keep_a_block():
    here = Path("/proc/self/ns/pid").stat().st_ino
    path = sharedcompute.system.machine.SHM / f"sc_{os.getpid()}_1_{here:x}_0_00000000"
    path.touch()
    arrays.clean()
    assert not path.exists()


def test_a_block_of_another_pid_namespace_is_not_judged_and_stays():
    """In containers with one /dev/shm a pid means another process to each, or none."""
    path = sharedcompute.system.machine.SHM / f"sc_{os.getpid()}_1_1234_0_00000000"
    path.touch()
    try:
        assert arrays.clean(os.getpid()) == []
        assert [b.alive for b in arrays.list_blocks() if b.name == path.name] == [None]
    finally:
        path.unlink()


def test_no_name_is_longer_than_what_messages_have_room_for(monkeypatch):
    monkeypatch.setattr(segments, "start_time", lambda _: 10**12)
    monkeypatch.setattr(segments, "_pid_namespace", lambda: 2**32 - 1)
    longest = segments._own_prefix.__wrapped__(2**22 - 1) + f"{10**6}_{'f' * 8}"
    assert len(longest) <= segments.NAME_NBYTES


@pytest.mark.parametrize(
    ("number", "cure"),
    [(errno.EROFS, "mount a tmpfs"), (errno.ENOENT, "mount a tmpfs"), (errno.EMFILE, "ulimit -n")],
)
def test_where_no_block_can_be_made_the_error_names_dev_shm_and_serial(monkeypatch, number, cure):
    def fail(name, *_):
        if name == "segment.create":
            raise OSError(number, os.strerror(number))

    monkeypatch.setattr(segments.faults, "point", fail)  # type: ignore[attr-defined]
    with pytest.raises(MemoryBudgetError, match=rf"/dev/shm, got .*{cure}.*engine='serial'"):
        arrays.zeros(3)


def test_files_of_others_are_not_ours(tmp_path, monkeypatch):
    monkeypatch.setattr(sharedcompute.system.machine, "SHM", tmp_path)
    for name in ("sc_notes.txt", "psm_1234", "sc_1_2_3_zz"):
        (tmp_path / name).touch()
    assert arrays.list_blocks() == []
