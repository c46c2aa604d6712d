"""The pages of refunds in the areas that have them."""
