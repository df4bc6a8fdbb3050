"""The options of every job, beside its operation, its input and its output."""
