"""Declarations: an operation is a small frozen record that names a kernel and what it needs.

An operation is *lowered* to stages. A stage is one call of one kernel for one range of rows, with
all its arguments computed; a pass runs a chain of them. So engines know stages only, and a new
operation needs no new engine code.
"""

from __future__ import annotations

import operator
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, ClassVar

from numpy.typing import DTypeLike

from sharedcompute.errors import InputError
from sharedcompute.operations.declared import (
    declared_arguments,
    declared_dtype,
    declared_dtypes,
    declared_shapes,
    declared_stages,
    fixed_dtypes,
)
from sharedcompute.operations.described import Described
from sharedcompute.operations.parameters import Parameter
from sharedcompute.operations.specs import (
    Array,
    ArraySpec,
    DType,
    Kernel,
    Params,
    State,
    Units,
    check_kind,
    same,
)
from sharedcompute.operations.stages import Carry, RowSpec, Stage, is_ours
from sharedcompute.options.groups import OF_REDUCTIONS
from sharedcompute.rows import Mode


@dataclass(frozen=True)
class Map(Described):
    """One row out for each row in, from that row, and where it has a halo from its neighbours.

    It may have several inputs and outputs: a kernel gets rows of each, inputs first. One without
    parameters for outputs returns its results, a tuple of them where they are several.

    Either a `kernel`, or `build`, which lowers the operation to several stages (a separable filter
    is a chain of one-dimensional ones). `Stencil` is another name for it.

    Parameters
    ----------
    name : str
    kernel : callable
        ``kernel(x, out, *arguments)`` on any range of rows; numba or plain Python. `x` has `halo`
        rows more on each side.
    summary : str
        One line, a sentence in the imperative.
    parameters : tuple of Parameter
    arguments : callable
        ``arguments(params, spec)``: what the kernel gets after `x` and `out`. Without it the
        kernel gets the parameters in their order. With several inputs `spec` is a tuple.
    dtype : dtype, tuple of dtype, or callable
        Of the result; of several outputs a dtype each. Without it the input's. Or
        ``dtype(input_dtype, params)``, which gives it: with several inputs it gets a tuple of
        dtypes.
    row_shape : callable
        ``row_shape(params, spec)``: the shape of one row of the result; without it the input's.
        With several inputs `spec` is a tuple; for several outputs it gives a tuple of shapes.
    matrix : bool
        The kernel takes (rows, everything else).
    kinds : str
        The kinds of data it takes, as in `numpy.dtype.kind`.
    units : {"same", "difference", "own"}
        Which of the input's attributes still hold for the result.
    new_axes : bool
        With `row_shape`: the axes of its rows are none of the input's, of whatever length. Without,
        an axis of a length that no other has is taken for the same, and keeps its coordinates.
    halo : int
        Rows needed on each side.
    mode, cval
        How rows beyond the edges are extended, as in `scipy.ndimage`.
    build : callable
        ``build(params, spec)``: the stages, in place of a kernel.
    inputs, outputs : int
        How many arrays the kernel takes row by row, and how many it gives. A halo goes for all
        inputs, which have the same number of rows.
    rows : bool
        The kernel's last argument is the number of the first row of `x`, without its halo.
    ratio : tuple of (int, int)
        Rows out for rows in: (1, 2) gives one for each two. The kernel gets whole groups of rows,
        and the input has a multiple of them.
    variable : bool
        The kernel returns any number of rows for those that it gets, or yields them block by
        block: events, peaks. The result has all of them in the order of the input. It is kept in
        memory until the end.

    Raises
    ------
    InputError
        The fields do not go together.

    Examples
    --------
    >>> import numpy as np
    >>> import sharedcompute as sc
    >>> def halve(x, out):
    ...     np.divide(x, 2, out=out)
    >>> sc.map(sc.Map("halve", halve, "Halve"), np.array([2.0, 4.0]))
    array([1., 2.])

    Speed and direction of a wind, from its two components:

    >>> def polar(u, v, speed, direction):
    ...     np.hypot(u, v, out=speed)
    ...     np.arctan2(v, u, out=direction)
    >>> wind = sc.Map("wind", polar, inputs=2, outputs=2)
    >>> sc.map(wind, [np.array([3.0, 0.0]), np.array([4.0, 0.0])])
    (array([5., 0.]), array([0.92729522, 0.        ]))

    The numbers of the rows above a threshold:

    >>> def above(x, first):
    ...     return first + np.flatnonzero(x > 2)
    >>> sc.map(sc.Map("above", above, rows=True, variable=True), np.array([3.0, 1.0, 4.0]))
    array([0, 2])
    """

    name: str
    kernel: Kernel | None = None
    summary: str = ""
    parameters: tuple[Parameter, ...] = ()
    arguments: Callable[..., tuple[Any, ...]] | None = None
    dtype: Callable[..., DType | tuple[DType, ...]] | DTypeLike | tuple[DTypeLike, ...] = same
    row_shape: Callable[..., tuple[int, ...] | tuple[tuple[int, ...], ...]] | None = None
    matrix: bool = False
    kinds: str = "biufc"
    units: Units = "same"
    new_axes: bool = False
    halo: int = 0
    mode: Mode = "reflect"
    cval: float = 0.0
    build: Callable[[Params, ArraySpec], tuple[Stage, ...]] | None = None
    inputs: int = 1
    outputs: int = 1
    rows: bool = False
    ratio: tuple[int, int] = (1, 1)
    variable: bool = False

    def __post_init__(self) -> None:
        self._check_ratio()
        if self.variable and (self.build or self.ratio != (1, 1)):
            raise InputError(
                f"{self.name}: expected variable without ratio and build, got both: leave one out"
            )
        for what, count in (("inputs", self.inputs), ("outputs", self.outputs)):
            if not isinstance(count, int) or count < 1:
                raise InputError(
                    f"{self.name}: expected {what} to be a whole number from 1 on, got {count!r}"
                )
        if self.build and (self.inputs, self.outputs, self.rows, *self.ratio) != (1, 1, 0, 1, 1):
            raise InputError(
                f"{self.name}: expected a kernel for several inputs or outputs, the numbers of "
                "rows or another count of them, got build: give a kernel"
            )
        if self.dtype is None:
            object.__setattr__(self, "dtype", same)
        # Such as numpy.float32, a dtype may be a class, and so callable.
        elif not callable(self.dtype) or isinstance(self.dtype, type):
            fixed = fixed_dtypes(self.name, self.outputs, self.dtype)
            object.__setattr__(self, "dtype", fixed if self.outputs > 1 else fixed[0])

    def _check_ratio(self) -> None:
        """Keep the ratio as whole numbers.

        Raises
        ------
        InputError
            It is none.
        """
        try:
            out, given = map(operator.index, self.ratio)
        except (TypeError, ValueError):
            out = given = 0
        if min(out, given) < 1:
            raise InputError(
                f"{self.name}: expected ratio to be rows out for rows in, such as (1, 2), got "
                f"{self.ratio!r}"
            )
        object.__setattr__(self, "ratio", (out, given))

    @property
    def kind(self) -> str:
        """``stencil`` where rows need their neighbours, or may; else ``map``."""
        return "stencil" if self.halo or self.build else "map"

    def stages(self, params: Params, *specs: ArraySpec) -> tuple[Stage, ...]:
        """Return the operation on data of `specs` as a chain of stages."""
        if len(specs) != self.inputs:
            raise InputError(
                f"{self.name} takes {self.inputs} input{'s' * (self.inputs > 1)}, got "
                f"{len(specs)}: give so many"
            )
        for spec in specs:
            check_kind(self.name, self.kinds, spec.dtype)
        if self.build:
            return declared_stages(self.name, self.build, params, *specs)
        kernel = self.called
        args = self.arguments_for(params, *specs)
        first, *more = self._results(params, specs)
        stage = Stage(
            self.name,
            kernel,
            args,
            first.dtype,
            self.halo,
            self.mode,
            self.cval,
            matrix=self.matrix,
            row_shape=None if self.row_shape is None else first.shape,
            new_axes=self.new_axes,
            more=tuple(more),
            returns=self.is_returning(len(args)),
            rows=self.rows,
            ratio=self.ratio,
            variable=self.variable,
        )
        return (stage,)

    @property
    def called(self) -> Kernel:
        """The kernel.

        Raises
        ------
        InputError
            There is none.
        """
        if self.kernel is None:
            raise InputError(f"{self.kind} {self.name} has neither a kernel nor build: give one")
        return self.kernel

    def arguments_for(self, params: Params, *specs: ArraySpec) -> tuple[Any, ...]:
        """Return what the kernel gets after its arrays, but for the number of a row."""
        if self.arguments is None:
            return tuple(params[p.name] for p in self.parameters)
        given = specs[0] if self.inputs == 1 else specs
        return declared_arguments(self.name, self.arguments, params, given)

    def is_returning(self, args: int) -> bool:
        """Return whether the kernel returns its results; it has so many other arguments."""
        kernel = self.called
        if self.variable or is_ours(kernel):
            return self.variable
        from sharedcompute.team.map_arguments import fills  # noqa: PLC0415 - slow

        return not fills(kernel, self.inputs, self.outputs, args + self.rows)

    def _results(self, params: Params, specs: tuple[ArraySpec, ...]) -> list[RowSpec]:
        """Return dtype and shape of the rows of each output."""
        count, one = self.outputs, self.inputs == 1
        dtypes = (specs[0].dtype,) * count
        if not callable(self.dtype):
            dtypes = fixed_dtypes(self.name, count, self.dtype)
        elif self.dtype is not same:
            kinds = specs[0].dtype if one else tuple(spec.dtype for spec in specs)
            dtypes = declared_dtypes(self.name, count, self.dtype, kinds, params)
        shapes = (specs[0].shape[1:],) * count
        if self.row_shape is not None:
            given = specs[0] if one else specs
            shapes = declared_shapes(self.name, count, self.row_shape, params, given)
        return list(map(RowSpec, dtypes, shapes))


Stencil = Map
"""A map whose rows need their neighbours: it has a `halo`, or `build`."""


@dataclass(frozen=True)
class Field:
    """One array of a partial result: its dtype and identity, from the input's dtype and skipna.

    A `tally` is the number of values added up. Where NaN is not left out that is one number for
    all columns, and is kept as such where rows are wide: shape (1,) in place of (columns,).
    """

    name: str
    dtype: Callable[[DType], DType]
    identity: Callable[[DType, bool], Any] = field(default=lambda _dtype, _skipna: 0)
    tally: bool = False


@dataclass(frozen=True)
class Partial:
    """The contribution of some rows to a reduction, and how two of them are combined.

    Parameters
    ----------
    kernel : callable
        ``kernel(x, skipna, *fields)`` adds the rows of `x`, shape (rows, columns), to the fields,
        each of shape (columns,), in place. Where `indexed`,
        ``kernel(x, skipna, start, step, width, *fields)``, and element (i, j) of `x` is of row
        ``start + i * step + j // width``.
    fields : tuple of Field
    combine : callable
        ``combine(a, b, skipna)`` adds the state `b` of later rows to the state `a` in place,
        element by element.
    covers : tuple of kernels
        Partials whose fields this one computes too, to the bit, so that it can stand in for them.
    exact : str
        The kinds of data, as in `numpy.dtype.kind`, for which rows may be grouped and combined in
        any way to the same bits. Then each worker has one state for all of its blocks.
    along : callable
        ``along(x, skipna, *fields)`` adds each row of `x`, shape (rows, n), to the fields, each of
        shape (rows,), which hold nothing before. How a row is added up depends on that row alone.
    middle : callable
        ``middle(x, skipna, *fields)`` adds `x`, shape (outer, n, inner), along its middle axis to
        the fields, each of shape (outer * inner,), with the bits of `kernel` on each part.
    floating : Partial
        Takes its place for whole numbers where a floating dtype is asked for, as NumPy adds up in
        that one then.
    """

    kernel: Kernel
    fields: tuple[Field, ...]
    combine: Callable[[State, State, bool], None]
    indexed: bool = False
    covers: tuple[Kernel, ...] = ()
    exact: str = ""
    along: Kernel | None = None
    middle: Kernel | None = None
    floating: Partial | None = None


@dataclass(frozen=True)
class Reduce(Described):
    """A reduction of all rows, or all elements, to one.

    Parameters
    ----------
    partial : Partial or callable
        The contribution of a block; or ``partial(dtype, n)``, for results from `n` values each.
    finalise : callable
        ``finalise(state, params)``: the result in full precision, from the combined state.
    dtype : callable
        The dtype of the result, from the input's; NumPy's rule.
    empty : bool
        Whether it has a value for zero rows.

    Examples
    --------
    >>> import numpy as np
    >>> import sharedcompute as sc
    >>> def add(x, skipna, total):
    ...     total += np.abs(x).sum(axis=0)
    >>> def combine(a, b, skipna):
    ...     a["total"] += b["total"]
    >>> partial = sc.Partial(add, (sc.Field("total", lambda dtype: np.dtype("f8")),), combine)
    >>> norm = sc.Reduce("norm", partial, lambda state, params: state["total"])
    >>> sc.reduce(norm, np.array([[1.0, -2.0], [3.0, 4.0]]))
    array([4., 6.])
    """

    name: str
    partial: Partial | Callable[[DType, int], Partial]
    finalise: Callable[[State, Params], Array]
    summary: str = ""
    parameters: tuple[Parameter, ...] = ()
    dtype: Callable[[DType, Params], DType] = same
    kinds: str = "biufc"
    empty: bool = True
    units: Units = "own"
    kind: ClassVar[str] = "reduce"

    def __post_init__(self) -> None:
        for parameter in self.parameters:
            if parameter.name in OF_REDUCTIONS:
                raise InputError(
                    f"{parameter.name!r} is an argument of every reduction: name the parameter "
                    "otherwise"
                )

    def check(self, spec: ArraySpec) -> None:
        """Refuse data for which the reduction is not defined."""
        check_kind(self.name, self.kinds, spec.dtype)
        if not self.empty and 0 in spec.shape:
            raise InputError(
                f"{self.name} of no elements is not defined, got shape {spec.shape}: "
                "give at least one row"
            )


@dataclass(frozen=True)
class Scan(Described):
    """Cumulative along rows: ``kernel(x, out, carry, skipna)`` updates `carry` as it goes.

    Parameters
    ----------
    reduction : str
        The reduction whose result of a block is added to the carry of the next one.
    """

    name: str
    kernel: Kernel
    reduction: str
    summary: str = ""
    parameters: tuple[Parameter, ...] = ()
    dtype: Callable[[DType, Params], DType] = same
    kinds: str = "biufc"
    units: Units = "own"
    kind: ClassVar[str] = "scan"

    def stages(self, params: Params, spec: ArraySpec) -> tuple[Stage, ...]:
        """Return the operation on data of `spec` as one stage, whose carry the pass fills in."""
        check_kind(self.name, self.kinds, spec.dtype)
        skipna = bool(params["skipna"])
        args = (Carry(self.reduction, skipna), skipna)
        out = declared_dtype(self.name, self.dtype, spec.dtype, params)
        return (Stage(self.name, self.kernel, args, out, matrix=True),)


Operation = Map | Reduce | Scan
