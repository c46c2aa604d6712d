"""Taking in many sub-merchants from a list."""
