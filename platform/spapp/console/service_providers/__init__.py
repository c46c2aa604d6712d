"""The platform's pages of service providers and of the sub-merchants of all of them."""
