"""
Clusters
========

``kmeans`` finds centres and the nearest centre of every row, with the names and results of
``sklearn.cluster.KMeans``. The rows may lie in a file that is larger than memory.

First, rows around four places:
"""

import h5py
import matplotlib.pyplot as plt
import numpy as np

import sharedcompute as sc

rng = np.random.default_rng(2)
places = np.array([[0, 0], [4, 1], [1, 5], [6, 6]])
with h5py.File("points.h5", "w") as file:
    file["x"] = places[rng.integers(4, size=4000)] + rng.normal(size=(4000, 2))

# %%
# .. code-block:: console
#
#    $ sharedcompute fit kmeans points.h5::/x clusters.h5 -p n_clusters=4
#
# In Python:

fit = sc.fit("kmeans", "points.h5::/x", "clusters.h5", n_clusters=4)
fit.n_iter_, fit.converged_, fit.cluster_sizes_

# %%
# The history has a value for each round; rounds that choose the first centres are among them.

x, labels = sc.compute(sc.open("points.h5::/x"), fit.labels_)
figure, (left, right) = plt.subplots(1, 2, figsize=(9, 3.4), layout="constrained")
left.scatter(*x.T, c=labels, s=2, cmap="tab10")
left.plot(*fit.cluster_centers_.T, "k+", ms=12)
right.plot(fit.history["inertia"], marker=".")
right.set(xlabel="round", ylabel="inertia", yscale="log")

# %%
# Other rows
# ----------
#
# ``nearest_center`` and ``center_distances`` apply the centres to other rows. Their arrays may be addresses:
#
# .. code-block:: console
#
#    $ sharedcompute map nearest_center points.h5::/x again.h5 -p centers=clusters.h5::/cluster_centers

again = sc.map(
    "nearest_center", "points.h5::/x", "again.h5", centers="clusters.h5::/cluster_centers"
)
distances = sc.map("center_distances", x, centers=fit.cluster_centers_)
np.array_equal(again[:], labels), distances.shape
