"""The ``scaling`` command: the same job with 1, 2, 4 ... workers."""
