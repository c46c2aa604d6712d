"""The wizard that takes a sub-merchant in, step by step."""
