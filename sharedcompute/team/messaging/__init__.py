"""How objects travel between the parent and its workers, and between workers."""
