"""The sign inspector for API v3: callbacks, requests and payment parameters that are signed by RSA (B-1)."""
