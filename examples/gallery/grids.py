"""
Grids: heat and potentials
==========================

``heat`` does explicit steps in time of the heat equation, ``jacobi`` solves Laplace's or Poisson's equation by
Jacobi's method. The input is the grid at the beginning: for ``jacobi`` its edges are given and stay.

First, a plate with two warm edges:
"""

import h5py
import matplotlib.pyplot as plt
import numpy as np

import sharedcompute as sc

plate = np.zeros((80, 120))
plate[0], plate[:, 0] = 100, 60
with h5py.File("plate.h5", "w") as file:
    file["grid"] = plate

# %%
# .. code-block:: console
#
#    $ sharedcompute solve heat plate.h5::/grid heat.h5 -p sweeps=2000
#    $ sharedcompute solve jacobi plate.h5::/grid jacobi.h5 -p tol=1e-4 -p max_iter=20000
#
# In Python:

heat = sc.solve("heat", "plate.h5::/grid", "heat.h5", sweeps=2000)
jacobi = sc.solve("jacobi", "plate.h5::/grid", "jacobi.h5", tol=1e-4, max_iter=20000)
jacobi.n_iter_, jacobi.converged_

# %%
figure, axes = plt.subplots(1, 3, figsize=(11, 2.8), layout="constrained")
pictures = [("the beginning", plate), ("heat, 2000 steps", heat.grid_), ("jacobi", jacobi.grid_)]
for ax, (title, grid) in zip(axes, pictures, strict=True):
    ax.imshow(grid, cmap="inferno", vmin=0, vmax=100)
    ax.set(title=title, xticks=[], yticks=[])
