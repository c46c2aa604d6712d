"""Storing a provider's keys in versions: the new one signs at once, the old one verifies for a while."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import Row, insert, select, update
from sqlalchemy.ext.asyncio import AsyncSession

from spcore.db.base import table_of
from spcore.errors import Fault, InvalidInput, NotFound, Text
from spcore.providers.models import KeyKind, KeyState, Provider, ProviderKey
from spcore.vault import SealContext, Vault
from wechatpay.credentials import InvalidCredentials, V2Key

OVERLAP = timedelta(hours=48)
"""How long a replaced key still verifies: WeChat repeats notifications for 24 h (failure catalogue K01)."""

_SYMMETRIC = {KeyKind.API_V2, KeyKind.API_V3}
_KEPT_SIDE_BY_SIDE = {KeyKind.WECHATPAY_PUBLIC_KEY}
"""Kinds of which several are valid at once, one for each label (failure catalogue K04)."""


@dataclass(frozen=True, slots=True)
class PutKey:
    version: int
    changed: bool
    """False when the very same secret was active already; nothing was written then."""


def key_faults(kind: KeyKind, secret: bytes, pointer: str) -> list[Fault]:
    """Return what is wrong with the text of a symmetric key; other kinds have their own checks.

    Source: wechatpay-v2 1.3, acceptance S1-08.
    """
    if kind not in _SYMMETRIC:
        return []
    try:
        V2Key(1, secret.decode("ascii"))  # API v3 keys follow the same rule
    except (UnicodeDecodeError, InvalidCredentials):
        text = Text(
            "应恰好为 32 个英文字母或数字，前后不带空格",
            "must be exactly 32 ASCII letters or digits, without blanks around them",
        )
        return [Fault(pointer, "invalid_key", text)]
    return []


def fingerprint(secret: bytes) -> str:
    """Return the first 16 hex digits of the SHA-256 of a secret."""
    return hashlib.sha256(secret).hexdigest()[:16]


def key_context(provider_id: str, kind: str, version: int) -> SealContext:
    """Return the place in the vault of one version of a provider's key."""
    return SealContext(provider_id, None, kind, version)


async def put_key(
    session: AsyncSession,
    vault: Vault,
    *,
    provider_id: str,
    kind: KeyKind,
    secret: bytes,
    now: datetime,
    label: str | None = None,
    not_after: datetime | None = None,
) -> PutKey:
    """Make `secret` the active key of its kind, in the caller's transaction (a ProviderScope).

    The key before it verifies until `now` + 48 h. The provider's `key_epoch` grows, so that every keyring
    reads anew. Raises InvalidInput for a malformed key and NotFound for an unknown provider.
    """
    if faults := key_faults(kind, secret, f"#/{kind.value}"):
        raise InvalidInput(*faults)
    await _lock_provider(session, provider_id)
    stored = await _stored(session, provider_id, kind)
    rivals = [
        row for row in stored if row.state == KeyState.ACTIVE and _is_replaced_by(kind, row.label, label)
    ]
    mark = fingerprint(secret)
    for row in rivals:
        if row.fingerprint == mark:
            return PutKey(row.version, changed=False)
    version = max((row.version for row in stored), default=0) + 1
    await _retire(session, provider_id, kind, [row.version for row in rivals], now)
    await session.execute(
        insert(table_of(ProviderKey)),
        [
            {
                "provider_id": provider_id,
                "kind": kind.value,
                "version": version,
                "state": KeyState.ACTIVE.value,
                "sealed": vault.seal(secret, key_context(provider_id, kind.value, version)),
                "fingerprint": mark,
                "hint": secret[-4:].decode() if kind in _SYMMETRIC else None,
                "label": label,
                "not_after": not_after,
                "verify_until": None,
                "created_at": now,
            }
        ],
    )
    await session.execute(
        update(Provider)
        .where(Provider.id == provider_id)
        .values(key_epoch=Provider.key_epoch + 1, updated_at=now)
    )
    return PutKey(version, changed=True)


def _is_replaced_by(kind: KeyKind, old_label: str | None, new_label: str | None) -> bool:
    return kind not in _KEPT_SIDE_BY_SIDE or old_label == new_label


async def _lock_provider(session: AsyncSession, provider_id: str) -> None:
    # Two rotations at once would both read the same highest version.
    mine = select(Provider.id).where(Provider.id == provider_id).with_for_update()
    if await session.scalar(mine) is None:
        raise NotFound


async def _stored(
    session: AsyncSession, provider_id: str, kind: KeyKind
) -> Sequence[Row[int, str, str, str | None]]:
    mine = select(ProviderKey.version, ProviderKey.state, ProviderKey.fingerprint, ProviderKey.label).where(
        ProviderKey.provider_id == provider_id, ProviderKey.kind == kind.value
    )
    return (await session.execute(mine)).all()


async def _retire(
    session: AsyncSession, provider_id: str, kind: KeyKind, replaced: Sequence[int], now: datetime
) -> None:
    of_kind = (ProviderKey.provider_id == provider_id, ProviderKey.kind == kind.value)
    await session.execute(
        update(ProviderKey)
        .where(*of_kind, ProviderKey.state == KeyState.RETIRING.value, ProviderKey.verify_until <= now)
        .values(state=KeyState.RETIRED.value)
    )
    if replaced:
        await session.execute(
            update(ProviderKey)
            .where(*of_kind, ProviderKey.state == KeyState.ACTIVE.value, ProviderKey.version.in_(replaced))
            .values(state=KeyState.RETIRING.value, verify_until=now + OVERLAP)
        )
