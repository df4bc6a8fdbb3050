"""The methods of lazy arrays that give lazy arrays, with NumPy's names and arguments."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Self, SupportsIndex

import numpy as np
from numpy.typing import DTypeLike

from sharedcompute.api.lazy import choosing, elementwise, reductions, scans, shapes
from sharedcompute.api.lazy.operands import Operand
from sharedcompute.api.lazy.plain_reductions import Axes


class Methods(Operand):
    """What an array can do: reductions along any axes, other shapes, other dtypes."""

    __slots__ = ()

    def mean(
        self,
        axis: Axes = None,
        dtype: DTypeLike | None = None,
        *,
        keepdims: bool = False,
        where: object = True,
        weights: object = None,
        skipna: bool = False,
    ) -> Self:
        """Return the average along some axes; by default of all elements.

        Parameters
        ----------
        axis : int, tuple of int or None
            None: all of them.
        dtype : dtype, optional
            In which it is computed.
        keepdims : bool
            Keep the axes, with length 1.
        where : array_like of bool, optional
            The elements that take part.
        weights : array_like, optional
            How much each element counts, as in xarray's ``weighted``: broadcast against the array,
            or an entry for each place along the one axis.
        skipna : bool
            Leave NaN out.
        """
        made = reductions.reduce(
            "mean",
            self._node,
            axis,
            dtype=dtype,
            keepdims=keepdims,
            where=where,
            weights=weights,
            skipna=skipna,
        )
        return self._of(made)

    def sum(
        self,
        axis: Axes = None,
        dtype: DTypeLike | None = None,
        *,
        keepdims: bool = False,
        where: object = True,
        weights: object = None,
        skipna: bool = False,
    ) -> Self:
        """Return the sum along some axes; by default of all elements.

        Parameters
        ----------
        axis : int, tuple of int or None
            None: all of them.
        dtype : dtype, optional
            In which it is computed.
        keepdims : bool
            Keep the axes, with length 1.
        where : array_like of bool, optional
            The elements that take part.
        weights : array_like, optional
            How much each element counts, as in xarray's ``weighted``: broadcast against the array,
            or an entry for each place along the one axis.
        skipna : bool
            Leave NaN out.
        """
        made = reductions.reduce(
            "sum",
            self._node,
            axis,
            dtype=dtype,
            keepdims=keepdims,
            where=where,
            weights=weights,
            skipna=skipna,
        )
        return self._of(made)

    def prod(
        self,
        axis: Axes = None,
        dtype: DTypeLike | None = None,
        *,
        keepdims: bool = False,
        where: object = True,
        skipna: bool = False,
    ) -> Self:
        """Return the product along some axes; by default of all elements.

        Parameters
        ----------
        axis : int, tuple of int or None
            None: all of them.
        dtype : dtype, optional
            In which it is computed.
        keepdims : bool
            Keep the axes, with length 1.
        where : array_like of bool, optional
            The elements that take part.
        skipna : bool
            Leave NaN out.
        """
        made = reductions.reduce(
            "prod", self._node, axis, dtype=dtype, keepdims=keepdims, where=where, skipna=skipna
        )
        return self._of(made)

    def var(
        self,
        axis: Axes = None,
        dtype: DTypeLike | None = None,
        *,
        ddof: float = 0,
        keepdims: bool = False,
        where: object = True,
        weights: object = None,
        skipna: bool = False,
    ) -> Self:
        """Return the variance along some axes; by default of all elements.

        Parameters
        ----------
        axis : int, tuple of int or None
            None: all of them.
        dtype : dtype, optional
            In which it is computed.
        ddof : float
            Degrees of freedom subtracted from the count.
        keepdims : bool
            Keep the axes, with length 1.
        where : array_like of bool, optional
            The elements that take part.
        weights : array_like, optional
            How much each element counts, as in xarray's ``weighted``: broadcast against the array,
            or an entry for each place along the one axis.
        skipna : bool
            Leave NaN out.
        """
        made = reductions.reduce(
            "var",
            self._node,
            axis,
            dtype=dtype,
            keepdims=keepdims,
            where=where,
            weights=weights,
            ddof=ddof,
            skipna=skipna,
        )
        return self._of(made)

    def std(
        self,
        axis: Axes = None,
        dtype: DTypeLike | None = None,
        *,
        ddof: float = 0,
        keepdims: bool = False,
        where: object = True,
        weights: object = None,
        skipna: bool = False,
    ) -> Self:
        """Return the standard deviation along some axes; by default of all elements.

        Parameters
        ----------
        axis : int, tuple of int or None
            None: all of them.
        dtype : dtype, optional
            In which it is computed.
        ddof : float
            Degrees of freedom subtracted from the count.
        keepdims : bool
            Keep the axes, with length 1.
        where : array_like of bool, optional
            The elements that take part.
        weights : array_like, optional
            How much each element counts, as in xarray's ``weighted``: broadcast against the array,
            or an entry for each place along the one axis.
        skipna : bool
            Leave NaN out.
        """
        made = reductions.reduce(
            "std",
            self._node,
            axis,
            dtype=dtype,
            keepdims=keepdims,
            where=where,
            weights=weights,
            ddof=ddof,
            skipna=skipna,
        )
        return self._of(made)

    def min(
        self,
        axis: Axes = None,
        *,
        keepdims: bool = False,
        initial: object = None,
        where: object = True,
        skipna: bool = False,
    ) -> Self:
        """Return the least element along some axes; by default of all.

        Parameters
        ----------
        axis : int, tuple of int or None
            None: all of them.
        keepdims : bool
            Keep the axes, with length 1.
        initial : scalar, optional
            A number that takes part, too; with `where` it has to be given.
        where : array_like of bool, optional
            The elements that take part.
        skipna : bool
            Leave NaN out.
        """
        made = choosing.extreme(
            "min",
            self._node,
            axis,
            keepdims=keepdims,
            initial=initial,
            where=where,
            skipna=skipna,
        )
        return self._of(made)

    def max(
        self,
        axis: Axes = None,
        *,
        keepdims: bool = False,
        initial: object = None,
        where: object = True,
        skipna: bool = False,
    ) -> Self:
        """Return the greatest element along some axes; by default of all.

        Parameters
        ----------
        axis : int, tuple of int or None
            None: all of them.
        keepdims : bool
            Keep the axes, with length 1.
        initial : scalar, optional
            A number that takes part, too; with `where` it has to be given.
        where : array_like of bool, optional
            The elements that take part.
        skipna : bool
            Leave NaN out.
        """
        made = choosing.extreme(
            "max",
            self._node,
            axis,
            keepdims=keepdims,
            initial=initial,
            where=where,
            skipna=skipna,
        )
        return self._of(made)

    def argmin(
        self, axis: SupportsIndex | None = None, *, keepdims: bool = False, skipna: bool = False
    ) -> Self:
        """Return where the least element along an axis is first; by default in all of them.

        Parameters
        ----------
        axis : int or None
            None: the array is taken as one row.
        keepdims : bool
            Keep the axes, with length 1.
        skipna : bool
            Leave NaN out.
        """
        return self._of(
            reductions.reduce("argmin", self._node, axis, keepdims=keepdims, skipna=skipna)
        )

    def argmax(
        self, axis: SupportsIndex | None = None, *, keepdims: bool = False, skipna: bool = False
    ) -> Self:
        """Return where the greatest element along an axis is first; by default in all of them.

        Parameters
        ----------
        axis : int or None
            None: the array is taken as one row.
        keepdims : bool
            Keep the axes, with length 1.
        skipna : bool
            Leave NaN out.
        """
        return self._of(
            reductions.reduce("argmax", self._node, axis, keepdims=keepdims, skipna=skipna)
        )

    def any(self, axis: Axes = None, *, keepdims: bool = False, where: object = True) -> Self:
        """Return whether any element along some axes is true; by default of all.

        Parameters
        ----------
        axis : int, tuple of int or None
            None: all of them.
        keepdims : bool
            Keep the axes, with length 1.
        where : array_like of bool, optional
            The elements that take part.
        """
        return self._of(reductions.reduce("any", self._node, axis, keepdims=keepdims, where=where))

    def all(self, axis: Axes = None, *, keepdims: bool = False, where: object = True) -> Self:
        """Return whether all elements along some axes are true; by default all of them.

        Parameters
        ----------
        axis : int, tuple of int or None
            None: all of them.
        keepdims : bool
            Keep the axes, with length 1.
        where : array_like of bool, optional
            The elements that take part.
        """
        return self._of(reductions.reduce("all", self._node, axis, keepdims=keepdims, where=where))

    def ptp(self, axis: Axes = None, *, keepdims: bool = False) -> Self:
        """Return the greatest less the least along some axes (numpy.ptp)."""
        return self._of(reductions.spread(self._node, axis, keepdims))

    def cumsum(self, axis: SupportsIndex | None = None, dtype: DTypeLike | None = None) -> Self:
        """Return the sum of all elements up to each along an axis; None: of the flat array."""
        return self._of(scans.scan("cumsum", self._node, axis, dtype))

    def cumprod(self, axis: SupportsIndex | None = None, dtype: DTypeLike | None = None) -> Self:
        """Return the product of all elements up to each along an axis; None: of the flat array."""
        return self._of(scans.scan("cumprod", self._node, axis, dtype))

    def astype(self, dtype: DTypeLike) -> Self:
        """Return the same numbers in another dtype."""
        return self._of(elementwise.astype(self._node, np.dtype(dtype)))

    def clip(self, min: object = None, max: object = None) -> Self:
        """Return the numbers, and the bounds where they are beyond them."""
        return self._of(elementwise.clipped(self._node, min, max))

    def round(self, decimals: int = 0) -> Self:
        """Return the numbers rounded to decimals, to even ones where two are as near."""
        return self._of(elementwise.rounded(self._node, decimals))

    def conj(self) -> Self:
        """Return the complex conjugates."""
        return self._of(elementwise.of_nodes("conjugate", self._node))

    conjugate = conj

    @property
    def real(self) -> Self:
        """The real parts."""
        return self._of(elementwise.part("real", self._node))

    @property
    def imag(self) -> Self:
        """The imaginary parts."""
        return self._of(elementwise.part("imag", self._node))

    def reshape(self, *shape: SupportsIndex | Sequence[SupportsIndex]) -> Self:
        """Return the elements in another shape, in C order; one side may be -1."""
        given = shape[0] if len(shape) == 1 and isinstance(shape[0], Sequence) else shape
        return self._of(shapes.reshape(self._node, given))  # type: ignore[arg-type]

    def ravel(self) -> Self:
        """Return the elements in one row, in C order."""
        return self._of(shapes.reshape(self._node, -1))

    flatten = ravel

    def squeeze(self, axis: shapes.Axes | None = None) -> Self:
        """Return the elements without axes of length 1: all, or those that are named."""
        return self._of(shapes.squeeze(self._node, axis))

    def transpose(self, *axes: SupportsIndex | Sequence[SupportsIndex] | None) -> Self:
        """Return the elements with the axes in another order; by default from last to first."""
        given = axes[0] if len(axes) == 1 and not isinstance(axes[0], SupportsIndex) else axes
        return self._of(shapes.transpose(self._node, given or None))  # type: ignore[arg-type]

    def swapaxes(self, axis1: SupportsIndex, axis2: SupportsIndex) -> Self:
        """Return the elements with two axes that have changed places."""
        return self._of(shapes.swapaxes(self._node, axis1, axis2))

    @property
    def T(self) -> Self:  # noqa: N802 - NumPy's name
        """The elements with the axes from last to first."""
        return self._of(shapes.transpose(self._node))

    @property
    def mT(self) -> Self:  # noqa: N802 - NumPy's name
        """The elements with the last two axes that have changed places."""
        return self._of(shapes.swapaxes(self._node, -1, -2))
