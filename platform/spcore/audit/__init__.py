"""The hash-chained audit log of what people and keys did."""
