"""Checks of arguments that users give: integers, arrays, kernels."""
