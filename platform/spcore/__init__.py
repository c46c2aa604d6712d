"""The kernel: settings, secrets, database, outbox, audit, service providers.

It knows nothing of orders or pages.
"""
