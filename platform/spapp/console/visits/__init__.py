"""The platform in a provider's console, and why its people look at rows of tenants."""
