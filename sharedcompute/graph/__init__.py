"""The expression graph: what a user wrote, as immutable nodes that are equal where they mean the same."""
