"""What is written from declarations: options into signatures, and the types of operations."""
