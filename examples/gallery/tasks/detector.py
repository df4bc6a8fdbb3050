"""
Detector: regions, centres, profiles
====================================

Frames of a detector in two runs, joined by a virtual dataset as beamlines write it.
"""

import h5py
import matplotlib.pyplot as plt
import numpy as np
from scipy import ndimage

import sharedcompute as sc

rng = np.random.default_rng(0)
rows, columns = np.mgrid[:48, :64]
radius = np.hypot(rows - 23.5, columns - 31.5)
rings = 30 * np.exp(-((radius - 14) ** 2) / 8) + 4
rings[7, 11] = 2000  # a hot pixel
layout = h5py.VirtualLayout((200, 48, 64), "u2")
for run in range(2):
    with h5py.File(f"run_{run}.h5", "w") as file:
        frames = rng.poisson(rings * rng.uniform(0.5, 1.5, (100, 1, 1)), (100, 48, 64))
        file.create_dataset(
            "data", data=frames.astype("u2"), chunks=(1, 48, 64), compression="gzip"
        )
    layout[100 * run : 100 * run + 100] = h5py.VirtualSource(f"run_{run}.h5", "data", (100, 48, 64))
with h5py.File("master.h5", "w") as file:
    file.create_virtual_dataset("entry/data", layout)
    file["dark"], file["flat"] = np.full((48, 64), 2.0), rng.uniform(8, 12, (48, 64))
with h5py.File("master.h5") as file:
    ref = file["entry/data"][:]  # in memory, to compare with

# %%
# Sum, maximum, hot pixels
# ------------------------
#
# A pixel is hot where its mean is far above those around it.

x = sc.open("master.h5::/entry/data")
total, most, mean = sc.compute(x.sum(axis=0), x.max(axis=0), x.mean(axis=0))
np.testing.assert_array_equal(total, ref.sum(axis=0))
np.testing.assert_array_equal(most, ref.max(axis=0))

hot = mean > 5 * ndimage.median_filter(mean, 5)
assert list(zip(*np.nonzero(hot), strict=True)) == [(7, 11)]

# %%
# Dark and flat, without hot pixels
# ---------------------------------

dark, flat = sc.open("master.h5::/dark"), sc.open("master.h5::/flat")
clean = np.where(hot, 0, (x - dark) / (flat - dark))
with h5py.File("master.h5") as file:
    expected = np.where(hot, 0, (ref - file["dark"][:]) / (file["flat"][:] - file["dark"][:]))
np.testing.assert_array_equal(clean, expected)
clean

# %%
# Regions, virtual detectors, centre of mass
# ------------------------------------------
#
# Each is one number for each frame; together they take one pass over the frames.

ring = (radius > 10) & (radius < 18)
region = clean[:, 10:20, 30:40].sum(axis=(1, 2))
virtual = (clean * ring).sum(axis=(1, 2))
weight = clean.sum(axis=(1, 2))
along_y = (clean * rows).sum(axis=(1, 2)) / weight
along_x = (clean * columns).sum(axis=(1, 2)) / weight
region, virtual, along_y, along_x = sc.compute(region, virtual, along_y, along_x)

np.testing.assert_allclose(region, expected[:, 10:20, 30:40].sum(axis=(1, 2)), rtol=1e-12)
np.testing.assert_allclose(virtual, expected[:, ring].sum(axis=1), rtol=1e-12)
centres = [ndimage.center_of_mass(frame) for frame in expected]
np.testing.assert_allclose(np.stack([along_y, along_x], axis=1), centres, rtol=1e-10)

# %%
# Larger pixels
# -------------
#
# ``store`` writes them with the filters of the input.

binned = clean.reshape(-1, 24, 2, 32, 2).sum(axis=(2, 4))
binned.store("binned.h5::/data", overwrite=True)
np.testing.assert_allclose(
    sc.open("binned.h5::/data"), expected.reshape(-1, 24, 2, 32, 2).sum(axis=(2, 4)), rtol=1e-12
)

# %%
# Azimuthal profile
# -----------------
#
# Which pixel belongs to which ring is a matrix; a product of it with each frame adds them up.

ring_of = radius.astype(int)
in_ring = (ring_of.reshape(-1, 1) == np.arange(ring_of.max() + 1)).astype(float)
profiles = clean.reshape(-1, 48 * 64) @ (in_ring / in_ring.sum(axis=0))
profiles = profiles.compute()
by_ring = [ndimage.mean(frame, ring_of, np.arange(ring_of.max() + 1)) for frame in expected]
np.testing.assert_allclose(profiles, by_ring, rtol=1e-10)

# %%
# Histogram of counts
# -------------------
#
# Each count below an edge is a sum over all frames, and one pass makes them all.

edges = [0, 5, 10, 20, 40, 80]
below = sc.compute(*[(x < edge).sum() for edge in edges])
counts = np.diff(below)
np.testing.assert_array_equal(counts, np.histogram(ref[ref < 80], edges)[0])

# %%
# Median over frames
# ------------------
#
# It needs all frames of a pixel at once: a band of the detector is read at a time.

median = np.concatenate([np.median(x[:, at : at + 16], axis=0) for at in range(0, 48, 16)])
np.testing.assert_array_equal(median, np.median(ref, axis=0))

# %%
figure, axes = plt.subplots(1, 3, figsize=(9, 2.8), layout="constrained")
axes[0].imshow(total, vmax=np.quantile(total, 0.99))
axes[0].set(title="sum", xticks=[], yticks=[])
axes[1].plot(profiles[:3].T)
axes[1].set(title="profiles of three frames", xlabel="radius")
axes[2].plot(along_x, along_y, ".")
axes[2].set(title="centres")
