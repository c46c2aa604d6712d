"""Every provider's keys at hand: opened and checked once, then served without asking the database."""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

import structlog
from sqlalchemy import Row, and_, select

from spcore.clock import Clock
from spcore.db.engine import Database
from spcore.db.scope import ProviderScope
from spcore.providers.errors import ProviderNotReady
from spcore.providers.keys import key_context
from spcore.providers.models import KeyKind, KeyState, Provider, ProviderKey
from spcore.vault import Vault, VaultError
from wechatpay.credentials import InvalidCredentials, V2Key

_log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class V2Keys:
    """The API v2 keys of one provider that still count for something."""

    signing: V2Key
    retiring: tuple[tuple[V2Key, datetime], ...]
    """Replaced keys, newest first, each with the moment until which it verifies."""

    def verifying(self, now: datetime) -> tuple[V2Key, ...]:
        """Return the keys a notification may be signed with at `now`, the active one first (K01, N05)."""
        return (self.signing, *(key for key, until in self.retiring if now < until))

    def version(self, number: int) -> V2Key | None:
        """Return the active or retiring key of this version, None when it no longer counts."""
        for key in (self.signing, *(key for key, _until in self.retiring)):
            if key.version == number:
                return key
        return None


class Keyring:
    """Keys by provider and epoch. A provider's `key_epoch` grows with every change of a key, so that an
    entry of an older epoch is read anew, also by processes that did not make the change.

    `loads` counts how often the database was asked.
    """

    def __init__(self, database: Database, vault: Vault, clock: Clock) -> None:
        self._database = database
        self._vault = vault
        self._clock = clock
        self._held: dict[str, tuple[int, V2Keys]] = {}
        self._locks: defaultdict[str, asyncio.Lock] = defaultdict(asyncio.Lock)
        self.loads = 0

    async def v2(self, provider_id: str, epoch: int) -> V2Keys:
        """Return the API v2 keys as of `epoch` or later; no statement when they are at hand.

        Raises ProviderNotReady when there is no active key, or one does not open (K08).
        """
        if (keys := self._at_hand(provider_id, epoch)) is not None:
            return keys
        async with self._locks[provider_id]:
            if (keys := self._at_hand(provider_id, epoch)) is not None:
                return keys
            read_epoch, keys = await self._load(provider_id)
            self._held[provider_id] = (read_epoch, keys)
            return keys

    def _at_hand(self, provider_id: str, epoch: int) -> V2Keys | None:
        held = self._held.get(provider_id)
        return held[1] if held is not None and held[0] >= epoch else None

    async def _load(self, provider_id: str) -> tuple[int, V2Keys]:
        self.loads += 1
        query = (
            select(
                Provider.key_epoch,
                ProviderKey.version,
                ProviderKey.state,
                ProviderKey.sealed,
                ProviderKey.verify_until,
            )
            .join(
                ProviderKey,
                and_(ProviderKey.provider_id == Provider.id, ProviderKey.kind == KeyKind.API_V2.value),
            )
            .where(Provider.id == provider_id, ProviderKey.state != KeyState.RETIRED.value)
            .order_by(ProviderKey.version.desc())
        )
        async with self._database.read(ProviderScope(provider_id)) as session:
            rows = (await session.execute(query)).all()
        return (rows[0].key_epoch if rows else 0), self._open(provider_id, rows)

    def _open(self, provider_id: str, rows: Sequence[Row[int, int, str, bytes, datetime | None]]) -> V2Keys:
        signing: V2Key | None = None
        retiring: list[tuple[V2Key, datetime]] = []
        now = self._clock.now()
        for row in rows:
            if row.state == KeyState.ACTIVE:
                signing = self._key(provider_id, row.version, row.sealed)
            elif row.verify_until is not None and now < row.verify_until:
                retiring.append((self._key(provider_id, row.version, row.sealed), row.verify_until))
        if signing is None:
            raise ProviderNotReady.without_key()
        return V2Keys(signing, tuple(retiring))

    def _key(self, provider_id: str, version: int, sealed: bytes) -> V2Key:
        context = key_context(provider_id, KeyKind.API_V2.value, version)
        try:
            return V2Key(version, self._vault.open(sealed, context).decode("ascii"))
        except (VaultError, UnicodeDecodeError, InvalidCredentials) as error:
            reason = error.reason if isinstance(error, VaultError) else "not_a_key"
            _log.error("keyring.unreadable_key", provider_id=provider_id, version=version, reason=reason)
            raise ProviderNotReady.unreadable_key() from None
