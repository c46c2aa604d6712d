"""The audit log, of one provider and of everybody."""
