"""Shared memory: blocks, the arrays in them, and their removal when an owner is gone."""
