"""Validation of users' arguments: integers, arrays, kernels."""
