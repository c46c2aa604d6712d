"""Refunds: from the request to the money that is back, one number for life."""
