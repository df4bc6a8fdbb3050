"""The numba kernels, against slow references, NumPy and SciPy."""
