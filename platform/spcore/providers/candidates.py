"""A key on its way into use: handed in as candidate, rehearsed, promoted, rolled back (acceptance B-13).

A candidate signs nothing. It verifies and opens what WeChat sends, so that nothing is refused when WeChat's
side changes first, once it is sure to be genuine: whoever handed it in has proven to be an owner, or WeChat
took it in a rehearsal. Every change is one transaction with its audit row; every keyring reads anew after it.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any, cast

import structlog
from sqlalchemy import CursorResult, insert, select, update
from sqlalchemy.ext.asyncio import AsyncSession

from spcore.audit.writer import Act, record
from spcore.clock import Clock
from spcore.db.base import table_of
from spcore.db.engine import Database
from spcore.db.scope import ProviderScope
from spcore.errors import Fault, InvalidInput, NotFound, Text
from spcore.providers.errors import KeyChangeRefused
from spcore.providers.keys import (
    SIDE_BY_SIDE,
    StoredKey,
    fingerprint,
    key_row,
    let_candidate_verify,
    lock_provider,
    next_epoch,
    next_version,
    overlap_of,
    retire_versions,
    rivals_of,
    stored_versions,
)
from spcore.providers.material import KeyMaterial
from spcore.providers.models import KeyKind, KeyRehearsal, KeyState, ProviderKey
from spcore.providers.rotation import Origin
from spcore.vault import Vault

REHEARSAL_COUNTS_FOR = timedelta(minutes=30)

_log = structlog.get_logger(__name__)


class Candidates:
    """Changes of keys that people make in steps. An unknown kind or version raises NotFound."""

    def __init__(self, database: Database, vault: Vault, clock: Clock) -> None:
        self._database = database
        self._vault = vault
        self._clock = clock

    async def put(
        self, scope: ProviderScope, material: KeyMaterial, origin: Origin, *, proven: bool = False
    ) -> int:
        """Store a candidate and return its version; the one before it, if any, is given up.

        `proven`: whoever hands it in has proven afresh to be an owner, as for a promotion, so that messages
        are believed by it from now on, for two days. An API v3 key needs no such proof: it opens only what
        WeChat has signed. The same candidate again keeps its version. Raises InvalidInput for what is in use.
        """
        now, kind = self._clock.now(), material.kind
        mark, verifies = fingerprint(material.secret), proven or kind is KeyKind.API_V3
        async with self._database.write(scope) as session:
            await lock_provider(session, scope.provider_id)
            stored = await stored_versions(session, scope.provider_id, kind)
            for row in stored:
                if row.fingerprint == mark and row.label == material.label:
                    if row.state == KeyState.CANDIDATE:
                        if verifies:
                            await let_candidate_verify(session, scope.provider_id, kind, row.version, now)
                        return row.version
                    if row.state == KeyState.ACTIVE:
                        raise InvalidInput(Fault(_pointer(kind), "already_active", _IN_USE))
            version = next_version(stored)
            for row in stored:
                if row.state == KeyState.CANDIDATE:
                    await self._give_up(session, scope.provider_id, kind, row.version)
            fresh = key_row(
                self._vault,
                scope.provider_id,
                kind,
                version,
                KeyState.CANDIDATE,
                material.secret,
                now,
                label=material.label,
                not_after=material.not_after,
            )
            await session.execute(insert(table_of(ProviderKey)), [fresh])
            if verifies:
                await let_candidate_verify(session, scope.provider_id, kind, version, now)
            after = {"kind": kind.value, "version": version, "label": material.label}
            await self._audit(session, scope, "provider.key_candidate_set", origin, after)
        return version

    async def discard(self, scope: ProviderScope, kind: KeyKind, version: int, origin: Origin) -> None:
        """Give a candidate up; its secret is gone for good."""
        async with self._database.write(scope) as session:
            await lock_provider(session, scope.provider_id)
            await self._give_up(session, scope.provider_id, kind, version)
            await next_epoch(session, scope.provider_id, self._clock.now())
            after = {"kind": kind.value, "version": version}
            await self._audit(session, scope, "provider.key_candidate_discarded", origin, after)

    async def promote(
        self, scope: ProviderScope, kind: KeyKind, version: int, origin: Origin, despite: str | None = None
    ) -> None:
        """Make a candidate the active key; the one before verifies for its overlap (K01-K04).

        Its last rehearsal must have passed within 30 minutes; `despite` is the reason of whoever goes on
        without that. Raises KeyChangeRefused.
        """
        now = self._clock.now()
        async with self._database.write(scope) as session:
            await lock_provider(session, scope.provider_id)
            stored = await stored_versions(session, scope.provider_id, kind)
            candidate = _the(stored, version, KeyState.CANDIDATE)
            if candidate.not_after is not None and candidate.not_after <= now:
                raise KeyChangeRefused.expired()
            rehearsed = await self._passed(session, scope.provider_id, kind, version, now)
            if not rehearsed and not (despite and despite.strip()):
                raise KeyChangeRefused.not_rehearsed()
            rivals = rivals_of(stored, kind, candidate.label)
            replaced = [row.version for row in rivals]
            await retire_versions(session, scope.provider_id, kind, replaced, now)
            await _move(session, scope.provider_id, kind, version, KeyState.CANDIDATE, KeyState.ACTIVE)
            await next_epoch(session, scope.provider_id, now)
            before = {"kind": kind.value, "active": replaced}
            after = {
                "kind": kind.value,
                "version": version,
                "label": candidate.label,
                "rehearsed": rehearsed,
            }
            await self._audit(
                session, scope, "provider.key_promoted", origin, after, before=before, reason=despite
            )
        _log.info(
            "provider_keys.promoted",
            provider_id=scope.provider_id,
            kind=kind.value,
            version=version,
            rehearsed=rehearsed,
        )

    async def roll_back(
        self, scope: ProviderScope, kind: KeyKind, origin: Origin, reason: str | None = None
    ) -> int:
        """Make the newest replaced key active again, and the one in its place verify for its overlap.

        Returns the version that is active now. Raises KeyChangeRefused when none is left to go back to, as
        after a new public key: that one took nothing's place and is retired instead.
        """
        now = self._clock.now()
        async with self._database.write(scope) as session:
            await lock_provider(session, scope.provider_id)
            stored = await stored_versions(session, scope.provider_id, kind)
            older = next((row for row in stored if is_retiring(row, now)), None)
            if older is None:
                raise KeyChangeRefused.nothing_before()
            if older.not_after is not None and older.not_after <= now:
                raise KeyChangeRefused.expired()
            replaced = [row.version for row in rivals_of(stored, kind, older.label)]
            await retire_versions(session, scope.provider_id, kind, replaced, now)
            await _move(session, scope.provider_id, kind, older.version, KeyState.RETIRING, KeyState.ACTIVE)
            await next_epoch(session, scope.provider_id, now)
            before = {"kind": kind.value, "active": replaced}
            after = {"kind": kind.value, "version": older.version, "label": older.label}
            await self._audit(
                session, scope, "provider.key_rolled_back", origin, after, before=before, reason=reason
            )
        _log.info(
            "provider_keys.rolled_back",
            provider_id=scope.provider_id,
            kind=kind.value,
            version=older.version,
        )
        return older.version

    async def retire(
        self,
        scope: ProviderScope,
        kind: KeyKind,
        version: int,
        origin: Origin,
        *,
        at_once: bool = False,
        reason: str | None = None,
    ) -> None:
        """End a replaced key before its time, or one of WeChat's keys: after its overlap, or `at_once`.

        Raises KeyChangeRefused for a key that nothing takes the place of: the active one of ours, and the
        last one of WeChat's.
        """
        now = self._clock.now()
        async with self._database.write(scope) as session:
            await lock_provider(session, scope.provider_id)
            stored = await stored_versions(session, scope.provider_id, kind)
            row = next((row for row in stored if row.version == version), None)
            if row is None or not (row.state == KeyState.ACTIVE or is_retiring(row, now)):
                raise NotFound
            if row.state == KeyState.ACTIVE and not await self._replaceable(session, scope, kind, row, now):
                raise KeyChangeRefused.still_needed()
            if at_once or row.state == KeyState.RETIRING:
                await _move(session, scope.provider_id, kind, version, KeyState(row.state), KeyState.RETIRED)
                until = now
            else:
                await retire_versions(session, scope.provider_id, kind, [version], now)
                until = now + overlap_of(kind)
            await next_epoch(session, scope.provider_id, now)
            after = {
                "kind": kind.value,
                "version": version,
                "label": row.label,
                "until": until.isoformat(timespec="seconds"),
            }
            await self._audit(session, scope, "provider.key_retired", origin, after, reason=reason)

    async def restore(
        self, scope: ProviderScope, kind: KeyKind, version: int, origin: Origin, reason: str | None = None
    ) -> None:
        """Let one of WeChat's keys count again that was retired. Raises KeyChangeRefused, NotFound."""
        if kind not in SIDE_BY_SIDE:
            raise NotFound
        now = self._clock.now()
        async with self._database.write(scope) as session:
            await lock_provider(session, scope.provider_id)
            stored = await stored_versions(session, scope.provider_id, kind)
            ended = {KeyState.RETIRING, KeyState.RETIRED}
            row = next((row for row in stored if row.version == version and row.state in ended), None)
            if row is None or rivals_of(stored, kind, row.label):
                raise NotFound
            if row.not_after is not None and row.not_after <= now:
                raise KeyChangeRefused.expired()
            # A candidate that was given up has no secret any more.
            kept = ProviderKey.sealed != b""
            await _move(session, scope.provider_id, kind, version, KeyState(row.state), KeyState.ACTIVE, kept)
            await next_epoch(session, scope.provider_id, now)
            after = {"kind": kind.value, "version": version, "label": row.label}
            await self._audit(session, scope, "provider.key_restored", origin, after, reason=reason)

    async def _give_up(self, session: AsyncSession, provider_id: str, kind: KeyKind, version: int) -> None:
        # The row stays, so that its number is never used again: rehearsals speak of it by that.
        done = await session.execute(
            update(ProviderKey)
            .where(*_at(provider_id, kind, version), ProviderKey.state == KeyState.CANDIDATE.value)
            .values(state=KeyState.RETIRED.value, sealed=b"", verify_until=None)
        )
        if cast("CursorResult[Any]", done).rowcount != 1:
            raise NotFound

    async def _passed(
        self, session: AsyncSession, provider_id: str, kind: KeyKind, version: int, now: datetime
    ) -> bool:
        last = (
            select(KeyRehearsal.result, KeyRehearsal.ran_at)
            .where(
                KeyRehearsal.provider_id == provider_id,
                KeyRehearsal.kind == kind.value,
                KeyRehearsal.version == version,
            )
            .order_by(KeyRehearsal.id.desc())
            .limit(1)
        )
        row = (await session.execute(last)).one_or_none()
        return row is not None and row.result == "passed" and now < row.ran_at + REHEARSAL_COUNTS_FOR

    async def _replaceable(
        self, session: AsyncSession, scope: ProviderScope, kind: KeyKind, row: StoredKey, now: datetime
    ) -> bool:
        """Say whether an active key may go: of ours none, of WeChat's one beside which another one counts."""
        if kind not in SIDE_BY_SIDE:
            return False
        for other_kind in sorted(SIDE_BY_SIDE):
            for other in await stored_versions(session, scope.provider_id, other_kind):
                is_same = other_kind is kind and other.version == row.version
                counts = other.not_after is None or now < other.not_after
                if other.state == KeyState.ACTIVE and counts and not is_same:
                    return True
        return False

    async def _audit(
        self,
        session: AsyncSession,
        scope: ProviderScope,
        action: str,
        origin: Origin,
        after: dict[str, Any],
        *,
        before: dict[str, Any] | None = None,
        reason: str | None = None,
    ) -> None:
        act = Act(
            actor=origin.by,
            action=action,
            object_kind="provider",
            object_id=scope.provider_id,
            before=before,
            after=after,
            reason=reason,
            request_id=origin.request_id,
            peer=origin.peer,
        )
        await record(session, scope.provider_id, act, self._clock.now())


def is_retiring(row: StoredKey, now: datetime) -> bool:
    """Say whether a replaced key still verifies."""
    return row.state == KeyState.RETIRING and row.verify_until is not None and now < row.verify_until


def _the(stored: Sequence[StoredKey], version: int, state: KeyState) -> StoredKey:
    for row in stored:
        if row.version == version and row.state == state:
            return row
    raise NotFound


def _at(provider_id: str, kind: KeyKind, version: int) -> tuple[Any, ...]:
    return (
        ProviderKey.provider_id == provider_id,
        ProviderKey.kind == kind.value,
        ProviderKey.version == version,
    )


async def _move(
    session: AsyncSession,
    provider_id: str,
    kind: KeyKind,
    version: int,
    old: KeyState,
    new: KeyState,
    *conditions: Any,
) -> None:
    """Change the state of one version that has the state `old`. Raises NotFound when it has not."""
    done = await session.execute(
        update(ProviderKey)
        .where(*_at(provider_id, kind, version), ProviderKey.state == old.value, *conditions)
        .values(state=new.value, verify_until=None)
    )
    if cast("CursorResult[Any]", done).rowcount != 1:
        raise NotFound


def _pointer(kind: KeyKind) -> str:
    return {KeyKind.CLIENT_CERTIFICATE: "#/client_cert_pem", KeyKind.WECHATPAY_PUBLIC_KEY: "#/pem"}.get(
        kind, f"#/{kind.value}"
    )


_IN_USE = Text("就是现用的这一个，无需更换。", "is the one in use already; there is nothing to replace.")
