"""Replays of notifications, and codes of WeChat's that nobody has explained yet."""

from __future__ import annotations

revision = "0010"
down_revision = "0009"


def upgrade() -> None:
    pass
