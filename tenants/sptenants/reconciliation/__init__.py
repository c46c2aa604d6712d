"""Our books against WeChat's bills: what differs, why, and the daily statement of each tenant."""
