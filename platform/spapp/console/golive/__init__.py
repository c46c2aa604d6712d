"""Trial payments, their certificates, and going live."""
