"""The sign inspector."""
