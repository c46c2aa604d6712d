"""Invitations, what a session is for, and the platform's visits to a provider's area."""

from __future__ import annotations

revision = "0011"
down_revision = "0010"


def upgrade() -> None:
    pass
