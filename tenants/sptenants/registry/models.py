"""Tables of tenants, their app bindings and API keys."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import CheckConstraint, ForeignKey, ForeignKeyConstraint, Index, UniqueConstraint, false
from sqlalchemy.orm import Mapped, mapped_column

from spcore.db.base import TENANT_OWNED, Model, TenantOwned, owned_by

MAX_BINDINGS = 5
"""WeChat binds at most five appids to one sub-merchant (acceptance S1-40)."""
MAX_DIRECTORIES = 5
"""WeChat keeps at most five payment directories a merchant number."""

_NUMBERLESS = "sub_mch_id IS NULL AND status IN ('ready', 'live', 'suspended')"


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
            postgresql_where=_NUMBERLESS,
            sqlite_where=_NUMBERLESS,
        ),
        {"info": owned_by(provider="provider_id", tenant="id") | {"door": True, "imported": True}},
    )

    id: Mapped[str] = mapped_column(primary_key=True)
    provider_id: Mapped[str] = mapped_column(ForeignKey("service_providers.id"))
    sub_mch_id: Mapped[str | None]
    """None for the one tenant of a plain merchant, and for drafts whose number is not known yet."""
    name: Mapped[str]
    short_name: Mapped[str | None]
    contact_sealed: Mapped[bytes | None]
    """Whom to ask there, sealed: personal data (see `contacts.py`)."""
    contact_version: Mapped[int] = mapped_column(default=0, server_default="0")
    contact_hint: Mapped[dict[str, Any] | None]
    """The same, masked, for everybody who only has to recognise it."""
    settlement_note: Mapped[str | None]
    status: Mapped[str]
    route_key: Mapped[str] = mapped_column(unique=True)
    """Opaque, unguessable part of this tenant's notify addresses."""
    server_per_second: Mapped[int] = mapped_column(default=200)
    session_per_second: Mapped[int] = mapped_column(default=20)
    refunds_double_payments: Mapped[bool] = mapped_column(default=False)
    """Give the second of two payments for one order back without asking a person."""
    merchant_refunds: Mapped[bool] = mapped_column(default=False)
    """Whether the merchant's own people may refund in their area."""
    own_bills: Mapped[bool] = mapped_column(default=False, server_default=false())
    """Fetch bills of this sub-merchant alone every day too, beside the provider's."""
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
    name: Mapped[str | None]
    """What people call the app."""
    kind: Mapped[str]
    owner: Mapped[str]
    status: Mapped[str]
    secret_sealed: Mapped[bytes | None]
    secret_version: Mapped[int] = mapped_column(default=0)
    """Counts the AppSecrets this binding has had; 0 means none is stored."""
    secret_fingerprint: Mapped[str | None]
    secret_hint: Mapped[str | None]
    """Its last four characters, for people to tell secrets apart (S13)."""
    secret_changed_at: Mapped[datetime | None]
    created_at: Mapped[datetime]
    updated_at: Mapped[datetime]


class PaymentDirectory(TenantOwned, Model):
    """An address prefix from which official account pages of the tenant pay (支付目录)."""

    __tablename__ = "payment_directories"
    __table_args__ = (
        ForeignKeyConstraint(["provider_id", "tenant_id"], ["tenants.provider_id", "tenants.id"]),
        UniqueConstraint("tenant_id", "url"),
        CheckConstraint(f"slot BETWEEN 1 AND {MAX_DIRECTORIES}", name="slot"),
        {"info": TENANT_OWNED},
    )

    slot: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    url: Mapped[str]
    created_at: Mapped[datetime]
    confirmed_at: Mapped[datetime | None]
    """When somebody said that WeChat's side has it; nothing of WeChat's tells us."""
    confirmed_by: Mapped[str | None]


class WechatTick(TenantOwned, Model):
    """Somebody's word that a thing was done on WeChat's side, where we cannot look."""

    __tablename__ = "wechat_ticks"
    __table_args__ = (
        ForeignKeyConstraint(["provider_id", "tenant_id"], ["tenants.provider_id", "tenants.id"]),
        {"info": TENANT_OWNED},
    )

    code: Mapped[str] = mapped_column(primary_key=True)
    """`signed`, `request_domain`, or `binding:` and the binding's id."""
    ticked_at: Mapped[datetime]
    ticked_by: Mapped[str]
    by_link: Mapped[bool]
    """Whether it was said through a one-time link rather than by one of our people."""


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
    rights: Mapped[list[str] | None]
    """What it may do (`rights.Right`); None is everything, also rights of later releases."""
    networks: Mapped[list[str] | None]
    """Addresses it may be used from, in CIDR notation; None is everywhere."""
    created_by: Mapped[str | None]
    """Name of who made it, for people to ask; None for keys older than this column."""
    created_at: Mapped[datetime]
    last_used_at: Mapped[datetime | None]
    revoked_at: Mapped[datetime | None]
