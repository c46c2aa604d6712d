"""Bills by day, in the areas of service provider and platform."""
