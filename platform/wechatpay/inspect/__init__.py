"""The sign inspector: which mistake explains a signature that does not verify (B-1). API v2 only."""
