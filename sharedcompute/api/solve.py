"""solve: iterative methods on grids and matrices."""

from __future__ import annotations

from typing import Any

from sharedcompute import events
from sharedcompute.api.fitted import Fitted
from sharedcompute.api.functions import iterate
from sharedcompute.events import Listener
from sharedcompute.operations.fits.declaration import Solve


def solve(
    op: str | Solve,
    input: Any,
    output: Any = None,
    *,
    listen: Listener = events.ignore,
    **settings: Any,
) -> Fitted:
    """Solve an equation by iteration on a grid or a matrix: ``heat``, ``jacobi``, ``power``.

    Parameters
    ----------
    op : str or Solve
        A name from ``sharedcompute ops``, or a solver of your own.
    input : address, ndarray, SharedArray, h5py.Dataset or Dataset
        The grid to begin with, or the matrix.
    output : address, optional
        Names a group, which gets a dataset for each result, and the history.
    listen : callable
        Gets the events of the run, with `RoundDone` after each round. When it raises
        StopIteration, the iteration ends with the best so far.
    **settings
        As for `map`; parameters of the solver among them.

    Returns
    -------
    Fitted
        The results by name, also as attributes.

    Raises
    ------
    InputError
        The data hold NaN or infinity, or do not suit the solver. And as for `map`.

    Examples
    --------
    >>> import numpy as np
    >>> import sharedcompute as sc
    >>> plate = np.zeros((64, 64))
    >>> plate[0] = 100.0
    >>> solved = sc.solve("heat", plate, sweeps=200)
    >>> solved.grid_.shape
    (64, 64)
    """
    return iterate("solve", op, input, output, listen, settings)
