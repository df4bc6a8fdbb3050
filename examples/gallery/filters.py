"""
Filters of files
================

``repack`` stores a file again with other filters and chunks, on all cores, and keeps all attributes and links.

.. code-block:: console

   $ sharedcompute repack A1B_north_america.nc gzip.nc --filter gzip:4 --chunks 60,37,49
   $ sharedcompute repack A1B_north_america.nc zstd.nc --filter zstd:3 --chunks 60,37,49
   $ sharedcompute repack A1B_north_america.nc bitshuffle.nc --filter bitshuffle-lz4 --chunks 60,37,49

In Python:
"""

from pathlib import Path

import matplotlib.pyplot as plt

import sharedcompute as sc

chunks = (60, 37, 49)
for name, filter in [("gzip", "gzip:4"), ("zstd", "zstd:3"), ("bitshuffle", "bitshuffle-lz4")]:
    sc.repack("A1B_north_america.nc", f"{name}.nc", filter=filter, chunks=chunks)

names = ["A1B_north_america", "gzip", "zstd", "bitshuffle"]
figure, ax = plt.subplots(figsize=(6, 2.4), layout="constrained")
ax.barh(names, [Path(f"{name}.nc").stat().st_size / 1e6 for name in names])
ax.set(xlabel="MB")
