"""A provider's keys as people and programs replace them: checked, stored in versions, never shown again."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import select

from spcore.audit.actor import Actor
from spcore.audit.writer import Act, record
from spcore.clock import Clock
from spcore.db.base import table_of
from spcore.db.engine import Database
from spcore.db.scope import ProviderScope
from spcore.errors import NotFound
from spcore.providers.keys import PutKey, put_key
from spcore.providers.material import KeyMaterial
from spcore.providers.models import KeyKind, Provider, ProviderKey
from spcore.vault import Vault


@dataclass(frozen=True, slots=True)
class Origin:
    """Who asks, by which request and from where; a command line has neither request nor address."""

    by: Actor
    request_id: str | None = None
    peer: str | None = None


@dataclass(frozen=True, slots=True)
class KeyVersion:
    """One version of one key without its secret.

    `label` is a certificate's serial number or a public key's id, `hint` the last four characters of a
    symmetric key; `verify_until` is set once another version has taken over.
    """

    kind: KeyKind
    version: int
    state: str
    fingerprint: str
    hint: str | None
    label: str | None
    not_after: datetime | None
    verify_until: datetime | None
    created_at: datetime

    def state_at(self, now: datetime) -> str:
        """Return `active`, `retiring` or `retired`: one whose time is over has ended, marked so or not."""
        over = self.state == "retiring" and self.verify_until is not None and self.verify_until <= now
        return "retired" if over else self.state


class ProviderKeys:
    """Every change is one transaction with its audit row; the version before stays for a while (K01)."""

    def __init__(self, database: Database, vault: Vault, clock: Clock) -> None:
        self._database = database
        self._vault = vault
        self._clock = clock

    async def versions(self, scope: ProviderScope) -> Sequence[KeyVersion]:
        """Return every version of every key, by kind, the newest first."""
        keys = table_of(ProviderKey)
        query = (
            select(
                keys.c.kind,
                keys.c.version,
                keys.c.state,
                keys.c.fingerprint,
                keys.c.hint,
                keys.c.label,
                keys.c.not_after,
                keys.c.verify_until,
                keys.c.created_at,
            )
            .where(keys.c.provider_id == scope.provider_id)
            .order_by(keys.c.kind, keys.c.version.desc())
        )
        async with self._database.read(scope) as session:
            rows = (await session.execute(query)).all()
        return [KeyVersion(KeyKind(kind), *rest) for kind, *rest in rows]

    async def mch_id(self, scope: ProviderScope) -> str:
        """Return the merchant number that an API certificate must name. Raises NotFound."""
        async with self._database.read(scope) as session:
            found = await session.scalar(select(Provider.mch_id).where(Provider.id == scope.provider_id))
        if found is None:
            raise NotFound
        return found

    async def replace(self, scope: ProviderScope, material: KeyMaterial, origin: Origin) -> PutKey:
        """Put a checked key into use at once, without a rehearsal. Raises NotFound."""
        now = self._clock.now()
        async with self._database.write(scope) as session:
            put = await put_key(
                session,
                self._vault,
                provider_id=scope.provider_id,
                kind=material.kind,
                secret=material.secret,
                now=now,
                label=material.label,
                not_after=material.not_after,
            )
            if put.changed:
                act = Act(
                    actor=origin.by,
                    action="provider.key_set",
                    object_kind="provider",
                    object_id=scope.provider_id,
                    after={"kind": material.kind.value, "version": put.version, "label": material.label},
                    request_id=origin.request_id,
                    peer=origin.peer,
                )
                await record(session, scope.provider_id, act, now)
        return put
