"""The table of saved views."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import CheckConstraint, ForeignKey, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from spcore.db.base import Model


class SavedView(Model):
    """A filter under a name. It belongs to a role of a person, so that it never leads to another place."""

    __tablename__ = "saved_views"
    __table_args__ = (
        UniqueConstraint("membership_id", "list", "name"),
        CheckConstraint("list IN ('orders', 'refunds')", name="list"),
    )

    id: Mapped[str] = mapped_column(primary_key=True)
    membership_id: Mapped[str] = mapped_column(ForeignKey("memberships.id", ondelete="CASCADE"))
    list: Mapped[str]
    name: Mapped[str]
    query: Mapped[str]
    """What follows the question mark in the list's address; read anew whenever it is followed."""
    created_at: Mapped[datetime]
