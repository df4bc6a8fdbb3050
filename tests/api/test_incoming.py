"""What comes in as an array keeps its meaning, or is refused in one line."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numba
import numpy as np
import pytest
from scipy import sparse

import sharedcompute as sc
from sharedcompute import learn

X = np.random.default_rng(0).random((12, 3))


@numba.njit
def twice(x: Any, out: Any, factor: Any) -> None:
    for i in range(x.shape[0]):
        for j in range(x.shape[1]):
            out[i, j] = 2 * x[i, j] * factor[0]


def entries(team: sc.Team) -> dict[str, Callable[[Any], Any]]:
    """Every place where a user hands an array over, and what it gives."""
    one = np.ones(1)
    return {
        "asarray": sc.asarray,
        "empty_like": lambda a: sc.empty_like(a).shape,
        "full_like": lambda a: sc.full_like(a, 2.0),
        "full": lambda a: sc.full(a.shape, a),
        "map": lambda a: sc.map("scale", a, factor=2.0),
        "own map": lambda a: sc.map(lambda x, out: np.multiply(x, 2, out=out), a),
        "reduce": lambda a: sc.reduce("mean", a),
        "scan": lambda a: sc.scan("cumsum", a),
        "stats": lambda a: sc.stats(a)["mean"],
        "fit": lambda a: sc.fit("pca", a, n_components=1).mean,
        "y": lambda a: sc.fit("ridge", X, y=a).coef,
        "parameter": lambda a: sc.map("anomaly", X, mean=a),
        "learn": lambda a: learn.KMeans(2, init=X[:2]).fit(a).cluster_centers_,
        "learn y": lambda a: learn.Ridge().fit(X, a).coef_,
        "transform": lambda a: learn.PCA(1).fit(X).transform(a),
        "Team.map": lambda a: team.map(twice, a, params=(one,)),
        "Team.map, plain": lambda a: team.map(lambda x, out: np.multiply(x, 2, out=out), a),
        "Team.reduce": lambda a: team.reduce("mean", a),
        "out": lambda a: team.map(twice, X, out=a.copy(), params=(one,)),
        "output": lambda a: sc.map("scale", X, a.copy(), factor=2.0),
        "params": lambda a: team.map(twice, X, params=(a.reshape(-1)[1:],)),
        "rows": lambda a: team.run(lambda w, v: w.rows(len(v), weights=v[:, 0]), a),
        "allreduce": lambda a: team.run(lambda w, v: w.allreduce(v), a)[0],
    }


KEPT = ("params",)
"""Objects that travel as they are: a kernel gets them whole."""


class Quantity(np.ndarray[Any, Any]):
    """Numbers with a unit, as astropy's and unyt's."""

    unit = "m"


class Measure:
    """Numbers with units beside them, as pint's."""

    magnitude = X
    units = "m"
    shape = X.shape

    def __array__(self, dtype: Any = None, copy: Any = None) -> Any:
        return X


def test_a_mask_is_never_dropped(team: sc.Team) -> None:
    masked = np.ma.masked_less(X, 0.5)
    for what, run in entries(team).items():
        if what in KEPT:
            continue
        with pytest.raises(sc.InputError, match="without a mask") as caught:
            run(masked)
        assert len(str(caught.value).splitlines()) == 1, what


def test_units_are_never_dropped(team: sc.Team) -> None:
    for what, run in entries(team).items():
        if what in (*KEPT, "rows", "allreduce"):  # a class of this file is not known there
            continue
        with pytest.raises(sc.InputError, match=r"plain numbers.*Quantity"):
            run(X.view(Quantity))
    for call in (sc.asarray, lambda a: sc.reduce("mean", a), lambda a: team.map(np.sqrt, a)):
        with pytest.raises(sc.InputError, match=r"plain numbers.*Measure"):
            call(Measure())


def test_a_masked_array_is_filled_when_asked() -> None:
    masked = np.ma.masked_less(X, 0.5)
    np.testing.assert_array_equal(sc.asarray(masked, fill_value=np.nan), masked.filled(np.nan))
    whole = np.ma.masked_less(np.arange(4), 2)
    assert sc.asarray(whole, fill_value=-1).tolist() == [-1, -1, 2, 3]
    np.testing.assert_array_equal(
        sc.asarray(whole, float, fill_value=np.nan), [np.nan] * 2 + [2, 3]
    )
    assert sc.asarray(X, fill_value=0).tolist() == X.tolist()
    with pytest.raises(sc.InputError, match="fill_value that int64 can hold, got nan"):
        sc.asarray(whole, fill_value=np.nan)


def test_a_variable_of_netcdf4_that_has_missing_values_is_refused(tmp_path: Any) -> None:
    netcdf = pytest.importorskip("netCDF4")
    with netcdf.Dataset(tmp_path / "a.nc", "w") as f:
        f.createDimension("n", 3)
        variable = f.createVariable("v", "f8", ("n",), fill_value=-1.0)
        variable[:] = np.ma.masked_equal([1.0, -1.0, 2.0], -1.0)
        for call in (sc.asarray, lambda v: sc.reduce("mean", v)):
            with pytest.raises(sc.InputError, match="without a mask"):
                call(variable)


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:the matrix subclass")
def test_labels_stay_behind_as_in_numpy(team: sc.Team) -> None:
    xarray, pandas = pytest.importorskip("xarray"), pytest.importorskip("pandas")
    for labelled in (
        xarray.DataArray(X, dims=("a", "b"), attrs={"units": "m", "unit": "m", "magnitude": 1}),
        pandas.DataFrame(X),
        np.matrix(X),
        np.asfortranarray(X),
        X.view(np.recarray),
        X.tolist(),
    ):
        np.testing.assert_array_equal(sc.asarray(labelled), X)
        np.testing.assert_array_equal(sc.reduce("min", labelled), X.min(axis=0))
        np.testing.assert_array_equal(team.map(twice, labelled, params=(np.ones(1),)), 2 * X)


@pytest.mark.parametrize(
    ("given", "said"),
    [
        (sparse.eye(3), "dense array, got a dia_"),
        (np.array([1, None], dtype=object), "object"),
        ({1, 2}, "object"),
        ([[1], [2, 3]], "got what makes none"),
        ((i for i in range(3)), "object"),
    ],
)
def test_what_is_no_array_of_numbers_is_refused_in_a_line(given: Any, said: str) -> None:
    for call in (sc.asarray, lambda a: sc.reduce("mean", a)):
        with pytest.raises(sc.InputError, match=said) as caught:
            call(given)
        assert len(str(caught.value).splitlines()) == 1


def test_a_team_points_from_addresses_to_map(team: sc.Team, tmp_path: Any) -> None:
    for address in ("f.h5::/x", tmp_path / "f.h5"):
        with pytest.raises(sc.InputError, match=r"address .*f\.h5.*sharedcompute\.map"):
            team.map(np.sqrt, address)


@pytest.mark.slow
@pytest.mark.parametrize("shared", [False, True])
def test_every_entry_takes_either_byte_order(shared: bool, team: sc.Team) -> None:
    swapped = X.astype(X.dtype.newbyteorder())
    for what, run in entries(team).items():
        if shared and what == "params":
            continue  # it is the same memory for the function, which numba cannot read
        given = sc.asarray(swapped) if shared else swapped
        np.testing.assert_array_equal(
            np.asarray(run(given)), np.asarray(run(sc.asarray(X) if shared else X)), err_msg=what
        )


def test_an_output_in_another_byte_order_is_filled(team: sc.Team) -> None:
    swapped = X.dtype.newbyteorder()
    for out in (np.zeros(X.shape, swapped), sc.zeros(X.shape, swapped)):
        assert sc.map("scale", X, out, factor=2.0) is out
        np.testing.assert_array_equal(out, 2 * X)
        assert team.map(twice, out, out=out, params=(np.ones(1),)) is out
        np.testing.assert_array_equal(out, 4 * X)
