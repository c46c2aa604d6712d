"""What every request passes: ids, headers, limits, sign-in, CSRF, and answers to errors."""
