"""Array jobs over HDF5 files with every core of the machine.

Large arrays live in shared memory, numba kernels do the hot loops, a partitioner gives row ranges
to supervised worker processes, and results are written to HDF5. See ``README.md``.
"""

import lazy_loader

__version__ = "0.1.0"

# NumPy, numba and h5py take 0.7 s to import: each name of the stub brings what it needs when it is
# first used.
__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
