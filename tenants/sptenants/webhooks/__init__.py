"""Where merchants want to be told of events: endpoints and their secrets."""
