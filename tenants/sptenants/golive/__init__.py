"""Going live: the one-fen trial of every bound app, its certificate, and the last step to live."""
