"""The work list of differences, in the areas of service provider and platform."""
