"""What runs in a worker: programs, collectives, maps."""
