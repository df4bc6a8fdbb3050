"""
The largest eigenvalue
======================

``power`` finds the eigenvalue of largest magnitude of a square matrix, and its eigenvector, by power iteration. The
matrix may lie in a file that is larger than memory: a round reads it once.

First, a chain of links between pages, as a matrix whose columns add up to 1:
"""

import h5py
import matplotlib.pyplot as plt
import numpy as np

import sharedcompute as sc

rng = np.random.default_rng(4)
links = (rng.random((300, 300)) < 0.02) * rng.random((300, 1)) ** 3 + 1e-4
with h5py.File("links.h5", "w") as file:
    file["matrix"] = links / links.sum(axis=0)

# %%
# .. code-block:: console
#
#    $ sharedcompute solve power links.h5::/matrix rank.h5 -p tol=1e-10
#
# In Python:

rank = sc.solve("power", "links.h5::/matrix", "rank.h5", tol=1e-10)
rank.eigenvalue_, len(rank.history["residual"])

# %%
figure, (left, right) = plt.subplots(1, 2, figsize=(9, 3), layout="constrained")
left.plot(np.sort(np.abs(rank.eigenvector_))[::-1])
left.set(title="eigenvector, sorted", xlabel="page")
right.semilogy(rank.history["residual"])
right.set(title="residual", xlabel="round")
