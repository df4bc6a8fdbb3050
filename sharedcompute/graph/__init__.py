"""The expression graph: what a user wrote, apart from how it is computed."""
