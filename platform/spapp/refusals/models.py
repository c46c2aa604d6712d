"""The table of refusals. It belongs to nobody: whose call it was is often what was not known."""

from __future__ import annotations

from datetime import date, datetime

from sqlalchemy import Index
from sqlalchemy.orm import Mapped, mapped_column

from spcore.db.base import Model


class Refusal(Model):
    """How often calls of one kind were refused on one Shanghai day, and the last of them."""

    __tablename__ = "refusals"
    __table_args__ = (Index("ix_refusals_last_at", "last_at"),)

    day: Mapped[date] = mapped_column(primary_key=True)
    reason: Mapped[str] = mapped_column(primary_key=True)
    """A `Reason` of `journal.py`."""
    route: Mapped[str] = mapped_column(primary_key=True)
    """Method and template of the address, never the address itself: that may hold ids and route keys."""
    tenant_id: Mapped[str] = mapped_column(primary_key=True)
    """Of the credential; empty when none was recognized."""
    seen: Mapped[int]
    first_at: Mapped[datetime]
    last_at: Mapped[datetime]
    last_request_id: Mapped[str]
    last_peer: Mapped[str]
