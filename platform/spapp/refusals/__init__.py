"""Calls that were refused, counted by day, reason, route and tenant; for the platform's eyes."""
