"""Taking in a sub-merchant: the wizard, lists of many at once, one-time links for its own staff."""
