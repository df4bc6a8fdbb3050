"""
Edges in images
===============

``sobel`` is a derivative along one axis with some smoothing along the others, ``laplace`` the sum of second
derivatives. Axis 0 of a stack of frames is the frame number: filter along the axes of the image.

First, a stack of frames with a disk that moves:
"""

import h5py
import matplotlib.pyplot as plt
import numpy as np

import sharedcompute as sc

rows, columns = np.mgrid[:96, :96]
frames = np.stack([np.hypot(rows - 48, columns - 20 - 3 * k) < 16 for k in range(16)])
with h5py.File("disks.h5", "w") as file:
    file["frames"] = sc.map("gaussian", frames.astype("f4"), sigma=1.5, axes=[1, 2])

# %%
# .. code-block:: console
#
#    $ sharedcompute map sobel disks.h5::/frames sobel.h5 -p axis=2
#    $ sharedcompute map laplace disks.h5::/frames laplace.h5 -p axes=1,2
#
# In Python:

sobel = sc.map("sobel", "disks.h5::/frames", "sobel.h5", axis=2)
laplace = sc.map("laplace", "disks.h5::/frames", "laplace.h5", axes=[1, 2])

figure, axes = plt.subplots(1, 3, figsize=(9, 3), layout="constrained")
shown = [("frame 8", sc.open("disks.h5::/frames")), ("sobel", sobel), ("laplace", laplace)]
for ax, (title, stack) in zip(axes, shown, strict=True):
    ax.imshow(stack[8], cmap="gray")
    ax.set(title=title, xticks=[], yticks=[])
