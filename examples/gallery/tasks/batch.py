"""
Batch: folders of files
=======================

The same work for each file of a folder, in a program or on a cluster.
"""

from pathlib import Path

import h5py
import matplotlib.pyplot as plt
import numpy as np
import xarray as xr

import sharedcompute as sc

rng = np.random.default_rng(0)
folder, results = Path("measured"), Path("results")
folder.mkdir(exist_ok=True)
results.mkdir(exist_ok=True)
for number in range(6):
    with h5py.File(folder / f"run_{number}.h5", "w") as file:
        for name in ("u", "v"):
            data = rng.normal(number, 1, (100, 8, 12)).astype("f4")
            file.create_dataset(name, data=data, chunks=(10, 8, 12), compression="gzip")
files = sorted(folder.glob("*.h5"), key=lambda path: int(path.stem.split("_")[1]))

# %%
# A result for each file
# ----------------------
#
# A loop in one program starts nothing anew. Each output has several arrays, from one reading of the two inputs, and is
# complete or not there at all.

for path in files:
    u, v = sc.open(f"{path}::/u"), sc.open(f"{path}::/v")
    speed = np.hypot(u, v)
    out = results / path.name
    sc.store({f"{out}::/speed": speed, f"{out}::/mean": speed.mean(axis=0)}, overwrite=True)

for path in files:
    with h5py.File(path) as given, h5py.File(results / path.name) as made:
        expected = np.hypot(given["u"][:], given["v"][:])
        np.testing.assert_array_equal(made["speed"], expected)
        np.testing.assert_allclose(made["mean"], expected.mean(axis=0), rtol=1e-6)

# %%
# Numbers of all files at once
# ----------------------------
#
# All expressions may be computed together.

means = np.array(sc.compute(*[sc.open(f"{path}::/u").mean() for path in files]))
np.testing.assert_allclose(means, np.arange(6), atol=0.1)

# %%
# A file that exists is not written over, so that a loop that was stopped can go on where it was; and ``resume=True``
# continues the one file that a killed job left half done.

for path in files:
    try:
        sc.open(f"{path}::/u").store(f"{results / path.name}::/speed")
    except sc.OutputExists:
        continue
    raise AssertionError(f"{path} was written over")

# %%
# All arrays of a file
# --------------------
#
# ``stats`` gives the count, mean, deviation and range of each.

with h5py.File(files[3]) as file:
    names = list(file)
table = {name: sc.stats(f"{files[3]}::/{name}") for name in names}
np.testing.assert_allclose(float(table["u"]["mean"]), means[3], rtol=1e-6)
table["v"]

# %%
# Other filters for a folder
# --------------------------
#
# ``repack`` keeps all arrays, attributes and links.

small = Path("small")
small.mkdir(exist_ok=True)
for path in files:
    sc.repack(path, small / path.name, filter="zstd:3", overwrite=True)
for path in files:
    with h5py.File(path) as given, h5py.File(small / path.name) as made:
        np.testing.assert_array_equal(made["u"], given["u"])

# %%
# On the command line: what would run, a summary for a program, and whether a file is whole.
#
# .. code-block:: console
#
#    $ sharedcompute reduce mean,std measured/run_3.h5::/u stats.h5 --dry-run
#    $ sharedcompute reduce mean,std measured/run_3.h5::/u stats.h5 --json
#    $ sharedcompute verify stats.h5

# %%
# Other formats
# -------------
#
# What xarray opens, such as NetCDF-3, can be an input too. It is held in memory.

field = xr.DataArray(rng.normal(size=(50, 4, 6)), dims=("time", "lat", "lon"), name="t2m")
field.to_netcdf("old.nc", engine="scipy")
old = sc.lazy(xr.load_dataarray("old.nc", engine="scipy"))
np.testing.assert_allclose(old.mean(axis=0), field.mean("time"), rtol=1e-12)
old

# %%
figure, ax = plt.subplots(figsize=(5, 2.6), layout="constrained")
ax.plot(means, "o")
ax.set(xlabel="run", ylabel="mean of u")
