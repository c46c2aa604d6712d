"""Orders summed by hour and day, and refusals counted by day."""

from __future__ import annotations

revision = "0012"
down_revision = "0011"


def upgrade() -> None:
    pass
