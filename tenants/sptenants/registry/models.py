"""Tables of tenants, their app bindings and API keys."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import CheckConstraint, ForeignKey, ForeignKeyConstraint, Index, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from spcore.db.base import TENANT_OWNED, Model, TenantOwned, owned_by

MAX_BINDINGS = 5
"""WeChat binds at most five appids to one sub-merchant (acceptance S1-40)."""


class Tenant(Model):
    """A sub-merchant (特约商户) of one provider: one tenant is one `sub_mch_id`."""

    __tablename__ = "tenants"
    __table_args__ = (
        UniqueConstraint("provider_id", "id"),
        UniqueConstraint("provider_id", "sub_mch_id"),
        UniqueConstraint("provider_id", "name"),
        CheckConstraint(
            "status IN ('draft', 'onboarding', 'ready', 'live', 'suspended', 'closed')", name="status"
        ),
        CheckConstraint("server_per_second >= 1", name="server_per_second"),
        CheckConstraint("session_per_second >= 1", name="session_per_second"),
        Index(
            "uq_tenants_plain_merchant",
            "provider_id",
            unique=True,
            postgresql_where="sub_mch_id IS NULL",
            sqlite_where="sub_mch_id IS NULL",
        ),
        {"info": owned_by(provider="provider_id", tenant="id") | {"door": True, "imported": True}},
    )

    id: Mapped[str] = mapped_column(primary_key=True)
    provider_id: Mapped[str] = mapped_column(ForeignKey("service_providers.id"))
    sub_mch_id: Mapped[str | None]
    """None only for the one tenant of a plain merchant."""
    name: Mapped[str]
    status: Mapped[str]
    route_key: Mapped[str] = mapped_column(unique=True)
    """Opaque, unguessable part of this tenant's notify addresses."""
    server_per_second: Mapped[int] = mapped_column(default=200)
    session_per_second: Mapped[int] = mapped_column(default=20)
    refunds_double_payments: Mapped[bool] = mapped_column(default=False)
    """Give the second of two payments for one order back without asking a person."""
    merchant_refunds: Mapped[bool] = mapped_column(default=False)
    """Whether the merchant's own people may refund in their area."""
    created_at: Mapped[datetime]
    updated_at: Mapped[datetime]


class AppClaim(Model):
    """Which provider uses an appid: tenants of two providers cannot bind the same one (O06)."""

    __tablename__ = "app_claims"
    __table_args__ = (
        UniqueConstraint("provider_id", "mode", "sub_appid"),
        {"info": owned_by(provider="provider_id") | {"imported": True}},
    )

    mode: Mapped[str] = mapped_column(primary_key=True)
    sub_appid: Mapped[str] = mapped_column(primary_key=True)
    provider_id: Mapped[str] = mapped_column(ForeignKey("service_providers.id"))


class AppBinding(TenantOwned, Model):
    """An appid bound to a tenant. The slot number is what keeps them to five, whoever inserts at once."""

    __tablename__ = "app_bindings"
    __table_args__ = (
        ForeignKeyConstraint(["provider_id", "tenant_id"], ["tenants.provider_id", "tenants.id"]),
        ForeignKeyConstraint(
            ["provider_id", "mode", "sub_appid"],
            ["app_claims.provider_id", "app_claims.mode", "app_claims.sub_appid"],
        ),
        UniqueConstraint("tenant_id", "slot"),
        UniqueConstraint("tenant_id", "sub_appid"),
        CheckConstraint(f"slot BETWEEN 1 AND {MAX_BINDINGS}", name="slot"),
        CheckConstraint("kind IN ('miniprogram', 'official_account', 'app')", name="kind"),
        CheckConstraint("owner IN ('merchant', 'channel', 'provider')", name="owner"),
        CheckConstraint(
            "owner <> 'provider' OR kind = 'miniprogram'", name="provider_owns_miniprograms_only"
        ),
        CheckConstraint("status IN ('unverified', 'verified', 'invalid', 'disabled')", name="status"),
        {"info": TENANT_OWNED | {"imported": True}},
    )

    id: Mapped[str] = mapped_column(primary_key=True)
    slot: Mapped[int]
    mode: Mapped[str]
    sub_appid: Mapped[str]
    kind: Mapped[str]
    owner: Mapped[str]
    status: Mapped[str]
    secret_sealed: Mapped[bytes | None]
    secret_version: Mapped[int] = mapped_column(default=0)
    """Counts the AppSecrets this binding has had; 0 means none is stored."""
    secret_fingerprint: Mapped[str | None]
    created_at: Mapped[datetime]
    updated_at: Mapped[datetime]


class ApiKey(Model):
    """A key of a tenant's server (`wsk_`) or, without a tenant, of the provider's own (`wpk_`)."""

    __tablename__ = "api_keys"
    __table_args__ = (
        ForeignKeyConstraint(["provider_id", "tenant_id"], ["tenants.provider_id", "tenants.id"]),
        Index("ix_api_keys_tenant_id", "tenant_id"),
        {"info": owned_by(provider="provider_id", tenant="tenant_id") | {"door": True, "imported": True}},
    )

    id: Mapped[str] = mapped_column(primary_key=True)
    provider_id: Mapped[str] = mapped_column(ForeignKey("service_providers.id"))
    tenant_id: Mapped[str | None]
    name: Mapped[str]
    secret_hash: Mapped[str] = mapped_column(unique=True)
    """SHA-256 of the whole key in hex; the key itself is shown once and kept nowhere."""
    hint: Mapped[str]
    """Prefix and last four characters, for people to tell keys apart."""
    created_at: Mapped[datetime]
    last_used_at: Mapped[datetime | None]
    revoked_at: Mapped[datetime | None]
