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
from spcore.errors import InvalidInput, NotFound
from spcore.providers.certificates import ClientCertificate, check_client_certificate
from spcore.providers.keys import PutKey, key_faults, put_key
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


def check_v2_key(secret: str) -> None:
    """Raises InvalidInput (`#/api_v2_key`) for a text that cannot be an API v2 key."""
    if faults := key_faults(KeyKind.API_V2, secret.encode(), f"#/{KeyKind.API_V2.value}"):
        raise InvalidInput(*faults)


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

    async def replace(self, scope: ProviderScope, material: KeyMaterial, origin: Origin) -> PutKey:
        """Put a checked key into use at once, without a rehearsal. Raises NotFound."""
        return await self._put(
            scope,
            material.kind,
            material.secret,
            origin,
            label=material.label,
            not_after=material.not_after,
        )

    async def replace_v2_key(self, scope: ProviderScope, secret: str, origin: Origin) -> PutKey:
        """Make `secret` the API v2 key. Raises InvalidInput (`#/api_v2_key`), NotFound."""
        return await self._put(scope, KeyKind.API_V2, secret.encode(), origin)

    async def replace_certificate(
        self, scope: ProviderScope, cert_pem: bytes, key_pem: bytes, origin: Origin
    ) -> PutKey:
        """Make a pair the API certificate. Raises what `check_certificate` does."""
        pair = await self.check_certificate(scope, cert_pem, key_pem)
        return await self._put(
            scope,
            KeyKind.CLIENT_CERTIFICATE,
            pair.bundle,
            origin,
            label=pair.serial,
            not_after=pair.not_after,
        )

    async def check_certificate(
        self, scope: ProviderScope, cert_pem: bytes, key_pem: bytes
    ) -> ClientCertificate:
        """Return the pair once it is seen to be this provider's (K06); nothing is stored.

        Raises InvalidInput (`#/client_cert_pem`, `#/client_key_pem`) naming what is wrong, NotFound.
        """
        mch_id = await self.mch_id(scope)
        return check_client_certificate(cert_pem, key_pem, mch_id=mch_id, now=self._clock.now())

    async def mch_id(self, scope: ProviderScope) -> str:
        """Return the merchant number that an API certificate must name. Raises NotFound."""
        async with self._database.read(scope) as session:
            found = await session.scalar(select(Provider.mch_id).where(Provider.id == scope.provider_id))
        if found is None:
            raise NotFound
        return found

    async def _put(
        self,
        scope: ProviderScope,
        kind: KeyKind,
        secret: bytes,
        origin: Origin,
        *,
        label: str | None = None,
        not_after: datetime | None = None,
    ) -> PutKey:
        now = self._clock.now()
        async with self._database.write(scope) as session:
            put = await put_key(
                session,
                self._vault,
                provider_id=scope.provider_id,
                kind=kind,
                secret=secret,
                now=now,
                label=label,
                not_after=not_after,
            )
            if put.changed:
                act = Act(
                    actor=origin.by,
                    action="provider.key_set",
                    object_kind="provider",
                    object_id=scope.provider_id,
                    after={"kind": kind.value, "version": put.version, "label": label},
                    request_id=origin.request_id,
                    peer=origin.peer,
                )
                await record(session, scope.provider_id, act, now)
        return put
