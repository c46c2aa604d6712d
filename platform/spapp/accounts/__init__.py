"""People: who may sign in, with which role, and their console sessions."""
