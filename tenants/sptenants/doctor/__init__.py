"""What the installation can tell beforehand: whether a service provider and its tenants can take money."""
