"""The journal of notifications, and applying one anew."""
