"""The price list of a merchant without a server: the client names a code, never an amount."""
