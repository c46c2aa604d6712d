"""The sign inspector: which mistake explains a signature that does not verify (B-1); `v3` is for API v3."""
