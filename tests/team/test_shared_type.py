"""What is a shared array by its type lies in shared memory, whatever NumPy made it with."""

from __future__ import annotations

import copy
import inspect
import pickle
from typing import Any

import numpy as np
import pytest

import sharedcompute as sc
from sharedcompute.shm import arrays
from sharedcompute.shm.shared_array import SharedArray


def made() -> dict[str, SharedArray]:
    """Shared arrays of several kinds and layouts."""
    x = sc.asarray(np.arange(12.0).reshape(3, 4))
    return {
        "C": x,
        "transposed": x.T,
        "strided": x[:, ::2],
        "one row": x[1],
        "complex": sc.asarray(np.arange(4) + 1j),
        "integers": sc.asarray(np.arange(6)),
        "truth": sc.asarray(np.array([True, False])),
        "fields": sc.asarray(np.array([(1, 2.0)], "i4,f8")),
    }


def arrays_in(result: Any) -> list[Any]:
    """The arrays of a result, also of tuples of them."""
    if isinstance(result, tuple | list):
        return [array for part in result for array in arrays_in(part)]
    return [result] if isinstance(result, np.ndarray) else []


def check(what: str, result: Any) -> None:
    """A shared array is in shared memory; all else is an ndarray and nothing more."""
    for array in arrays_in(result):
        is_shared = arrays.segment_of(array) is not None
        kinds = (np.ndarray, np.matrix, *([SharedArray] if is_shared else []))
        assert type(array) in kinds, f"{what} gives a {type(array)}, {is_shared=}"


FUNCTIONS = sorted(
    name
    for name, f in vars(np).items()
    if callable(f) and not inspect.isclass(f) and not name.startswith("_")
    # These write files or wait for a terminal.
    if name not in ("save", "savez", "savez_compressed", "savetxt", "info", "show_config", "test")
)
METHODS = sorted(
    name
    for name, f in vars(np.ndarray).items()
    if callable(f)
    and (not name.startswith("__") or name in ("__copy__", "__deepcopy__", "__getitem__"))
    if name not in ("tofile", "dump", "resize")
)
MORE: list[tuple[Any, ...]] = [(), (0,), (1,), (2,), (None,), ([0, 0],), ("f4",), ({},)]


def calls(f: Any, *begin: Any) -> Any:
    """What `f` gives for each of some arguments that it takes."""
    for more in MORE:
        try:
            yield more, f(*begin, *more)
        except Exception:  # most functions do not take most arguments
            continue


@pytest.mark.filterwarnings("ignore")
def test_every_function_of_numpy_gives_shared_arrays_or_plain_ones() -> None:
    seen = set()
    for kind, x in made().items():
        for name in FUNCTIONS:
            before = x.copy()
            for more, result in [
                *calls(getattr(np, name), x),
                *(calls(getattr(np, name), x, x) if kind == "C" else ()),
            ]:
                if not (name in ("array", "asanyarray", "require") and more):
                    check(f"np.{name} of {kind} and {more}", result)
                seen.add(name)
            np.copyto(x, before)
    assert {"zeros_like", "concatenate", "pad", "where", "split", "ravel", "imag"} <= seen


@pytest.mark.filterwarnings("ignore")
def test_every_method_gives_shared_arrays_or_plain_ones() -> None:
    seen = set()
    for kind, original in made().items():
        for name in METHODS:
            x = original[...]
            before = x.copy()
            for more, result in calls(getattr(x, name)):
                check(f"{kind}.{name}{more}", result)
                seen.add(name)
            x = original
            np.copyto(x, before)
        for name in ("T", "real", "imag", "flat"):
            check(f"{kind}.{name}", getattr(original, name))
    assert {"cumsum", "repeat", "copy", "reshape", "__deepcopy__", "take", "byteswap"} <= seen


@pytest.mark.parametrize("view", ["T", "real", "[1:]", "[...]", "[0]", "reshape", "squeeze"])
def test_views_stay_shared(view: str) -> None:
    x = sc.asarray(np.arange(12.0).reshape(3, 4))
    views = {"[1:]": x[1:], "[...]": x[...], "[0]": x[0], "reshape": x.reshape(4, 3)}
    found = views[view] if view in views else getattr(x, view)
    found = found() if callable(found) else found
    assert type(found) is SharedArray
    found[...] = -1
    assert (x == -1).any()


def test_views_that_numpy_functions_give_stay_shared() -> None:
    x = sc.asarray(np.arange(12.0).reshape(3, 4))
    as_strided = np.lib.stride_tricks.as_strided
    for found in (
        *(np.transpose(x), np.ravel(x), np.reshape(x, -1), np.expand_dims(x, 0), np.diagonal(x)),
        *(np.split(x, 3)[1], np.atleast_3d(x), np.flip(x), np.rot90(x), np.moveaxis(x, 0, 1)),
        *(np.asanyarray(x), np.broadcast_to(x, (2, 3, 4), subok=True), as_strided(x, subok=True)),
    ):
        assert type(found) is SharedArray
        assert np.shares_memory(found, x)


def test_what_claims_to_be_shared_and_is_not_loses_the_name() -> None:
    x = sc.asarray(np.arange(3.0))
    for private in (np.array(x, subok=True), np.zeros(3).view(SharedArray), SharedArray((3,))):
        assert not isinstance(private, SharedArray)
        assert arrays.segment_of(private) is None
        back = pickle.loads(pickle.dumps(private))
        assert type(back) is np.ndarray
        assert (back == private).all()
        assert type(private + 1) is not SharedArray


def test_copies_are_private() -> None:
    x = sc.asarray(np.asfortranarray(np.arange(6.0).reshape(2, 3)))
    for made_of in (copy.copy, copy.deepcopy, np.copy, lambda a: a.copy()):
        twin = made_of(x)
        assert type(twin) is np.ndarray
        np.testing.assert_array_equal(twin, x)
        assert not np.shares_memory(twin, x)
    assert copy.deepcopy({"x": x})["x"].flags.f_contiguous


def test_a_pickle_in_one_process_is_the_same_memory() -> None:
    x = sc.zeros((2, 3))
    for part in (x, x[1], x.T):
        there = pickle.loads(pickle.dumps(part))
        assert type(there) is SharedArray
        assert np.shares_memory(there, part)
    held = copy.copy([x])
    assert held[0] is x


def test_complex_parts_are_views() -> None:
    x = sc.zeros(3, complex)
    x.imag = 2
    x.imag[1] = 3
    x.real[0] = 1
    assert x.tolist() == [1 + 2j, 3j, 2j]
    assert type(x.imag) is SharedArray
    with pytest.raises((TypeError, AttributeError)):
        sc.zeros(3).imag = 1


def test_a_with_block_closes_the_array_at_its_end() -> None:
    with sc.ones(3) as x:
        assert arrays.handle(x) is not None
    with pytest.raises(sc.InputError, match="closed"):
        arrays.handle(x)
    assert x.tolist() == [1, 1, 1]


LIKE = np.asfortranarray(np.arange(6, dtype="i2").reshape(2, 3))
PERMUTED = np.arange(24.0).reshape(2, 3, 4).transpose(1, 2, 0)
CONSTRUCTORS: list[tuple[str, tuple[Any, ...], dict[str, Any]]] = [
    *((name, (shape,), {}) for name in ("zeros", "ones") for shape in (3, (2, 3), (), (0, 2))),
    *((name, ((2, 3),), {"dtype": "i4", "order": "F"}) for name in ("zeros", "ones")),
    ("full", ((2, 3), 7), {}),
    ("full", ((2, 3), [1, 2, 3]), {"dtype": "f4", "order": "F"}),
    ("full", (2, "ab"), {}),
    ("full", (2, 3.7), {"dtype": int}),
    *(
        (name, (a,), how)
        for name in ("zeros_like", "ones_like")
        for a in (LIKE, PERMUTED, PERMUTED[::2, ::-1], [[1, 2]], 3.0)
        for how in ({}, {"dtype": "c8"}, {"order": "C"}, {"order": "A"}, {"shape": (4, 1)})
    ),
    ("full_like", (LIKE, 3.7), {}),
    ("full_like", (PERMUTED, np.nan), {"order": "F"}),
    *(("arange", bounds, {}) for bounds in [(5,), (2, 5), (0, 1, 0.25), (5, 0, -2), (3, 3)]),
    ("arange", (3,), {"dtype": "u1"}),
    *(
        ("asarray", (a,), how)
        for a in (LIKE, PERMUTED, LIKE[:, ::2], LIKE.astype(">i4"), [1, 2.5])
        for how in ({}, {"dtype": "f4"}, {"order": "C"}, {"order": "F"}, {"copy": True})
    ),
]


@pytest.mark.parametrize("name", sorted({name for name, _, _ in CONSTRUCTORS}))
def test_constructors_are_numpys(name: str) -> None:
    for given, arguments, how in CONSTRUCTORS:
        if given == name:
            # A copy, as ours must be: `asarray` would give a view with gaps as it is.
            want = np.array(getattr(np, name)(*arguments, **how))
            found = getattr(sc, name)(*arguments, **how)
            assert type(found) is SharedArray
            assert found.dtype == want.dtype
            np.testing.assert_array_equal(found, want)
            flags = [(a.flags.c_contiguous, a.flags.f_contiguous) for a in (found, want)]
            assert flags[0] == flags[1] or want.size == 0, (arguments, how)


def test_asarray_copies_only_where_it_must() -> None:
    x = sc.asarray(PERMUTED)
    assert sc.asarray(x) is x
    assert sc.asarray(x, copy=False) is x
    assert np.shares_memory(sc.asarray(np.asarray(x)[1:]), x)
    assert not np.shares_memory(sc.asarray(x, copy=True), x)
    for how in ({"dtype": "f4"}, {"order": "C"}):
        assert not np.shares_memory(sc.asarray(x, **how), x)
        with pytest.raises(sc.InputError, match="copy=False"):
            sc.asarray(x, copy=False, **how)
    with pytest.raises(sc.InputError, match="copy=False"):
        sc.asarray(np.zeros(3), copy=False)
    with pytest.raises(sc.InputError, match="order"):
        sc.asarray(x, order="Q")  # type: ignore[arg-type]


def test_the_names_of_the_package_are_its_public_ones() -> None:
    assert dir(sc) == sorted(sc.__all__)  # type: ignore[attr-defined]
    assert all(getattr(sc, name) is not None for name in sc.__all__)  # type: ignore[attr-defined]
