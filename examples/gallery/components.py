"""
Principal components
====================

``pca`` gives the directions along which the rows vary, from most to least; ``project`` the coordinates of rows along
them. Rows of any shape count as vectors: here each year's field of 37 x 49 cells is one.

.. code-block:: console

   $ sharedcompute fit pca A1B_north_america.nc::/air_temperature pca.h5 -p n_components=3
   $ sharedcompute map project A1B_north_america.nc::/air_temperature scores.h5 -p components=pca.h5::/components -p mean=pca.h5::/mean

In Python:
"""

import matplotlib.pyplot as plt

import sharedcompute as sc

field = "A1B_north_america.nc::/air_temperature"
pca = sc.fit("pca", field, "pca.h5", n_components=3)
scores = sc.map(
    "project", field, "scores.h5", components="pca.h5::/components", mean="pca.h5::/mean"
)
pca.explained_variance_ratio_

# %%
# The first component, as a map, and how much of it each year has:

figure, (left, right) = plt.subplots(1, 2, figsize=(9, 3.2), layout="constrained")
first = pca.components_[0].reshape(37, 49)
figure.colorbar(left.pcolormesh(first, cmap="RdBu_r"), ax=left)
left.set(title="first component", xticks=[], yticks=[])
right.plot(range(1860, 2100), scores[:], label=["first", "second", "third"])
right.set(xlabel="year", title="coordinates")
right.legend(frameon=False)

# %%
# The same as an estimator with scikit-learn's interface, for pipelines and searches: see :doc:`/guide/learn`.

x = sc.open(field).reshape(240, -1).compute()
model = sc.learn.PCA(n_components=3).fit(x)
model.transform(x[:2]).round(2)
