"""The pages of webhook endpoints and of what was sent to them."""
