"""
Anomalies and standard scores
=============================

``anomaly`` subtracts the mean over all rows, ``zscore`` divides by the standard deviation as well. Both need the whole
input before the first row of the result: the plan has two passes, one for the mean and one for the rows.

.. code-block:: console

   $ sharedcompute map anomaly A1B_north_america.nc::/air_temperature anomaly.h5
   $ sharedcompute map zscore A1B_north_america.nc::/air_temperature zscore.h5

In Python:
"""

import matplotlib.pyplot as plt

import sharedcompute as sc

field = "A1B_north_america.nc::/air_temperature"
anomaly = sc.map("anomaly", field, "anomaly.h5")
zscore = sc.map("zscore", field, "zscore.h5")
anomaly

# %%
# Results in a file are returned as a lazy :class:`~sharedcompute.LazyArray`, which is read when its numbers are wanted.

figure, (left, right) = plt.subplots(1, 2, figsize=(9, 3.2), layout="constrained")
figure.colorbar(left.pcolormesh(anomaly[-1], cmap="RdBu_r", vmin=-8, vmax=8), ax=left, label="K")
left.set(title="Anomaly of 2099", xticks=[], yticks=[])
right.plot(range(1860, 2100), zscore[:, 18, 24])
right.set(title="Standard score of one cell", xlabel="year")

# %%
# A mean of your own
# ------------------
#
# ``mean`` may be an array, or the address of one, such as the mean of a reference period.

reference = sc.reduce("mean", sc.open(field)[:30])
sc.map("anomaly", field, "since_1890.h5", mean=reference)[-1].mean().compute()
