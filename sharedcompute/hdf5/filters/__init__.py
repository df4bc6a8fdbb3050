"""Filters: decode and encode chunks as a dataset's filter pipeline says."""
