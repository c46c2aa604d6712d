"""The work list in the three areas."""
