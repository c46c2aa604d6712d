"""The analysis of transactions across tenants (console-and-api-design section 5)."""
