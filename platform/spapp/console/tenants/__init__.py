"""The pages of sub-merchants."""
