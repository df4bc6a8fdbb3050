"""Filters whose codec needs code of its own; `registry` has the entries of all."""
