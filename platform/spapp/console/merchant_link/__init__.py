"""The page behind a one-time link: what a merchant has to do on WeChat's side."""
