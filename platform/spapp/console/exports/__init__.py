"""The pages of exports: asking for a file, seeing how far it is, fetching it."""
