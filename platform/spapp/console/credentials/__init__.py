"""The page of a service provider's own keys and certificates."""
