"""Calls and notifications that were refused, or that nobody knew what to do with."""
