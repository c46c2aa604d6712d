"""Table of mini-program sessions."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import ForeignKeyConstraint, Index
from sqlalchemy.orm import Mapped, mapped_column

from spcore.db.base import TENANT_OWNED, Model, TenantOwned


class MiniSession(TenantOwned, Model):
    """A payer who logged in: bound to one tenant, one appid and one openid (O07, O08)."""

    __tablename__ = "mini_sessions"
    __table_args__ = (
        ForeignKeyConstraint(["provider_id", "tenant_id"], ["tenants.provider_id", "tenants.id"]),
        Index("ix_mini_sessions_payer", "tenant_id", "sub_appid", "openid"),
        Index("ix_mini_sessions_expires_at", "expires_at"),
        Index(
            "uq_mini_sessions_session_key",
            "tenant_id",
            "sub_appid",
            "openid",
            unique=True,
            postgresql_where="session_key_sealed IS NOT NULL",
            sqlite_where="session_key_sealed IS NOT NULL",
        ),
        {"info": TENANT_OWNED | {"door": True}},
    )

    token_hash: Mapped[str] = mapped_column(primary_key=True)
    """SHA-256 of the token in hex."""
    sub_appid: Mapped[str]
    openid: Mapped[str]
    session_key_sealed: Mapped[bytes | None]
    """Only the newest login of a payer holds it: WeChat lets every wx.login end the one before (S2-01)."""
    created_at: Mapped[datetime]
    expires_at: Mapped[datetime]
