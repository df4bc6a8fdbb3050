"""Rows out of datasets: sources and their readers."""
