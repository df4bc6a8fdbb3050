"""
Simulation: gradients, spectra, histograms
==========================================

Snapshots of two fields on a grid, and particles in a table.
"""

import h5py
import matplotlib.pyplot as plt
import numpy as np
from scipy import ndimage
from sklearn.cluster import KMeans
from sklearn.decomposition import PCA

import sharedcompute as sc

rng = np.random.default_rng(0)
shape = (60, 32, 32)
velocity = [ndimage.gaussian_filter(rng.normal(size=shape), (0, 2, 2), mode="wrap") for _ in "uv"]
table = np.zeros(4000, [("id", "i8"), ("position", "f8", 3), ("energy", "f8")])
table["energy"] = rng.exponential(size=4000)
points = rng.normal(size=(4000, 3)) + 8 * rng.integers(3, size=(4000, 1))
with h5py.File("run.h5", "w") as file:
    for name, field in zip("uv", velocity, strict=True):
        file.create_dataset(name, data=field, chunks=(10, 32, 32), compression="gzip")
    file["particles"], file["points"] = table, points
ref_u, ref_v = velocity

# %%
# Two fields in, two fields out
# -----------------------------

u, v = sc.open("run.h5::/u"), sc.open("run.h5::/v")
polar = sc.store(
    {"polar.h5::/speed": np.hypot(u, v), "polar.h5::/direction": np.arctan2(v, u)}, overwrite=True
)
np.testing.assert_array_equal(polar["polar.h5::/speed"], np.hypot(ref_u, ref_v))
np.testing.assert_array_equal(polar["polar.h5::/direction"], np.arctan2(ref_v, ref_u))

# %%
# Gradients
# ---------
#
# Differences along any axis are slices of slices. On a periodic grid the neighbours are rolled; the rest is as in a
# textbook.

dv_dx = (np.roll(v, -1, axis=2) - np.roll(v, 1, axis=2)) / 2
du_dy = (np.roll(u, -1, axis=1) - np.roll(u, 1, axis=1)) / 2
vorticity = dv_dx - du_dy
inside = vorticity[:, 1:-1, 1:-1].compute()
wanted = np.gradient(ref_v, axis=2) - np.gradient(ref_u, axis=1)
np.testing.assert_allclose(inside, wanted[:, 1:-1, 1:-1], rtol=1e-12, atol=1e-14)

# %%
# In time, from a snapshot to the next but one:

du_dt = (u[2:] - u[:-2]) / 2
np.testing.assert_array_equal(du_dt, np.gradient(ref_u, axis=0)[1:-1])

# %%
# The Laplace operator and smoothing are operations with a name:

bent = sc.ops.laplace(u, axes=[1, 2])
np.testing.assert_allclose(bent[3], ndimage.laplace(ref_u[3]), rtol=1e-10, atol=1e-13)

# %%
# Binned power spectrum
# ---------------------
#
# A function of your own makes the transform of each snapshot; the bins are a product of matrices.


def power(field):
    return np.abs(np.fft.fft2(field)) ** 2


spectra = sc.map(power, "run.h5::/u", "power.h5::/u", overwrite=True)
wave = np.hypot(*np.meshgrid(*2 * [np.fft.fftfreq(32, 1 / 32)])).round().astype(int)
in_bin = (wave.reshape(-1, 1) == np.arange(16)).astype(float)
binned = spectra.reshape(-1, 32 * 32) @ (in_bin / in_bin.sum(axis=0))
mean_spectrum = binned.mean(axis=0).compute()
by_bin = [ndimage.mean(np.abs(np.fft.fft2(f)) ** 2, wave, np.arange(16)) for f in ref_u]
np.testing.assert_allclose(mean_spectrum, np.mean(by_bin, axis=0), rtol=1e-10)

# %%
# A column of a table
# -------------------
#
# One number of each record is an array as any other. How many particles are below each edge makes a histogram.

energy = sc.open("run.h5::/particles.energy")
edges = np.linspace(0, 4, 21)
counts = np.diff(sc.compute(*[(energy < edge).sum() for edge in edges]))
np.testing.assert_array_equal(counts, np.histogram(table["energy"], edges)[0])

# %%
# Clusters and principal components
# ---------------------------------

clusters = sc.fit("kmeans", "run.h5::/points", n_clusters=3, random_state=0)
theirs = KMeans(3, n_init=10, random_state=0).fit(points)
np.testing.assert_allclose(clusters.inertia_, theirs.inertia_, rtol=1e-6)

pca = sc.fit("pca", "run.h5::/points", n_components=2)
np.testing.assert_allclose(
    pca.explained_variance_, PCA(2).fit(points).explained_variance_, rtol=1e-10
)

# %%
# Heat
# ----
#
# ``solve`` iterates on a grid in shared memory until it changes no more, or for a number of sweeps.

plate = np.zeros((64, 64))
plate[0] = 100
warm = sc.solve("heat", plate, sweeps=50, alpha=0.2).grid_
slow = plate.copy()
for _ in range(50):
    slow[1:-1, 1:-1] += 0.2 * ndimage.laplace(slow)[1:-1, 1:-1]
np.testing.assert_allclose(warm, slow, rtol=1e-10, atol=1e-12)

# %%
figure, axes = plt.subplots(1, 3, figsize=(9, 2.8), layout="constrained")
figure.colorbar(axes[0].pcolormesh(vorticity[0]), ax=axes[0])
axes[0].set(title="vorticity", xticks=[], yticks=[])
axes[1].semilogy(mean_spectrum)
axes[1].set(title="power", xlabel="wave number")
axes[2].stairs(counts, edges)
axes[2].set(title="energy of particles")
