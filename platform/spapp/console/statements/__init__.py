"""The daily statements of tenants in the areas of service provider and merchant."""
