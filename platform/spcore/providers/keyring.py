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
from spcore.providers.certificates import load_private_key, platform_key, split_bundle
from spcore.providers.errors import ProviderNotReady
from spcore.providers.held import V2Keys, V3Keys
from spcore.providers.keys import SIDE_BY_SIDE, key_context
from spcore.providers.models import KeyKind, KeyState, Provider, ProviderKey
from spcore.vault import Vault, VaultError
from wechatpay.credentials import ApiV3Key, ClientCertificate, InvalidCredentials, V2Key, V3Key
from wechatpay.v3.platform_keys import PlatformKey, PlatformKeys

_log = structlog.get_logger(__name__)

_Stored = Row[int, str, int, str, bytes, datetime | None, str | None, datetime | None]
"""key_epoch, kind, version, state, sealed, verify_until, label, not_after."""
_OF_V3 = (
    KeyKind.API_V3,
    KeyKind.CLIENT_CERTIFICATE,
    KeyKind.WECHATPAY_PUBLIC_KEY,
    KeyKind.PLATFORM_CERTIFICATE,
)


@dataclass(frozen=True, slots=True)
class _HeldCertificate:
    certificate: ClientCertificate
    not_after: datetime


class Keyring:
    """Keys and certificates by provider and epoch. A provider's `key_epoch` grows with every change of
    one, so that an entry of an older epoch is read anew, also by processes that did not make the change.

    `loads` counts how often the database was asked.
    """

    def __init__(self, database: Database, vault: Vault, clock: Clock) -> None:
        self._database = database
        self._vault = vault
        self._clock = clock
        self._held: dict[str, tuple[int, V2Keys]] = {}
        self._held_v3: dict[str, tuple[int, V3Keys]] = {}
        self._certificates: dict[str, tuple[int, _HeldCertificate]] = {}
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

    async def v3(self, provider_id: str, epoch: int) -> V3Keys:
        """Return what API v3 needs as of `epoch` or later, parsed; no statement when it is at hand.

        Raises ProviderNotReady when an active key does not open (K08).
        """
        held = self._held_v3.get(provider_id)
        if held is None or held[0] < epoch:
            async with self._locks[provider_id]:
                held = self._held_v3.get(provider_id)
                if held is None or held[0] < epoch:
                    rows = await self._stored(provider_id, *_OF_V3)
                    # Whoever has no key of v3 is known as such until one comes, and asked for no more.
                    held = (rows[0].key_epoch if rows else epoch), self._open_v3(provider_id, rows)
                    self._held_v3[provider_id] = held
        return held[1]

    async def certificate(self, provider_id: str, epoch: int) -> ClientCertificate:
        """Return the active API certificate as of `epoch` or later; no statement when it is at hand.

        A certificate is found by its provider alone, so that no other's can be used (F09). Raises
        ProviderNotReady when there is none, it does not open (K08) or it has expired (K05).
        """
        held = self._certificates.get(provider_id)
        if held is None or held[0] < epoch:
            async with self._locks[provider_id]:
                held = self._certificates.get(provider_id)
                if held is None or held[0] < epoch:
                    held = await self._load_certificate(provider_id)
                    self._certificates[provider_id] = held
        if held[1].not_after <= self._clock.now():
            raise ProviderNotReady.expired_certificate()
        return held[1].certificate

    def _at_hand(self, provider_id: str, epoch: int) -> V2Keys | None:
        held = self._held.get(provider_id)
        return held[1] if held is not None and held[0] >= epoch else None

    async def _load(self, provider_id: str) -> tuple[int, V2Keys]:
        rows = await self._stored(provider_id, KeyKind.API_V2)
        return (rows[0].key_epoch if rows else 0), self._open(provider_id, rows)

    async def _load_certificate(self, provider_id: str) -> tuple[int, _HeldCertificate]:
        for row in await self._stored(provider_id, KeyKind.CLIENT_CERTIFICATE):
            if row.state == KeyState.ACTIVE:
                return row.key_epoch, self._certificate(provider_id, row)
        raise ProviderNotReady.without_certificate()

    async def _stored(self, provider_id: str, *kinds: KeyKind) -> Sequence[_Stored]:
        """Return the versions of these kinds that still count, newest first."""
        self.loads += 1
        counting = (KeyState.ACTIVE.value, KeyState.RETIRING.value, KeyState.CANDIDATE.value)
        of_kinds = ProviderKey.kind.in_([kind.value for kind in kinds])
        query = (
            select(
                Provider.key_epoch,
                ProviderKey.kind,
                ProviderKey.version,
                ProviderKey.state,
                ProviderKey.sealed,
                ProviderKey.verify_until,
                ProviderKey.label,
                ProviderKey.not_after,
            )
            .join(ProviderKey, and_(ProviderKey.provider_id == Provider.id, of_kinds))
            .where(Provider.id == provider_id, ProviderKey.state.in_(counting))
            .order_by(ProviderKey.version.desc())
        )
        async with self._database.read(ProviderScope(provider_id)) as session:
            return (await session.execute(query)).all()

    def _open(self, provider_id: str, rows: Sequence[_Stored]) -> V2Keys:
        signing: V2Key | None = None
        others: list[tuple[V2Key, datetime]] = []
        now = self._clock.now()
        for row in rows:
            if row.state == KeyState.ACTIVE:
                signing = self._key(provider_id, row.version, row.sealed)
            elif row.verify_until is not None and now < row.verify_until:
                others.append((self._key(provider_id, row.version, row.sealed), row.verify_until))
        if signing is None:
            raise ProviderNotReady.without_key()
        return V2Keys(signing, tuple(others))

    def _open_v3(self, provider_id: str, rows: Sequence[_Stored]) -> V3Keys:
        now = self._clock.now()
        platform = PlatformKeys(
            key for row in reversed(rows) if (key := self._platform_key(provider_id, row)) is not None
        )
        own, own_ends_at, unreadable = None, None, None
        opening: list[tuple[ApiV3Key, datetime | None]] = []
        for row in sorted(rows, key=lambda row: row.state != KeyState.ACTIVE):
            active = row.state == KeyState.ACTIVE
            until = None if active else row.verify_until
            try:
                if row.kind == KeyKind.CLIENT_CERTIFICATE and active:
                    own, own_ends_at = self._own(provider_id, row, platform)
                elif row.kind == KeyKind.API_V3 and (active or (until is not None and now < until)):
                    opening.append((self._v3_key(provider_id, row), until))
            except ProviderNotReady as fault:
                # Notifications need no certificate, and hardly ever a key that was replaced.
                if row.kind == KeyKind.API_V3 and active:
                    raise
                unreadable = fault
        return V3Keys(own, own_ends_at, tuple(opening), platform, unreadable)

    def _own(self, provider_id: str, row: _Stored, platform: PlatformKeys) -> tuple[V3Key, datetime]:
        held = self._certificate(provider_id, row)
        pair = held.certificate
        try:
            key = load_private_key(pair.key_pem)
        except ValueError:
            raise self._unreadable(provider_id, row, "not_a_key") from None
        return V3Key(pair.version, pair.serial, key, platform), held.not_after

    def _platform_key(self, provider_id: str, row: _Stored) -> PlatformKey | None:
        if row.kind not in SIDE_BY_SIDE or (row.state != KeyState.ACTIVE and row.verify_until is None):
            return None
        context = key_context(provider_id, row.kind, row.version)
        try:
            pem = self._vault.open(row.sealed, context)
            only_verifies = row.state != KeyState.ACTIVE
            return platform_key(
                KeyKind(row.kind), row.label or "", pem, row.verify_until, only_verifies=only_verifies
            )
        except (VaultError, ValueError) as error:
            # One of WeChat's keys less is a matter of its own serial; the others go on.
            self._unreadable(provider_id, row, error.reason if isinstance(error, VaultError) else "not_a_key")
            return None

    def _v3_key(self, provider_id: str, row: _Stored) -> ApiV3Key:
        context = key_context(provider_id, KeyKind.API_V3.value, row.version)
        try:
            return ApiV3Key(row.version, self._vault.open(row.sealed, context).decode("ascii"))
        except (VaultError, UnicodeDecodeError, InvalidCredentials) as error:
            reason = error.reason if isinstance(error, VaultError) else "not_a_key"
            raise self._unreadable(provider_id, row, reason) from None

    def _unreadable(self, provider_id: str, row: _Stored, reason: str) -> ProviderNotReady:
        _log.error(
            "keyring.unreadable_key",
            provider_id=provider_id,
            kind=row.kind,
            version=row.version,
            reason=reason,
        )
        return ProviderNotReady.unreadable_key()

    def _key(self, provider_id: str, version: int, sealed: bytes) -> V2Key:
        context = key_context(provider_id, KeyKind.API_V2.value, version)
        try:
            return V2Key(version, self._vault.open(sealed, context).decode("ascii"))
        except (VaultError, UnicodeDecodeError, InvalidCredentials) as error:
            reason = error.reason if isinstance(error, VaultError) else "not_a_key"
            _log.error("keyring.unreadable_key", provider_id=provider_id, version=version, reason=reason)
            raise ProviderNotReady.unreadable_key() from None

    def _certificate(self, provider_id: str, row: _Stored) -> _HeldCertificate:
        context = key_context(provider_id, KeyKind.CLIENT_CERTIFICATE.value, row.version)
        try:
            cert_pem, key_pem = split_bundle(self._vault.open(row.sealed, context))
            if row.label is None or row.not_after is None:
                raise ValueError("a certificate is stored with its serial number and its end")
        except (VaultError, ValueError) as error:
            reason = error.reason if isinstance(error, VaultError) else "not_a_certificate"
            _log.error(
                "keyring.unreadable_certificate", provider_id=provider_id, version=row.version, reason=reason
            )
            raise ProviderNotReady.unreadable_certificate() from None
        return _HeldCertificate(ClientCertificate(row.version, row.label, cert_pem, key_pem), row.not_after)
