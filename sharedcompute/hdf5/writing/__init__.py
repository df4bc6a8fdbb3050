"""Rows into datasets: sinks, the output file and its place."""
