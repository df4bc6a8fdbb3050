"""
Element by element
==================

``scale``, ``clip``, ``threshold`` and ``cast`` change each value by itself.

.. code-block:: console

   $ sharedcompute map scale A1B_north_america.nc::/air_temperature celsius.h5 -p offset=-273.15
   $ sharedcompute map clip A1B_north_america.nc::/air_temperature clipped.h5 -p lower=273.15
   $ sharedcompute map threshold celsius.h5 warm.h5 -p level=20
   $ sharedcompute map cast celsius.h5 whole.h5 -p dtype=i2

In Python:
"""

import matplotlib.pyplot as plt

import sharedcompute as sc

field = "A1B_north_america.nc::/air_temperature"
celsius = sc.map("scale", field, "celsius.h5", offset=-273.15)
clipped = sc.map("clip", field, "clipped.h5", lower=273.15)
warm = sc.map("threshold", "celsius.h5", "warm.h5", level=20)
whole = sc.map("cast", "celsius.h5", "whole.h5", dtype="i2")

figure, axes = plt.subplots(2, 2, figsize=(9, 5.5), layout="constrained")
for ax, (title, made) in zip(
    axes.flat,
    [("scale", celsius), ("clip", clipped), ("threshold", warm), ("cast", whole)],
    strict=True,
):
    figure.colorbar(ax.pcolormesh(made[-1]), ax=ax)
    ax.set(title=f"{title}: {made.dtype}", xticks=[], yticks=[])
