"""Database access: models' base, engines, scopes with their second wall, keyset paging."""
