"""Transport of objects between the parent and its workers, and between workers."""
