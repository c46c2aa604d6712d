"""API v3: JSON over HTTP statuses, signed by RSA in both directions (wechatpay-v3)."""
