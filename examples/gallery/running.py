"""
Running sums and maxima
=======================

A *scan* is cumulative along rows. Each block of rows needs what all rows before it add up to: an earlier pass finds
that, and the blocks then run side by side.

.. code-block:: console

   $ sharedcompute scan cumsum rain.h5::/day total.h5
   $ sharedcompute scan cummax rain.h5::/day record.h5
   $ sharedcompute scan cumprod rain.h5::/growth size.h5

In Python, on a year of rain at four stations:
"""

import h5py
import matplotlib.pyplot as plt
import numpy as np

import sharedcompute as sc

rng = np.random.default_rng(1)
with h5py.File("rain.h5", "w") as file:
    file["day"] = rng.gamma(0.2, 12.0, size=(365, 4))
    file["growth"] = 1 + rng.normal(0.002, 0.01, size=(365, 4))

total = sc.scan("cumsum", "rain.h5::/day", "total.h5")
record = sc.scan("cummax", "rain.h5::/day", "record.h5")
size = sc.scan("cumprod", "rain.h5::/growth", "size.h5")

figure, axes = plt.subplots(1, 3, figsize=(11, 3), layout="constrained")
for ax, (title, made) in zip(
    axes, [("cumsum", total), ("cummax", record), ("cumprod", size)], strict=True
):
    ax.plot(made[:])
    ax.set(title=title, xlabel="day")
