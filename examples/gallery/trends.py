"""
Trends
======

``lstsq`` and ``ridge`` are linear regressions. The targets may have any shape after their rows: one call gives the
trend of every grid cell.

First, the years as a column:
"""

import h5py
import matplotlib.pyplot as plt
import numpy as np

import sharedcompute as sc

field = "A1B_north_america.nc::/air_temperature"
years = np.arange(1860.0, 2100.0)[:, None]
with h5py.File("years.h5", "w") as file:
    file["year"] = years

# %%
# .. code-block:: console
#
#    $ sharedcompute fit lstsq years.h5::/year trend.h5 -p y=A1B_north_america.nc::/air_temperature
#
# In Python:

trend = sc.fit("lstsq", "years.h5::/year", "trend.h5", y=field)
trend.coef_.shape, trend.intercept_.shape, trend.r2_.shape

# %%
figure, axes = plt.subplots(1, 2, figsize=(9, 3.2), layout="constrained")
pictures = [("K in a century", 100 * trend.coef_[..., 0]), ("r2", trend.r2_)]
for ax, (title, values) in zip(axes, pictures, strict=True):
    figure.colorbar(ax.pcolormesh(values, cmap="YlOrRd"), ax=ax)
    ax.set(title=title, xticks=[], yticks=[])

# %%
# ``linear`` predicts the targets of other rows: here of 1860 and 2099. ``ridge`` adds a penalty on the squares of the
# coefficients, for columns that nearly depend on each other.

ends = sc.map("linear", years[[0, -1]], coef=trend.coef_, intercept=trend.intercept_)
penalised = sc.fit("ridge", years, y=field, alpha=1e4)
print(ends.shape, (penalised.coef_ / trend.coef_).mean())
