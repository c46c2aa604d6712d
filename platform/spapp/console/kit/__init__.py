"""The pages of the mini-program kit."""
