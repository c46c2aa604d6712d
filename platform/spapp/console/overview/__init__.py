"""The first page of every area: today's figures, the last days, and what waits for a person."""
