"""The mini-program kit: one zip for one tenant, with nothing secret in it."""
