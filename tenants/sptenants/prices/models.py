"""Table of the price list."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import CheckConstraint, ForeignKeyConstraint
from sqlalchemy.orm import Mapped, mapped_column

from spcore.db.base import TENANT_OWNED, Model, TenantOwned


class Price(TenantOwned, Model):
    __tablename__ = "prices"
    __table_args__ = (
        ForeignKeyConstraint(["provider_id", "tenant_id"], ["tenants.provider_id", "tenants.id"]),
        CheckConstraint("amount BETWEEN 1 AND 999999999", name="amount"),
        CheckConstraint("max_quantity BETWEEN 1 AND 9999", name="max_quantity"),
        {"info": TENANT_OWNED | {"imported": True}},
    )

    code: Mapped[str] = mapped_column(primary_key=True)
    name: Mapped[str]
    amount: Mapped[int]
    """Fen for one piece."""
    max_quantity: Mapped[int]
    active: Mapped[bool] = mapped_column(default=True)
    updated_at: Mapped[datetime]
