"""Fits: algorithms that iterate over rows or grids."""
