"""Elementwise functions: what they return, programs of them, and kernels with NumPy's bits."""
