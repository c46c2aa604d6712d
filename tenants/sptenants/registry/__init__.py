"""Tenants, their app bindings and API keys: the one door to a TenantScope."""
