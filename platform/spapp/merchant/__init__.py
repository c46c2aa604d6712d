"""Pages of a sub-merchant's people: one tenant, nothing of any other."""
