"""Pages of the platform's own people; every look at tenants' data is written down (rule Y4)."""
