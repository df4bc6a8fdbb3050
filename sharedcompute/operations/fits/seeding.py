"""k-means++ in rounds over the rows: a centre a round.

Each next centre is a row that is picked with probability in proportion to its squared distance to
the centres that exist. That takes one round and no second look: each row gets the key
``E / square``, where ``E`` is exponential, and the least key of all wins. The n-th number of the
round's random stream belongs to row n: the worker and the block of the row do not matter.

As in scikit-learn several candidates are picked, and the one is taken that leaves the least
distances. Which one that is shows at the end of the round; so the picks that would follow each of
them are made in the same round, in a race for each candidate.

References
----------
D. Arthur, S. Vassilvitskii, "k-means++: the advantages of careful seeding", SODA 2007.
P. S. Efraimidis, P. G. Spirakis, "Weighted random sampling with a reservoir", Information
Processing Letters 97, 2006.
"""

from __future__ import annotations

import numpy as np

from sharedcompute.kernels import clustering as kernels
from sharedcompute.operations.fits.picks import part, pick
from sharedcompute.operations.specs import Array, State


def race(
    x: Array, start: int, square: Array, random_state: int, model: State, state: State
) -> None:
    """Add up the distances with each candidate as a centre, and pick its possible successors.

    Parameters
    ----------
    x : ndarray, shape (rows, features)
    start : int
        The number of the first row.
    square : ndarray of float64, shape (rows,)
        The squared distance to the nearest centre so far; NaN before the first one.
    """
    stream = np.random.SeedSequence(random_state, spawn_key=(int(model["chosen"][0]),))
    # Each number takes one step of this generator, so it can begin at any row.
    bits = np.random.PCG64(stream).advance(start)
    exponential = -np.log1p(-np.random.Generator(bits).random(len(x)))
    candidates = model["candidates"]
    keys, to_candidate = np.full((len(candidates), len(x)), np.inf), np.empty(len(x))
    for i, key in enumerate(keys):
        kernels.squares(x, candidates, np.full(len(x), i, np.int32), to_candidate)
        left = np.fmin(square, to_candidate)
        state["inertia"][i] += left.sum()
        np.divide(exponential, left, out=key, where=left > 0)
    pick(state, keys, x, start)


def choose(model: State, state: State) -> None:
    """Make a centre of the candidate that leaves the least distances."""
    best, at = int(np.argmin(state["inertia"])), int(model["chosen"][0])
    candidates = model["candidates"]
    model["centers"][at] = candidates[best]
    model["inertia"][0] = state["inertia"][best]
    model["chosen"][0] = at + 1
    following = part(state, best, len(candidates))
    found = np.isfinite(state["key"][following])[: len(candidates)]
    # With fewer distinct rows than centres some centres have to be the same.
    candidates[...] = model["centers"][0]
    candidates[found] = state["x"][following][: len(candidates)][found]
