"""Means and products of columns: tiles of rows about a shift, and how two groups are pooled.

A scatter matrix is symmetric; its upper triangle is kept row after row, in d (d + 1) / 2 numbers:
half the memory for the states of all blocks, and half the time to pool them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numba import njit

from sharedcompute.kernels.cache import cached

if TYPE_CHECKING:
    from sharedcompute.kernels.arrays import Array, Floats, Vector

kernel = cached(njit(nogil=True, error_model="numpy"))


@kernel
def centre(x: Array, shift: Array, y: Array, total: Floats, squares: Floats) -> None:
    """Take `shift` off the rows of `x`, and add up what is left.

    Parameters
    ----------
    x : ndarray, shape (rows, columns)
    shift : ndarray, shape (columns,)
    y : ndarray, shape (rows, columns)
        Becomes ``x - shift``, in the dtype of `shift`.
    total, squares : ndarray of float64, shape (columns,)
        The columns of `y` and of its squares are added to them; no squares where that has shape
        (0,).
    """
    for i in range(x.shape[0]):
        a, b = x[i], y[i]
        for j in range(total.size):
            v: Array | np.float64 = a[j] - shift[j]
            b[j] = v
            total[j] += v
        for j in range(squares.size):
            v = np.float64(b[j])
            squares[j] += v * v


@kernel
def add_tile(
    n: float, mean: Array, scatter: Floats, m: float, shift: Array, total: Array, product: Array
) -> None:
    """Pool `n` rows with the `m` rows of a tile.

    Parameters
    ----------
    n, m : float
        Rows; `m` is not zero.
    mean : ndarray of float64, shape (d,)
    scatter : ndarray of float64, shape (d * (d + 1) // 2,)
        The upper triangle of the products of the columns about `mean`.
    shift, total : ndarray of float64, shape (d,)
        What was taken off the tile, and the sum of what is left.
    product : ndarray, shape (d, d)
        The products of the columns about `shift`.
    """
    d = mean.size
    own = total / m
    delta = shift + own - mean
    weight = n * m / (n + m)
    at = 0
    for i in range(d):
        kept = scatter[at : at + d - i]
        new, rest, apart = product[i, i:], own[i:], delta[i:]
        # The rest is small beside the spread: little is lost by taking it off.
        a, b = m * own[i], weight * delta[i]
        for j in range(d - i):
            kept[j] += (new[j] - a * rest[j]) + b * apart[j]
        at += d - i
    for j in range(d):
        mean[j] += delta[j] * (m / (n + m))


@kernel
def pool(
    n: float, mean: Array, scatter: Floats, m: float, other_mean: Array, other: Floats
) -> None:
    """Pool `n` rows with `m` others, of which there is at least one; as in `add_tile`."""
    d = mean.size
    delta = other_mean - mean
    weight = n * m / (n + m)
    at = 0
    for i in range(d):
        kept, new, apart = scatter[at : at + d - i], other[at : at + d - i], delta[i:]
        b = weight * delta[i]
        for j in range(d - i):
            kept[j] += new[j] + b * apart[j]
        at += d - i
    for j in range(d):
        mean[j] += delta[j] * (m / (n + m))


@kernel
def affine(x: Array, out: Array, shift: Floats, matrix: Array, offset: Floats) -> None:
    """Compute ``out = (x - shift) @ matrix + offset``, the bits of a row from that row alone.

    A BLAS picks its order of additions by the number of rows. Here a row is added up along its
    columns, always; four rows at a time share what is read of `matrix`.

    Parameters
    ----------
    x : ndarray, shape (rows, columns)
    out : ndarray, shape (rows, k)
    shift : ndarray of float64, shape (columns,)
    matrix : ndarray of float64, shape (columns, k), C-contiguous
    offset : ndarray of float64, shape (k,)
    """
    rows = x.shape[0]
    whole = rows // 4 * 4
    acc = np.empty((4, offset.size))
    a, b, c, d = acc[0], acc[1], acc[2], acc[3]
    for i in range(0, whole, 4):
        acc[:] = 0
        xa, xb, xc, xd = x[i], x[i + 1], x[i + 2], x[i + 3]
        for j in range(shift.size):
            m, s = matrix[j], shift[j]
            va, vb, vc, vd = xa[j] - s, xb[j] - s, xc[j] - s, xd[j] - s
            for k in range(offset.size):
                a[k] += va * m[k]
                b[k] += vb * m[k]
                c[k] += vc * m[k]
                d[k] += vd * m[k]
        for r in range(4):
            for k in range(offset.size):
                out[i + r, k] = acc[r, k] + offset[k]
    for i in range(whole, rows):
        a[:] = 0
        xa = x[i]
        for j in range(shift.size):
            m = matrix[j]
            va = xa[j] - shift[j]
            for k in range(offset.size):
                a[k] += va * m[k]
        for k in range(offset.size):
            out[i, k] = a[k] + offset[k]


@kernel
def row_products(x: Vector[Floats], v: Floats, out: Floats) -> None:
    """Compute ``out = x @ v``, each row in eight parallel sums, the same for any cut into strips.

    Parameters
    ----------
    x : ndarray, shape (rows, columns)
    v : ndarray of float64, shape (columns,)
    out : ndarray of float64, shape (rows,)
    """
    whole = v.size // 8 * 8
    for i in range(x.shape[0]):
        row = x[i]
        a = b = c = d = e = f = g = h = 0.0
        for j in range(0, whole, 8):
            r, s = row[j : j + 8], v[j : j + 8]
            a += r[0] * s[0]
            b += r[1] * s[1]
            c += r[2] * s[2]
            d += r[3] * s[3]
            e += r[4] * s[4]
            f += r[5] * s[5]
            g += r[6] * s[6]
            h += r[7] * s[7]
        for j in range(whole, v.size):
            a += row[j] * v[j]
        out[i] = ((a + b) + (c + d)) + ((e + f) + (g + h))
