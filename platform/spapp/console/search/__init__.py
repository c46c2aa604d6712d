"""The page of the global search."""
