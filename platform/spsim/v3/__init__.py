"""API v3 of the simulated gateway (wechatpay-v3): JSON over the same books, accounts and faults as v2."""
