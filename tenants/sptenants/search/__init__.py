"""Finding things by the numbers that people hold."""
