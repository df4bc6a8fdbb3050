"""
Statistics over rows
====================

Rows are axis 0, here the years. A reduction over rows gives one value for each grid cell; several reductions that are
named together share one pass over the file.

.. code-block:: console

   $ sharedcompute reduce mean,std,min,max,argmax A1B_north_america.nc::/air_temperature statistics.h5

In Python:
"""

import matplotlib.pyplot as plt
import numpy as np

import sharedcompute as sc

found = sc.reduce(
    ["mean", "std", "min", "max", "argmax"],
    "A1B_north_america.nc::/air_temperature",
    "statistics.h5",
)
{name: array.shape for name, array in found.items()}

# %%
# ``argmax`` is the number of the row, so that the year of the warmest value is ``1860 + argmax``.

figure, axes = plt.subplots(1, 3, figsize=(11, 3), layout="constrained")
pictures = [
    ("mean", found["mean"]),
    ("std", found["std"]),
    ("warmest year", 1860 + found["argmax"]),
]
for ax, (title, values) in zip(axes, pictures, strict=True):
    figure.colorbar(ax.pcolormesh(values), ax=ax)
    ax.set(title=title, xticks=[], yticks=[])

# %%
# Over all elements
# -----------------
#
# ``axis="all"`` (``--axis all``) reduces everything to one number. Without an output a few results are printed.
#
# .. code-block:: console
#
#    $ sharedcompute reduce mean,std A1B_north_america.nc::/air_temperature --axis all

sc.reduce(["mean", "std"], "A1B_north_america.nc::/air_temperature", axis="all")

# %%
# Missing values
# --------------
#
# NaN spreads through a reduction, as in NumPy; ``skipna=True`` (``--skipna``) leaves it out. ``count`` and ``nan_count``
# are the numbers of values that are not NaN, and that are.

x = np.array([[1.0, 5.0], [np.nan, 7.0], [3.0, 9.0]])
print(sc.reduce(["count", "nan_count", "sum"], x))
print(sc.reduce(["mean", "min", "argmin"], x, skipna=True))

# %%
# ``any`` and ``all`` take every value other than 0 as true; ``var`` and ``prod`` are NumPy's.

sc.reduce(["any", "all", "var", "prod"], x > 4)
