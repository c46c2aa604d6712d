"""The catalogue of WeChat's codes in plain words."""
