"""Pages of a service provider, and what the pages of all three areas share."""
