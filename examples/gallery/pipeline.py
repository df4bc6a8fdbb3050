"""
Several operations in one job
=============================

A job file names several operations; they run in as few passes over the input as can be. The steps form a chain: maps
and stencils change the rows, reductions look at the rows as they pass.
"""

from pathlib import Path

Path("job.toml").write_text("""
input = "A1B_north_america.nc::/air_temperature"
output = "job.h5"

[[steps]]
op = "anomaly"
save = "/anomaly"

[[steps]]
op = "gaussian"
params = { sigma = 5.0, axes = [0] }
save = "/smoothed"

[[steps]]
op = ["mean", "std"]
save = "/statistics"
""")

# %%
# .. code-block:: console
#
#    $ sharedcompute run job.toml --dry-run
#    $ sharedcompute run job.toml
#
# In Python:

import matplotlib.pyplot as plt

import sharedcompute as sc

sc.run("job.toml")

figure, (left, right) = plt.subplots(1, 2, figsize=(9, 3.2), layout="constrained")
for name, style in [("anomaly", {"color": "0.75"}), ("smoothed", {"lw": 2})]:
    left.plot(
        range(1860, 2100),
        sc.open(f"job.h5::/{name}").mean(axis=(1, 2)).compute(),
        label=name,
        **style,
    )
left.legend(frameon=False)
left.set(xlabel="year", ylabel="K")
figure.colorbar(right.pcolormesh(sc.open("job.h5::/statistics/std").compute()), ax=right, label="K")
right.set(title="std of the smoothed anomaly", xticks=[], yticks=[])
