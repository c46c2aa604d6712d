"""The price list of a merchant without a server."""
