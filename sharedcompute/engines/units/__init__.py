"""Units of work: what a worker does at a time, the same for every engine."""
