"""Figures about many orders: what overviews and the analysis of transactions show. Reads only."""
