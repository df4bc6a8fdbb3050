"""
Detector frames
===============

``flatfield`` removes what the detector adds and how unequal its pixels are: ``(x - dark) / (flat - dark)``, times the
mean of ``flat - dark``. The two frames are arrays, or addresses of arrays.

First, frames of a detector with stripes, and what it records in the dark and in even light:
"""

import h5py
import matplotlib.pyplot as plt
import numpy as np

import sharedcompute as sc

rng = np.random.default_rng(0)
gain = 1 + 0.3 * np.sin(np.arange(128) / 3) * np.ones((96, 1))
dark = 40 + 5 * rng.random((96, 128))
spot = np.exp(-((np.mgrid[:96, :128][0] - 48) ** 2 + (np.mgrid[:96, :128][1] - 64) ** 2) / 900)
frames = rng.poisson(300 * spot * gain, size=(32, 96, 128)) + dark
with h5py.File("run_7.h5", "w") as file:
    file.create_dataset("frames", data=frames.astype("u2"), chunks=(1, 96, 128), compression="gzip")
    file["dark"] = dark
    file["flat"] = 500 * gain + dark

# %%
# .. code-block:: console
#
#    $ sharedcompute map flatfield run_7.h5::/frames flat.h5 -p dark=run_7.h5::/dark -p flat=run_7.h5::/flat
#
# In Python:

flat = sc.map(
    "flatfield",
    "run_7.h5::/frames",
    "flat.h5",
    dark="run_7.h5::/dark",
    flat="run_7.h5::/flat",
)
flat

# %%
# The result is single precision, in chunks and with filters as the input's.

figure, axes = plt.subplots(1, 2, figsize=(9, 3), layout="constrained")
for ax, (title, stack) in zip(
    axes, [("as recorded", sc.open("run_7.h5::/frames")), ("flatfield", flat)], strict=True
):
    ax.imshow(stack[0], cmap="viridis")
    ax.set(title=title, xticks=[], yticks=[])
