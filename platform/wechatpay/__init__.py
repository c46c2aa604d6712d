"""WeChat Pay, the protocol alone: no database, no settings, no web framework, no tenants."""
