"""Notifications from WeChat Pay: journalled, verified, applied."""
