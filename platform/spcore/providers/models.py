"""Tables of service providers and of their keys and certificates."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum
from typing import Any

from sqlalchemy import CheckConstraint, ForeignKey, Index, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from spcore.db.base import Model, owned_by


class Mode(StrEnum):
    TEST = "test"
    LIVE = "live"


class KeyKind(StrEnum):
    API_V2 = "api_v2_key"
    API_V3 = "api_v3_key"
    CLIENT_CERTIFICATE = "client_certificate"
    WECHATPAY_PUBLIC_KEY = "wechatpay_public_key"
    PLATFORM_CERTIFICATE = "platform_certificate"


class KeyState(StrEnum):
    """`active` signs and verifies; `retiring`, and a `candidate` with a `verify_until`, only verify, up to
    then; `retired` does neither. So nothing is refused between a change at WeChat and ours."""

    CANDIDATE = "candidate"
    ACTIVE = "active"
    RETIRING = "retiring"
    RETIRED = "retired"


class Provider(Model):
    """A service provider, or a plain merchant that is its own only tenant (`kind` = merchant)."""

    __tablename__ = "service_providers"
    __table_args__ = (
        UniqueConstraint("mode", "mch_id"),
        CheckConstraint("mode IN ('test', 'live')", name="mode"),
        CheckConstraint("kind IN ('ordinary', 'bank', 'merchant')", name="kind"),
        CheckConstraint("api_version IN ('v2', 'v3')", name="api_version"),
        CheckConstraint("sign_type IN ('MD5', 'HMAC-SHA256')", name="sign_type"),
        CheckConstraint("status IN ('active', 'suspended')", name="status"),
        {"info": owned_by(provider="id") | {"door": True, "imported": True}},
    )

    id: Mapped[str] = mapped_column(primary_key=True)
    mode: Mapped[str]
    kind: Mapped[str]
    name: Mapped[str]
    mch_id: Mapped[str]
    appid: Mapped[str]
    api_version: Mapped[str]
    sign_type: Mapped[str]
    status: Mapped[str] = mapped_column(default="active")
    route_key: Mapped[str] = mapped_column(unique=True)
    """Opaque path part of the provider-wide notify addresses."""
    refund_approval_above: Mapped[int | None]
    """Fen: a refund above this that a person asks for waits for a second person; None asks for none."""
    key_epoch: Mapped[int] = mapped_column(default=1)
    """Grows with every change of a key; a keyring of an older epoch is read anew."""
    created_at: Mapped[datetime]
    updated_at: Mapped[datetime]


class ProviderKey(Model):
    """One version of one key or certificate; the secret part is sealed by the vault (rule C5)."""

    __tablename__ = "provider_keys"
    __table_args__ = (
        CheckConstraint("state IN ('candidate', 'active', 'retiring', 'retired')", name="state"),
        CheckConstraint("version >= 1", name="version"),
        {"info": owned_by(provider="provider_id") | {"imported": True}},
    )

    provider_id: Mapped[str] = mapped_column(ForeignKey("service_providers.id"), primary_key=True)
    kind: Mapped[str] = mapped_column(primary_key=True)
    version: Mapped[int] = mapped_column(primary_key=True)
    state: Mapped[str]
    sealed: Mapped[bytes]
    fingerprint: Mapped[str]
    """First 16 hex digits of the SHA-256 of the secret: enough to tell versions apart, useless otherwise."""
    hint: Mapped[str | None]
    """Last four characters of a symmetric key, by which people know it again; None for what is in PEM."""
    label: Mapped[str | None]
    """Serial number of a certificate or id of a public key."""
    not_after: Mapped[datetime | None]
    verify_until: Mapped[datetime | None]
    created_at: Mapped[datetime]


class KeyRehearsal(Model):
    """One trial of a candidate before it takes over (acceptance B-13)."""

    __tablename__ = "key_rehearsals"
    __table_args__ = (
        CheckConstraint("result IN ('passed', 'failed', 'unclear')", name="result"),
        Index("ix_key_rehearsals_key", "provider_id", "kind", "version", "id"),
        {"info": owned_by(provider="provider_id")},
    )

    provider_id: Mapped[str] = mapped_column(ForeignKey("service_providers.id"))
    id: Mapped[str] = mapped_column(primary_key=True)
    kind: Mapped[str]
    version: Mapped[int]
    tried: Mapped[int]
    """How many stored notifications it was tried against, and how many of them it opened or verified."""
    passed: Mapped[int]
    asked: Mapped[str]
    """What came of the harmless question to WeChat: `accepted`, `refused`, `unclear` or `not_asked`."""
    result: Mapped[str]
    facts: Mapped[dict[str, Any]]
    ran_by: Mapped[str]
    ran_at: Mapped[datetime]


class KeyUse(Model):
    """How often one key was met within an hour, by whose word: for the move from certificate to public key
    (acceptance B-15) and for the end of a replaced key (failure catalogue K02)."""

    __tablename__ = "key_uses"
    __table_args__ = (
        CheckConstraint("channel IN ('answer', 'notification', 'request')", name="channel"),
        {"info": owned_by(provider="provider_id")},
    )

    provider_id: Mapped[str] = mapped_column(ForeignKey("service_providers.id"), primary_key=True)
    channel: Mapped[str] = mapped_column(primary_key=True)
    kind: Mapped[str] = mapped_column(primary_key=True)
    name: Mapped[str] = mapped_column(primary_key=True)
    """Serial number or id of what has one, the version in digits of what has none."""
    hour: Mapped[datetime] = mapped_column(primary_key=True)
    uses: Mapped[int]
    last_at: Mapped[datetime]


class CertificateFetch(Model):
    """When WeChat was last asked for a provider's platform certificates: at most once a minute (K03)."""

    __tablename__ = "certificate_fetches"
    __table_args__ = ({"info": owned_by(provider="provider_id")},)

    provider_id: Mapped[str] = mapped_column(ForeignKey("service_providers.id"), primary_key=True)
    asked_at: Mapped[datetime]
    succeeded_at: Mapped[datetime | None]
    result: Mapped[str]
    """`asking`, `fetched`, `none` (the merchant number has only public keys), or why it failed."""
    found: Mapped[int]


class SecurityEcho(Model):
    """One test message that WeChat was asked to send back, also as a notification (wechatpay-v3 1.11)."""

    __tablename__ = "security_echoes"
    __table_args__ = (
        Index("ix_security_echoes_provider_id_id", "provider_id", "id"),
        {"info": owned_by(provider="provider_id")},
    )

    provider_id: Mapped[str] = mapped_column(ForeignKey("service_providers.id"))
    id: Mapped[str] = mapped_column(primary_key=True)
    """Is the message itself, so that a notification finds it."""
    asked_at: Mapped[datetime]
    notified_at: Mapped[datetime | None]
