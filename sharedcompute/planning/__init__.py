"""What will run: jobs are turned into plans, which are plain data."""
