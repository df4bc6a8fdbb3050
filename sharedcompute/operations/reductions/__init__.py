"""Reductions, and the tally that combines the states of blocks."""
