"""
Smoothing
=========

A *stencil* needs the neighbours of a row too: its halo. ``gaussian``, ``uniform`` and ``median`` give what the filters
of `scipy.ndimage` with these names give, along the axes that are named.

.. code-block:: console

   $ sharedcompute map gaussian A1B_north_america.nc::/air_temperature gaussian.h5 -p sigma=5 -p axes=0
   $ sharedcompute map uniform A1B_north_america.nc::/air_temperature uniform.h5 -p size=11 -p axes=0
   $ sharedcompute map median A1B_north_america.nc::/air_temperature median.h5 -p size=3

In Python:
"""

import matplotlib.pyplot as plt

import sharedcompute as sc

field = "A1B_north_america.nc::/air_temperature"
gaussian = sc.map("gaussian", field, "gaussian.h5", sigma=5, axes=0)
uniform = sc.map("uniform", field, "uniform.h5", size=11, axes=0)
median = sc.map("median", field, "median.h5", size=3)

# %%
# The first two are along time, which is axis 0; the median is over windows of three years by three by three cells.

years = range(1860, 2100)
figure, ax = plt.subplots(figsize=(9, 3.2), layout="constrained")
ax.plot(years, sc.open(field)[:, 18, 24].compute(), color="0.75", label="one cell")
for name, made in [("gaussian", gaussian), ("uniform", uniform), ("median", median)]:
    ax.plot(years, made[:, 18, 24], label=name)
ax.set(xlabel="year", ylabel="K")
ax.legend(frameon=False)

# %%
# ``mode`` says how rows beyond the edges are made up: ``reflect`` (the default), ``constant``, ``nearest``, ``mirror``,
# ``wrap``. ``order`` takes a derivative of the Gaussian instead: the warming in kelvin per year.

warming = sc.map("gaussian", field, sigma=10, axes=0, order=1, mode="nearest")
figure, ax = plt.subplots(figsize=(5, 3.2), layout="constrained")
figure.colorbar(ax.pcolormesh(warming[-30], cmap="YlOrRd"), ax=ax, label="K a year")
ax.set(title="Warming in 2070", xticks=[], yticks=[])
