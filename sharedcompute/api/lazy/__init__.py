"""Lazy arrays: NumPy's expressions, which are computed when they are asked for."""
