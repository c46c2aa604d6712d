"""Who has access: members of a provider or of the platform, invitations, accounts."""
