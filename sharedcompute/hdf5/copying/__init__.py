"""The structure of a file and its metadata, copied."""
