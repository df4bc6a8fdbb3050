"""Worker processes: start, set-up, main loop and end."""
