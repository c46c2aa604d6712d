"""The platform's own state: health, queues, certificates, settings."""
