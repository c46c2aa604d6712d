"""Saved views: the filter of a list under a name, kept for one person in one of their roles."""
