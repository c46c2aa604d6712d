"""Exports: rows of a list as a CSV file, sent at once or written by the worker."""
