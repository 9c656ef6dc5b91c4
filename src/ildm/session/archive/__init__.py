"""One session in one file."""
