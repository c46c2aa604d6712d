"""What `make run` starts: a whole installation on this machine, and one payment through all of it."""
