"""Worker processes: how they start, what they set up, how they end."""
