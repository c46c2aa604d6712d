"""The pages of orders in the three areas."""
