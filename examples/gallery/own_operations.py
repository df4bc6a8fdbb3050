"""
Operations of your own
======================

A declaration names a kernel and says what it needs; it then works with every command, engine and file as the
operations of the package do. :doc:`/guide/own-operations` explains each kind.

Write them to a Python file, so that the command line finds them too:
"""

from pathlib import Path

Path("contrast.py").write_text("""
import numba
import sharedcompute as sc


@numba.njit(cache=True, nogil=True)
def _contrast(x, out, gain, middle):  # x, out: some rows, each as one line of columns
    for i in range(x.shape[0]):
        for j in range(x.shape[1]):
            out[i, j] = (x[i, j] - middle) * gain + middle


contrast = sc.Map(
    "contrast",
    _contrast,
    "Stretch away from the middle",
    parameters=(
        sc.Parameter("gain", float, "multiplies the distance"),
        sc.Parameter("middle", float, "stays where it is", 0.0),
    ),
    matrix=True,
)
""")

# %%
# .. code-block:: console
#
#    $ sharedcompute map --op-from contrast.py:contrast A1B_north_america.nc::/air_temperature contrast.h5 -p gain=2 -p middle=286
#
# In Python:

import matplotlib.pyplot as plt
from contrast import contrast

import sharedcompute as sc

field = "A1B_north_america.nc::/air_temperature"
made = sc.map(contrast, field, "contrast.h5", gain=2, middle=286)

figure, axes = plt.subplots(1, 2, figsize=(9, 3.2), layout="constrained")
for ax, (title, rows) in zip(axes, [("input", sc.open(field)), ("contrast", made)], strict=True):
    figure.colorbar(ax.pcolormesh(rows[-1], vmin=230, vmax=340), ax=ax)
    ax.set(title=title, xticks=[], yticks=[])

# %%
# A plain function will do for a quick try. It may be a closure: its variables travel with it.


def shifted(by):
    def kernel(x, out):
        out[:] = x + by

    return kernel


sc.map(shifted(-273.15), field)[-1].max()
