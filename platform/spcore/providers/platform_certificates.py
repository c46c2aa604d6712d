"""WeChat's platform certificates: fetched twice a day, and at once when an unknown serial number is met.

Both certificates of a rotation are kept side by side and chosen by serial number (failure catalogue K03).
However many processes there are and however many forged messages name unknown serial numbers, WeChat is
asked once a minute for each provider at most, and nobody waits for somebody else's question.
"""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Protocol, cast

import structlog
from sqlalchemy import CursorResult, and_, insert, or_, select, update
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.ext.asyncio import AsyncSession

from spcore.audit.actor import SYSTEM
from spcore.audit.writer import Act, record
from spcore.clock import Clock
from spcore.db.base import table_of
from spcore.db.engine import Database
from spcore.db.scope import ProviderScope, WorkerScope
from spcore.providers.errors import ProviderNotReady
from spcore.providers.keyring import Keyring
from spcore.providers.keys import key_row, lock_provider, next_epoch, next_version, stored_versions
from spcore.providers.models import CertificateFetch, KeyKind, KeyState, Provider, ProviderKey
from spcore.providers.profile import ProviderProfile
from spcore.providers.questions import NO_CERTIFICATES
from spcore.vault import Vault
from wechatpay.credentials import ApiV3Key, V3Key
from wechatpay.errors import Refused, WechatPayError
from wechatpay.identifiers import MchId
from wechatpay.transport import JsonLine
from wechatpay.v3 import certificates
from wechatpay.v3.certificates import PlatformCertificate

ONCE_IN = timedelta(minutes=1)
EVERY = timedelta(hours=12)
AFTER_A_FAILURE = timedelta(hours=1)
ASKING, FETCHED, NONE = "asking", "fetched", "none"

_SPREAD_S = 3600
_DONE = (FETCHED, NONE)

_log = structlog.get_logger(__name__)


class Lines(Protocol):
    """The connections of each provider."""

    def line(self, mode: str, provider_id: str) -> JsonLine: ...


@dataclass(frozen=True, slots=True)
class Fetch:
    """How the last question to WeChat ended. `result` is `asking`, `fetched`, `none` (the merchant number has
    public keys only), or a short token of what went wrong; `found` how many certificates it gave."""

    asked_at: datetime
    succeeded_at: datetime | None
    result: str
    found: int

    def next_at(self, provider_id: str) -> datetime:
        """Return when the worker asks again; providers are spread over an hour."""
        if self.result not in _DONE:
            return self.asked_at + AFTER_A_FAILURE
        return self.asked_at + EVERY - _spread(provider_id)

    def is_due(self, provider_id: str, now: datetime) -> bool:
        """Say whether the worker asks now; a question of the future was asked by a clock that was wrong."""
        return self.next_at(provider_id) <= now or self.asked_at > now + ONCE_IN


@dataclass(frozen=True, slots=True)
class _Asker:
    """What a question needs of a provider."""

    own: V3Key
    opening: tuple[ApiV3Key, ...]


class PlatformCertificates:
    """Never raises for what WeChat does or does not: how a question ended stands in `certificate_fetches`."""

    def __init__(
        self, database: Database, vault: Vault, clock: Clock, keyring: Keyring, lines: Lines
    ) -> None:
        self._database = database
        self._vault = vault
        self._clock = clock
        self._keyring = keyring
        self._lines = lines
        self._tried: dict[str, datetime] = {}
        self._under_way: dict[str, asyncio.Task[None]] = {}

    async def learn(self, provider: ProviderProfile) -> int | None:
        """Ask WeChat for its certificates because one was met that is not known.

        Returns the provider's `key_epoch` when it is newer than the caller's, by this question or by somebody
        else's a moment ago; None when nothing is new or WeChat was asked within the last minute.
        """
        now = self._clock.now()
        # A flood of forged messages must not become one of statements.
        if self._is_early(provider.id):
            return None
        self._tried[provider.id] = now
        asker = await self._asker(provider, now)
        if asker is None:
            return None
        if await self._claim(provider.id, now, now - ONCE_IN):
            return await self._ask(provider, asker)
        return await self._newer_epoch(provider)

    def suspect(self, provider_id: str) -> None:
        """Learn in the background: an answer was signed with a certificate that is not known.

        What was asked stays without a believable answer and is asked again by healing (rule T2).
        """
        if provider_id in self._under_way or self._is_early(provider_id):
            return
        task = asyncio.create_task(self._learn_of(provider_id), name="platform_certificates")
        self._under_way[provider_id] = task
        task.add_done_callback(lambda _task: self._under_way.pop(provider_id, None))

    async def close(self) -> None:
        """End what is under way."""
        tasks = list(self._under_way.values())
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def run_due(self) -> int:
        """Ask for every provider whose time has come, and return for how many that was.

        Every 12 hours; after a failure hourly (wechatpay-v3 1.6). Providers without an API v3 key or an API
        certificate are left alone.
        """
        now, asked = self._clock.now(), 0
        for provider, fetch in await self._providers():
            if fetch is not None and not fetch.is_due(provider.id, now):
                continue
            asker = await self._asker(provider, now)
            if asker is None:
                continue
            seen = fetch.asked_at if fetch is not None else now - ONCE_IN
            if await self._claim(provider.id, self._clock.now(), seen):
                await self._ask(provider, asker)
                asked += 1
        return asked

    async def last_fetch(self, scope: ProviderScope) -> Fetch | None:
        """Return how the last question ended, None when none was asked yet."""
        query = select(CertificateFetch).where(CertificateFetch.provider_id == scope.provider_id)
        async with self._database.read(scope) as session:
            row = await session.scalar(query)
        return None if row is None else _fetch(row)

    def _is_early(self, provider_id: str) -> bool:
        tried, now = self._tried.get(provider_id), self._clock.now()
        return tried is not None and tried <= now < tried + ONCE_IN

    async def _learn_of(self, provider_id: str) -> None:
        try:
            async with self._database.read(ProviderScope(provider_id)) as session:
                row = await session.scalar(select(Provider).where(Provider.id == provider_id))
            if row is not None:
                await self.learn(ProviderProfile.of(row))
        except Exception as error:
            _log.error("platform_certificates.not_learnt", provider_id=provider_id, exc_info=error)

    async def _providers(self) -> Sequence[tuple[ProviderProfile, Fetch | None]]:
        query = (
            select(Provider, CertificateFetch)
            .outerjoin(CertificateFetch, CertificateFetch.provider_id == Provider.id)
            .where(Provider.status == "active")
            .order_by(Provider.id)
        )
        async with self._database.read(WorkerScope()) as session:
            rows = (await session.execute(query)).all()
        return [
            (ProviderProfile.of(provider), None if fetch is None else _fetch(fetch))
            for provider, fetch in rows
        ]

    async def _asker(self, provider: ProviderProfile, now: datetime) -> _Asker | None:
        try:
            keys = await self._keyring.v3(provider.id, provider.key_epoch)
            return _Asker(keys.introducing(now), keys.opening(now))
        except ProviderNotReady:
            return None

    async def _claim(self, provider_id: str, now: datetime, before: datetime) -> bool:
        """Take the right to ask, if the last question was asked at `before` or earlier, and say whether it is
        ours. Where WeChat said that there are no certificates, nobody asks again for 12 hours."""
        dialect = sqlite if self._database.dialect == "sqlite" else postgresql
        row = {"provider_id": provider_id, "asked_at": now, "result": ASKING, "found": 0}
        last = table_of(CertificateFetch).c
        again = or_(last.result != NONE, last.asked_at <= now - (EVERY - _spread(provider_id)))
        claim = dialect.insert(table_of(CertificateFetch)).values(row)
        claim = claim.on_conflict_do_update(
            index_elements=["provider_id"],
            set_={"asked_at": now, "result": ASKING},
            where=or_(and_(last.asked_at <= before, again), last.asked_at > now + ONCE_IN),
        )
        async with self._database.write(ProviderScope(provider_id)) as session:
            return cast("CursorResult[Any]", await session.execute(claim)).rowcount == 1

    async def _newer_epoch(self, provider: ProviderProfile) -> int | None:
        query = select(Provider.key_epoch).where(Provider.id == provider.id)
        async with self._database.read(ProviderScope(provider.id)) as session:
            epoch = await session.scalar(query)
        return epoch if epoch is not None and epoch > provider.key_epoch else None

    async def _ask(self, provider: ProviderProfile, asker: _Asker) -> int | None:
        """Ask and write down what came of it; return the new `key_epoch` when a certificate is new."""
        line = self._lines.line(provider.mode, provider.id)
        found: tuple[PlatformCertificate, ...] = ()
        result, now = FETCHED, self._clock.now()
        try:
            found = await certificates.fetch(line, MchId(provider.mch_id), asker.own, asker.opening, now)
        except WechatPayError as error:
            result = _token(error)
            if result != NONE:
                _log.warning("platform_certificates.not_fetched", provider_id=provider.id, reason=result)
        now = self._clock.now()
        async with self._database.write(ProviderScope(provider.id)) as session:
            stored = [] if not found else await self._store(session, provider.id, found, now)
            await _note(session, provider.id, result, len(found), now)
            if not stored:
                return None
            epoch = await session.scalar(select(Provider.key_epoch).where(Provider.id == provider.id))
        for serial in stored:
            _log.info("platform_certificates.learnt", provider_id=provider.id, serial=serial)
        return epoch

    async def _store(
        self,
        session: AsyncSession,
        provider_id: str,
        found: Sequence[PlatformCertificate],
        now: datetime,
    ) -> list[str]:
        """Store what was never stored before: one that somebody ended stays ended."""
        kind = KeyKind.PLATFORM_CERTIFICATE
        await lock_provider(session, provider_id)
        known = await stored_versions(session, provider_id, kind)
        serials = {row.label for row in known}
        fresh = {one.serial: one for one in found if one.serial not in serials}
        rows = [
            key_row(
                self._vault,
                provider_id,
                kind,
                version,
                KeyState.ACTIVE,
                one.pem,
                now,
                label=one.serial,
                not_after=one.expires_at,
            )
            for version, one in enumerate(fresh.values(), next_version(known))
        ]
        if rows:
            await session.execute(insert(table_of(ProviderKey)), rows)
            await next_epoch(session, provider_id, now)
        for row in rows:
            act = Act(
                actor=SYSTEM,
                action="provider.key_set",
                object_kind="provider",
                object_id=provider_id,
                after={"kind": kind.value, "version": row["version"], "label": row["label"]},
            )
            await record(session, provider_id, act, now)
        return list(fresh)


async def _note(session: AsyncSession, provider_id: str, result: str, found: int, now: datetime) -> None:
    values: dict[str, Any] = {"result": result, "found": found}
    if result in _DONE:
        values["succeeded_at"] = now
    await session.execute(
        update(CertificateFetch).where(CertificateFetch.provider_id == provider_id).values(values)
    )


def _token(error: WechatPayError) -> str:
    """Return a short word for why there are no certificates; WeChat's own texts stay out of it."""
    if isinstance(error, Refused):
        return NONE if error.code == NO_CERTIFICATES else error.code
    return str(getattr(error, "reason", "unreadable"))


def _spread(provider_id: str) -> timedelta:
    digest = hashlib.sha256(provider_id.encode()).digest()
    return timedelta(seconds=int.from_bytes(digest[:4], "big") % _SPREAD_S)


def _fetch(row: CertificateFetch) -> Fetch:
    return Fetch(row.asked_at, row.succeeded_at, row.result, row.found)
