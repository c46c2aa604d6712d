"""What onboarding keeps: who runs a shop, payment directories, one-time links."""

from __future__ import annotations

revision = "0008"
down_revision = "0007"


def upgrade() -> None:
    pass
