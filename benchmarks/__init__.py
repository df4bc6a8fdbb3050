"""Speed and memory, side by side with the peers. Run with ``make bench``."""
