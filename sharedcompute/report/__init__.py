"""Plans and runs as text, pictures, HTML and JSON."""
