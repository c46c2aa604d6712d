"""Storing a provider's keys in versions: the new one signs at once, the old one verifies for a while."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, cast

from sqlalchemy import CursorResult, insert, select, update
from sqlalchemy.ext.asyncio import AsyncSession

from spcore.db.base import table_of
from spcore.errors import Fault, InvalidInput, NotFound, Text
from spcore.providers.models import KeyKind, KeyState, Provider, ProviderKey
from spcore.vault import SealContext, Vault
from wechatpay.credentials import InvalidCredentials, V2Key

OVERLAP = timedelta(hours=48)
"""How long a replaced key still verifies: WeChat repeats notifications for 24 h (failure catalogue K01)."""
OVERLAP_API_V3 = timedelta(days=7)
"""How long a replaced API v3 key opens after its last use: whether the old one dies at once at WeChat is
disputed (failure catalogue K02)."""
CANDIDATE_VERIFIES_FOR = timedelta(hours=48)
"""Long enough for the change at WeChat; one that is forgotten stops being believed."""
_SYMMETRIC = {KeyKind.API_V2, KeyKind.API_V3}
SIDE_BY_SIDE = frozenset({KeyKind.WECHATPAY_PUBLIC_KEY, KeyKind.PLATFORM_CERTIFICATE})
"""WeChat's own keys: several are valid at once, one for each label (failure catalogue K03, K04)."""


@dataclass(frozen=True, slots=True)
class StoredKey:
    """One version of a key without its secret."""

    version: int
    state: str
    fingerprint: str
    label: str | None
    not_after: datetime | None
    verify_until: datetime | None


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

    The key before it verifies until `now` + `overlap_of(kind)`. The provider's `key_epoch` grows, so that
    every keyring reads anew. Raises InvalidInput for a malformed key and NotFound for an unknown provider.
    """
    if faults := key_faults(kind, secret, f"#/{kind.value}"):
        raise InvalidInput(*faults)
    await lock_provider(session, provider_id)
    stored = await stored_versions(session, provider_id, kind)
    rivals = rivals_of(stored, kind, label)
    mark = fingerprint(secret)
    for row in rivals:
        if row.fingerprint == mark:
            return PutKey(row.version, changed=False)
    version = next_version(stored)
    await retire_versions(session, provider_id, kind, [row.version for row in rivals], now)
    fresh = key_row(
        vault, provider_id, kind, version, KeyState.ACTIVE, secret, now, label=label, not_after=not_after
    )
    await session.execute(insert(table_of(ProviderKey)), [fresh])
    await next_epoch(session, provider_id, now)
    return PutKey(version, changed=True)


def overlap_of(kind: KeyKind) -> timedelta:
    """Return how long a replaced key of this kind counts beside the one that replaced it."""
    return OVERLAP_API_V3 if kind is KeyKind.API_V3 else OVERLAP


def key_row(
    vault: Vault,
    provider_id: str,
    kind: KeyKind,
    version: int,
    state: KeyState,
    secret: bytes,
    now: datetime,
    *,
    label: str | None,
    not_after: datetime | None,
) -> dict[str, Any]:
    """Return the row of a new version, its secret sealed for that place alone."""
    return {
        "provider_id": provider_id,
        "kind": kind.value,
        "version": version,
        "state": state.value,
        "sealed": vault.seal(secret, key_context(provider_id, kind.value, version)),
        "fingerprint": fingerprint(secret),
        "hint": secret[-4:].decode() if kind in _SYMMETRIC else None,
        "label": label,
        "not_after": not_after,
        "verify_until": None,
        "created_at": now,
    }


async def lock_provider(session: AsyncSession, provider_id: str) -> None:
    """Let one change of a provider's keys happen at a time. Raises NotFound for an unknown provider."""
    # Two rotations at once would both read the same highest version.
    mine = select(Provider.id).where(Provider.id == provider_id).with_for_update()
    if await session.scalar(mine) is None:
        raise NotFound


async def next_epoch(session: AsyncSession, provider_id: str, now: datetime) -> None:
    """Make every keyring read this provider's keys anew."""
    await session.execute(
        update(Provider)
        .where(Provider.id == provider_id)
        .values(key_epoch=Provider.key_epoch + 1, updated_at=now)
    )


async def stored_versions(session: AsyncSession, provider_id: str, kind: KeyKind) -> Sequence[StoredKey]:
    """Return every version of one kind without its secret, the newest first."""
    mine = (
        select(
            ProviderKey.version,
            ProviderKey.state,
            ProviderKey.fingerprint,
            ProviderKey.label,
            ProviderKey.not_after,
            ProviderKey.verify_until,
        )
        .where(ProviderKey.provider_id == provider_id, ProviderKey.kind == kind.value)
        .order_by(ProviderKey.version.desc())
    )
    return [StoredKey(*row) for row in (await session.execute(mine)).all()]


async def let_candidate_verify(
    session: AsyncSession, provider_id: str, kind: KeyKind, version: int, now: datetime
) -> None:
    """Let a candidate verify and open for two days from `now`, if it still is one."""
    await session.execute(
        update(ProviderKey)
        .where(
            ProviderKey.provider_id == provider_id,
            ProviderKey.kind == kind.value,
            ProviderKey.version == version,
            ProviderKey.state == KeyState.CANDIDATE.value,
        )
        .values(verify_until=now + CANDIDATE_VERIFIES_FOR)
    )
    await next_epoch(session, provider_id, now)


def next_version(stored: Sequence[StoredKey]) -> int:
    """Return the number after the highest one; numbers of versions that ended are not used again."""
    return max((row.version for row in stored), default=0) + 1


def rivals_of(stored: Sequence[StoredKey], kind: KeyKind, label: str | None) -> list[StoredKey]:
    """Return the active versions that one of this label takes the place of."""
    return [
        row
        for row in stored
        if row.state == KeyState.ACTIVE and (kind not in SIDE_BY_SIDE or row.label == label)
    ]


async def retire_versions(
    session: AsyncSession, provider_id: str, kind: KeyKind, replaced: Sequence[int], now: datetime
) -> None:
    """Let active versions verify for their overlap, and mark those as ended whose overlap is over."""
    of_kind = (ProviderKey.provider_id == provider_id, ProviderKey.kind == kind.value)
    await session.execute(
        update(ProviderKey)
        .where(*of_kind, ProviderKey.state == KeyState.RETIRING.value, ProviderKey.verify_until <= now)
        .values(state=KeyState.RETIRED.value)
    )
    if replaced:
        done = await session.execute(
            update(ProviderKey)
            .where(*of_kind, ProviderKey.state == KeyState.ACTIVE.value, ProviderKey.version.in_(replaced))
            .values(state=KeyState.RETIRING.value, verify_until=now + overlap_of(kind))
        )
        if cast("CursorResult[Any]", done).rowcount != len(replaced):
            raise RuntimeError(f"an active {kind.value} of {provider_id} was not ours to retire")
