"""Texts as expressions of NumPy."""
