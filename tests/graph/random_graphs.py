"""Random graphs of nodes, each with what NumPy computes for it on whole arrays."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import h5py
import numpy as np
from numpy.testing import assert_allclose

import sharedcompute as sc
from sharedcompute.graph import build
from sharedcompute.graph.node import Node
from sharedcompute.graph.text import text
from sharedcompute.hdf5.inspection.inspector import open_source
from sharedcompute.hdf5.reading.windowed import windowed
from sharedcompute.hdf5.window import Window
from sharedcompute.operations.catalogue import find
from sharedcompute.operations.declarations import Map, Reduce
from sharedcompute.operations.parameters import bind
from sharedcompute.planning.in_memory import ArraySource, windowed_array
from sharedcompute.ufuncs.functions import FUNCTIONS
from sharedcompute.ufuncs.promotion import Attributes, result_dtype

Oracle = Callable[..., Any]

CODES = ["?", "i1", "i2", "i4", "i8", "u1", "u2", "u4", "u8", "f2", "f4", "f8", "c8"]
UNARY = ["negative", "absolute", "sqrt", "square", "exp", "sin", "floor", "isnan", "sign", "rint"]
BINARY = ["add", "subtract", "multiply", "divide", "minimum", "maximum", "less", "arctan2"]
BINARY += ["equal", "floor_divide", "power", "logical_and", "hypot"]
CONSTANTS: list[Any] = [2, 0.5, -3, True, np.float32(1.5), np.int16(7), float("nan")]
STENCILS: list[tuple[str, dict[str, Any]]] = [
    ("gaussian", {"sigma": 0.7}),
    ("gaussian", {"sigma": (1.0, 0.0, 0.0), "mode": "wrap"}),
    ("uniform", {"size": 3}),
    ("uniform", {"size": 4, "mode": "mirror"}),
    ("median", {"size": 3}),
    ("sobel", {"axis": 0, "mode": "constant", "cval": 2.0}),
    ("laplace", {}),
]
MAPS: list[tuple[str, dict[str, Any]]] = [
    ("clip", {"lower": -1, "upper": 2}),
    ("scale", {"factor": 0.5, "offset": 1.0}),
]
OF_ALL_ROWS = ["anomaly", "zscore"]
EXACT_REDUCTIONS = ["min", "max", "count", "any", "all"]
REDUCTIONS = [*EXACT_REDUCTIONS, "sum", "mean", "std", "var"]


@dataclass
class Value:
    """A node, and how it is computed from the arrays of others.

    Attributes
    ----------
    oracle : callable
        Of the arrays of `inputs`.
    close : bool
        Whether its bits depend on the order of additions, so that it is compared closely, and what
        is made of it is computed from what the job found.
    """

    node: Node
    oracle: Oracle
    inputs: tuple[Value, ...] = ()
    close: bool = False


@dataclass
class Graph:
    """A random graph.

    Attributes
    ----------
    values : list of Value
        Inputs first.
    results : list of Value
        What a job is asked for: among them all that is close.
    """

    values: list[Value] = field(default_factory=list)
    results: list[Value] = field(default_factory=list)

    @property
    def nodes(self) -> list[Node]:
        return [value.node for value in self.results]


def check(graph: Graph, found: Sequence[Any]) -> None:
    """Compare what a job found with NumPy, to the bit where arithmetic fixes it."""
    by_node = {id(v): x for v, x in zip(graph.results, found, strict=True)}
    arrays: dict[int, Any] = {}
    for value in graph.values:
        with warnings.catch_warnings(), np.errstate(all="ignore"):
            warnings.simplefilter("ignore")
            want = np.asarray(value.oracle(*(arrays[id(i)] for i in value.inputs)))
        arrays[id(value)] = want
        if id(value) not in by_node:
            continue
        have = np.asarray(by_node[id(value)])
        assert have.shape == want.shape, text(value.node)
        assert have.dtype == want.dtype, text(value.node)
        assert (have.shape, have.dtype) == _spec(value)
        if value.close:
            single = want.dtype in (np.float32, np.complex64)
            scale = np.nanmax(np.abs(want), initial=0.0) if want.size else 0.0
            tolerance = 1e-5 if single else 1e-10
            assert_allclose(have, want, rtol=tolerance, atol=tolerance * float(scale))
            arrays[id(value)] = have
        else:
            assert same_bits(have, want), text(value.node)
    assert len(by_node) == len(graph.results)


def _spec(value: Value) -> tuple[tuple[int, ...], np.dtype[Any]]:
    return value.node.spec.shape, value.node.spec.dtype


def same_bits(x: Any, y: Any) -> bool:
    """Return whether arrays are equal to the bit; all NaN are equal."""
    x, y = np.asarray(x), np.asarray(y)
    if x.shape != y.shape or x.dtype != y.dtype:
        return False
    if x.dtype.kind == "c":
        return same_bits(x.real, y.real) and same_bits(x.imag, y.imag)
    if x.dtype.kind == "f":
        both = np.isnan(x) & np.isnan(y)
        return bool(((x == y) & (np.signbit(x) == np.signbit(y)) | both).all())
    return bool((x == y).all())


class Maker:
    """Makes a random graph.

    Parameters
    ----------
    seed : int
    folder : Path
        Where its HDF5 file is written.
    rows : int, optional
    """

    def __init__(self, seed: int, folder: Path, rows: int | None = None) -> None:
        self.rng = np.random.default_rng(seed)
        self.rows = int(self.rng.integers(20, 70)) if rows is None else rows
        ndim = int(self.rng.choice([1, 2, 3, 3, 3]))
        self.row = tuple(int(n) for n in self.rng.integers(3, 7, ndim - 1))
        self._stem = f"{folder}/in{seed}"
        self._count = 0
        self.graph = Graph()
        # What has a row for each row, and what is broadcast to rows.
        self.by_rows: list[Value] = []
        self.whole: list[Value] = []

    def make(self, depth: int) -> Graph:
        """Return a graph of some nodes over several sources."""
        for _ in range(int(self.rng.integers(2, 4))):
            self.by_rows.append(self._source((self.rows, *self.row)))
        for shape in self._resident_shapes():
            self.whole.append(self._source(shape))
        if self.row:
            self.by_rows.append(self._source((self.rows, *(1 for _ in self.row))))
        for _ in range(depth):
            self._grow()
        self._choose()
        return self.graph

    def _resident_shapes(self) -> list[tuple[int, ...]]:
        shapes = [self.row, (*self.row[:-1], 1), (1, *self.row)] if self.row else [(1,)]
        return [shape for shape in dict.fromkeys(shapes) if shape]

    def _pick(self, among: Sequence[Any]) -> Any:
        return among[int(self.rng.integers(len(among)))]

    def _add(self, node: Node, oracle: Oracle, *inputs: Value, close: bool = False) -> Value:
        value = Value(node, oracle, inputs, close)
        self.graph.values.append(value)
        return value

    def _grow(self) -> None:
        kinds = ["elementwise"] * 5 + ["stencil"] * 3 + ["map", "reduce", "reduce", "all rows"]
        kinds += ["where", "shape", "window"]
        if not self.rows:
            kinds = [k for k in kinds if k not in ("stencil", "all rows", "window")]
        kind = self._pick(kinds)
        if kind == "elementwise":
            made = self.elementwise()
        elif kind == "stencil":
            made = self.row_operation(*self._pick(self._stencils()))
        elif kind == "map":
            made = self.row_operation(*self._pick(MAPS))
        elif kind == "all rows":
            made = self.row_operation(self._pick(OF_ALL_ROWS), {}, close=True)
        elif kind == "where":
            made = self.where()
        elif kind == "shape":
            made = self.shape()
        elif kind == "window":
            made = self.window()
        else:
            made = self.reduction()
        if made is not None:
            ours = made.node.spec.shape[:1] == (self.rows,)
            full = len(made.node.spec.shape) == 1 + len(self.row)
            (self.by_rows if ours and full else self.whole).append(made)

    def _stencils(self) -> list[tuple[str, dict[str, Any]]]:
        axes = 1 + len(self.row)
        found = []
        for name, params in STENCILS:
            cut = {k: v[:axes] if isinstance(v, tuple) else v for k, v in params.items()}
            found.append((name, cut))
        return found

    def elementwise(self) -> Value | None:
        name = self._pick([*UNARY, *BINARY, *BINARY])
        operands: list[Any] = [self._latest()]
        if name in BINARY:
            others = [*self.by_rows, *self.by_rows, *self.whole, *CONSTANTS]
            operands.append(self._pick(others))
            if self.rng.random() < 0.3:
                operands.reverse()
        return self._call(name, operands)

    def where(self) -> Value | None:
        condition = self._call("less", [self._latest(), self._pick([*self.by_rows, *CONSTANTS])])
        if condition is None:
            return None
        others = [*self.by_rows, *self.whole, *CONSTANTS]
        return self._call("where", [condition, self._latest(), self._pick(others)])

    def _latest(self) -> Value:
        """Return a value with rows, rather one that was made last, so that graphs are deep."""
        if self.rng.random() < 0.6:
            return self.by_rows[-1]
        value: Value = self._pick(self.by_rows)
        return value

    def _call(self, name: str, operands: list[Any], attributes: Attributes = ()) -> Value | None:
        kinds = [x.node.spec.dtype if isinstance(x, Value) else x for x in operands]
        shapes = [x.node.spec.shape for x in operands if isinstance(x, Value)]
        try:
            dtype = result_dtype(name, kinds, attributes)
            shape = np.broadcast_shapes(*shapes)
        except (TypeError, ValueError, OverflowError):
            return None
        if name == "power" and dtype.kind in "iu":
            return None
        if shape[:1] != (self.rows,) or len(shape) != 1 + len(self.row):
            return None
        given = [x for x in operands if isinstance(x, Value)]
        nodes = [x.node if isinstance(x, Value) else build.constant(x) for x in operands]

        def oracle(*arrays: Any) -> Any:
            left = list(arrays)
            args = [left.pop(0) if isinstance(x, Value) else x for x in operands]
            return np.asarray(FUNCTIONS[name].call(*args, **dict(attributes)), dtype)

        return self._add(build.elementwise(name, dtype, nodes, attributes), oracle, *given)

    def tame(self, kinds: str = "biuf") -> Value | None:
        """Return a value without NaN and numbers whose squares overflow."""
        value = self._latest()
        dtype = value.node.spec.dtype
        if dtype.kind not in kinds:
            return None
        if dtype == np.float16:
            value = self._add(build.widened(value.node), lambda x: x.astype("f4"), value)
        if dtype.kind == "f":
            zero = value.node.spec.dtype.type(0)
            # A minimum of NaN is NaN: `fmin` and `fmax` leave it out.
            for name, bound in (("fmin", 1e4), ("fmax", -1e4)):
                made = self._call(name, [value, float(bound) + zero])
                assert made is not None
                value = made
        return value

    def row_operation(self, name: str, params: dict[str, Any], close: bool = False) -> Value | None:
        value = self.tame()
        if value is None or (value.node.spec.dtype.kind == "b" and name != "median"):
            return None
        if value.node.spec.shape != (self.rows, *self.row):
            return None
        operation = find(name)
        assert isinstance(operation, Map)
        try:
            node = build.apply(operation, bind(name, operation.parameters, params), value.node)
        except sc.InputError:
            return None

        def oracle(x: Any) -> Any:
            return sc.map(name, x, engine="serial", **params)

        return self._add(node, oracle, value, close=close)

    def reduction(self) -> Value | None:
        value = self.tame()
        if value is None or not self.rows:
            return None
        name = self._pick(REDUCTIONS)
        operation = find(name)
        assert isinstance(operation, Reduce)
        ndim = len(value.node.spec.shape)
        choices = [(0,), (0,), tuple(range(ndim)), (0, ndim - 1), (ndim - 1,), (ndim // 2,)]
        axes = tuple(sorted(set(self._pick(choices))))
        keep = bool(self.rng.random() < 0.6)
        params = bind(name, operation.parameters, {})
        node = build.reduced(operation, params, value.node, axes, keepdims=keep)

        def oracle(x: Any) -> Any:
            return sc.reduce(name, x, axis=axes, keepdims=keep, engine="serial")

        # Rows that are reduced each for itself have the same bits wherever they are cut.
        close = name not in EXACT_REDUCTIONS and 0 in axes
        made = self._add(node, oracle, value, close=close)
        if not made.node.spec.shape or self.rng.random() < 0.3:
            # Something made of it, as a whole.
            made = self._made_whole(made)
        return made

    def _made_whole(self, value: Value) -> Value:
        dtype = result_dtype("multiply", [value.node.spec.dtype, 3])
        node = build.elementwise("multiply", dtype, [value.node, build.constant(3)])
        return self._add(node, lambda x: np.asarray(np.multiply(x, 3), dtype), value)

    def shape(self) -> Value | None:
        value = self._latest()
        if len(self.row) < 2 or value.node.spec.shape != (self.rows, *self.row):
            return None
        node, n = value.node, self.rows
        kind = self._pick(["select", "flip", "reshape", "transpose"])
        if kind == "select":
            # One column, which is broadcast again.
            keys = (slice(0, n, 1), slice(1, 2, 1), *(slice(0, k, 1) for k in self.row[1:]))
            return self._add(build.select(node, keys), lambda x: x[:, 1:2], value)
        if kind == "flip":
            made = self._add(
                build.reshape(node, (n, int(np.prod(self.row)))), lambda x: x.reshape(n, -1), value
            )
        else:
            axes = (0, 2, 1)
            made = self._add(build.permute(node, axes), lambda x: x.transpose(axes), value)
            made = self._add(build.permute(made.node, axes), lambda x: x.transpose(axes), made)
        shape = (n, *self.row)
        return self._add(build.reshape(made.node, shape), lambda x: x.reshape(shape), made)

    def window(self) -> Value | None:
        """A row of what is computed, which needs all rows and is broadcast in a later pass."""
        value = self._latest()
        if value.node.spec.shape != (self.rows, *self.row) or not self.row:
            return None
        first = int(self.rng.integers(self.rows))
        keys = (slice(first, first + 1, 1), *(slice(0, n, 1) for n in self.row))
        return self._add(build.select(value.node, keys), lambda x: x[first : first + 1], value)

    def _choose(self) -> None:
        wanted = [v for v in self.graph.values if v.close]
        for value in [self.by_rows[-1], self._pick(self.by_rows), self.whole[-1]]:
            if value not in wanted and value.inputs:
                wanted.append(value)
        if not wanted:
            made = self._call("absolute", [self.by_rows[0]])
            assert made is not None
            wanted.append(made)
        self.graph.results = wanted

    def _source(self, shape: tuple[int, ...]) -> Value:
        """Return an input: in memory or in a file, all of it or a window."""
        dtype = np.dtype(self._pick(CODES))
        windows = len(shape) == 1 + len(self.row) and shape[0] == self.rows and self.rows > 0
        windows = windows and bool(self.rng.random() < 0.3)
        before = int(self.rng.integers(1, 9)) if windows else 0
        x = numbers(self.rng, (shape[0] + 2 * before, *shape[1:]), dtype)
        source: Any = None
        in_memory = self.rng.random() < 0.4
        source = ArraySource(x) if in_memory else open_source(self._write(x))
        if windows:
            window = Window.of((slice(before, before + shape[0]),), x.shape)
            cut = windowed_array if isinstance(source, ArraySource) else windowed
            source = cut(source, window)
            x = x[before : before + shape[0]]
        return self._add(build.read(source), lambda: x)

    def _write(self, x: Any) -> str:
        path = f"{self._stem}_{self._count}.h5"
        self._count += 1
        kind = self._pick(["contiguous", "big-endian", "chunks", "gzip", "gzip"])
        how: dict[str, Any] = {}
        if kind in ("chunks", "gzip") and x.size:
            rows = int(self._pick([1, 3, 5, 7, 11, 64]))
            how["chunks"] = (min(rows, x.shape[0]), *x.shape[1:])
            if self.rng.random() < 0.3:
                how["chunks"] = tuple(max(1, n // 2) for n in how["chunks"])
        if kind == "gzip" and x.size:
            how |= {"compression": 1, "shuffle": True}
        if kind == "big-endian" and x.dtype.kind in "iufc":
            x = x.astype(x.dtype.newbyteorder(">"))
        with h5py.File(path, "w") as file:
            file.create_dataset("x", data=x, **how)
        return f"{path}::/x"


def numbers(rng: np.random.Generator, shape: tuple[int, ...], dtype: np.dtype[Any]) -> Any:
    """Return small numbers, a few of which are NaN or infinite where there are such."""
    if dtype.kind == "b":
        return rng.random(shape) < 0.5
    if dtype.kind in "iu":
        return rng.integers(0 if dtype.kind == "u" else -40, 40, shape).astype(dtype)
    x = np.asarray(rng.normal(0, 3, shape)).astype(dtype)
    if dtype.kind == "c":
        x += np.asarray(1j * rng.normal(0, 3, shape)).astype(dtype)
    special = np.array([np.nan, np.inf, -np.inf, -0.0]).astype(dtype)
    return np.where(rng.random(shape) < 0.03, rng.choice(special, shape), x)


def graph(seed: int, folder: Path, depth: int = 8, rows: int | None = None) -> Graph:
    """Return the random graph of a seed."""
    return Maker(seed, folder, rows).make(depth)
