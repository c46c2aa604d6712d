"""The journal of notifications: what arrived at a tenant's address, and what came of it (B06, B09, N*).

Body and headers are kept as evidence and stay on the server: they hold a signature (rule C6 a).
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Literal

from sqlalchemy import Row, case, delete, func, or_, select, update
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.ext.asyncio import AsyncSession

from spcore.db.base import table_of
from spcore.db.scope import TenantScope
from spcore.ids import new_id
from sptenants.notify.models import Notification, StrayNotification
from sptenants.registry.access import RequestFacts

Result = Literal["processed", "duplicate", "rejected", "unmatched", "mismatch", "deferred"]

MAX_REFUSED_BODY = 4096
"""Of a message that proves nothing only its beginning is kept."""
MAX_REFUSED = 1000
"""Distinct messages without proof kept of one tenant, the newest; a flood must not fill the disk (Q02)."""
MAX_STRAYS = 1000
"""Distinct messages kept from addresses that belong to nobody; the rest is only counted."""

SERIAL_HEADER = "wechatpay-serial"
_KEPT_HEADERS = ("content-type", "user-agent", "request-id")
_SIGNED_HEADERS = (
    SERIAL_HEADER,
    "wechatpay-timestamp",
    "wechatpay-nonce",
    "wechatpay-signature",
    "wechatpay-signature-type",
)
"""Without them a stored message of API v3 could not be judged again."""
_MAX_HEADER = 256
_MAX_SIGNED_HEADER = 1024
_MAX_SERIAL = 128
_OVERFLOW = "overflow"
_NAMED = ("out_trade_no", "transaction_id")
_TOOK_EFFECT = frozenset({"processed", "duplicate"})

ID_REUSED = "id_reused"
"""The reason of a message that came under the name of another one."""
_JOURNAL = table_of(Notification)
_STRAYS = table_of(StrayNotification)


@dataclass(frozen=True, slots=True)
class Incoming:
    """One message as it came in. Header names are lower case; what stood there twice is joined by a comma.

    `message_id` is WeChat's own name of a message of API v3, once its signature was found right.
    """

    version: str
    kind: str
    body: bytes = field(repr=False)
    headers: Mapping[str, str] = field(repr=False)
    facts: RequestFacts
    message_id: str | None = None

    @property
    def digest(self) -> str:
        """SHA-256 in hex: the same message again is the same row.

        It is taken of the body, or of the name that a genuine message of API v3 keeps when it is repeated
        with fresh headers and a fresh cipher text.
        """
        named = self.body if self.message_id is None else b"v3:" + self.message_id.encode()
        return hashlib.sha256(named).hexdigest()

    @property
    def digest_of_content(self) -> str:
        """SHA-256 in hex of a message that came under the name of another one."""
        return hashlib.sha256(b"v3:" + (self.message_id or "").encode() + b":" + self.body).hexdigest()

    @property
    def kept_headers(self) -> dict[str, str]:
        """What is stored of the headers, no more of any than a genuine message can have."""
        kept = {name: self.headers[name][:_MAX_HEADER] for name in _KEPT_HEADERS if name in self.headers}
        if self.version == "v3":
            signed = (name for name in _SIGNED_HEADERS if name in self.headers)
            kept |= {name: self.headers[name][:_MAX_SIGNED_HEADER] for name in signed}
        return kept

    @property
    def serial(self) -> str | None:
        """Which of WeChat's keys a message of API v3 says it is signed with."""
        named = self.headers.get(SERIAL_HEADER) if self.version == "v3" else None
        return named[:_MAX_SERIAL] if named else None


@dataclass(frozen=True, slots=True)
class Kept:
    """A stored message that is judged again."""

    id: str
    version: str
    body: bytes = field(repr=False)
    headers: Mapping[str, str] = field(repr=False)
    received_at: datetime


@dataclass(frozen=True, slots=True)
class Finding:
    """What came of a message. `settled` answers SUCCESS, so that WeChat stops repeating it."""

    result: Result
    settled: bool
    reason: str | None = None
    key_version: int | None = None
    out_trade_no: str | None = None
    transaction_id: str | None = None
    order_id: str | None = None


@dataclass(frozen=True, slots=True)
class Replayed:
    """Who had a message judged again, when and why."""

    at: datetime
    by: str
    reason: str


@dataclass(frozen=True, slots=True)
class Journalled:
    """The row of a message, and whether it is the first of its kind."""

    id: str
    first: bool


async def write(
    session: AsyncSession, scope: TenantScope, incoming: Incoming, finding: Finding, now: datetime
) -> Journalled:
    """Store a message with its finding in the caller's transaction; the same message again only counts up.

    A finding that settled the message stays; one that did not gives way to a better one. Another content
    under the name of a message of API v3 is a row of its own, so that nothing of either is lost.
    """
    row = _row(scope, incoming, finding, now)
    stored = (await session.execute(_upsert(session), row)).one()
    if incoming.message_id is not None and _is_another(stored, row):
        row |= {
            "id": new_id("ntf", now),
            "digest": incoming.digest_of_content,
            "reason": finding.reason or ID_REUSED,
        }
        stored = (await session.execute(_upsert(session), row)).one()
    return Journalled(stored.id, first=stored.received == 1)


def _row(scope: TenantScope, incoming: Incoming, finding: Finding, now: datetime) -> dict[str, Any]:
    proven = finding.result != "rejected" or incoming.message_id is not None
    return {
        "id": new_id("ntf", now),
        "provider_id": scope.provider_id,
        "tenant_id": scope.tenant_id,
        "version": incoming.version,
        "kind": incoming.kind,
        "digest": incoming.digest,
        "body": incoming.body if proven else incoming.body[:MAX_REFUSED_BODY],
        "headers": incoming.kept_headers,
        "serial": incoming.serial,
        "peer": incoming.facts.peer,
        "request_id": incoming.facts.request_id,
        "received_at": now,
        "received": 1,
        "last_received_at": now,
        "result": finding.result,
        "reason": finding.reason,
        "key_version": finding.key_version,
        "out_trade_no": finding.out_trade_no,
        "transaction_id": finding.transaction_id,
        "order_id": finding.order_id,
        "answered": "SUCCESS" if finding.settled else "FAIL",
    }


def _upsert(session: AsyncSession) -> Any:
    insert = _insert_into(session)(_JOURNAL)
    new = insert.excluded
    open_ = _JOURNAL.c.answered == "FAIL"
    return insert.on_conflict_do_update(
        index_elements=["tenant_id", "version", "kind", "digest"],
        set_={
            "received": _JOURNAL.c.received + 1,
            "last_received_at": new.last_received_at,
            **{
                name: case((open_, new[name]), else_=_JOURNAL.c[name])
                for name in ("result", "reason", "answered")
            },
            **{name: func.coalesce(new[name], _JOURNAL.c[name]) for name in ("key_version", "order_id")},
            # What a message names is its own; under its name another one may have come.
            **{name: func.coalesce(_JOURNAL.c[name], new[name]) for name in _NAMED},
        },
    ).returning(_JOURNAL.c.id, _JOURNAL.c.received, _JOURNAL.c.result, *(_JOURNAL.c[name] for name in _NAMED))


def _is_another(stored: Row[Any], row: Mapping[str, Any]) -> bool:
    """Whether a message has another content than the one that is stored under its name."""
    named_otherwise = any(row[name] is not None and getattr(stored, name) != row[name] for name in _NAMED)
    return named_otherwise or (stored.result in _TOOK_EFFECT and row["result"] == "mismatch")


async def settle(session: AsyncSession, scope: TenantScope, journalled: Journalled, finding: Finding) -> None:
    """Change the finding of a message that had been put off.

    Of equal messages at once, the one that took effect may be told after one that found it done.
    """
    open_ = _JOURNAL.c.answered == "FAIL"
    if finding.result == "processed":
        open_ = or_(open_, _JOURNAL.c.result == "duplicate")
    await session.execute(
        update(_JOURNAL)
        .where(_JOURNAL.c.tenant_id == scope.tenant_id, _JOURNAL.c.id == journalled.id, open_)
        .values(
            result=finding.result,
            reason=finding.reason,
            order_id=func.coalesce(finding.order_id, _JOURNAL.c.order_id),
            answered="SUCCESS" if finding.settled else "FAIL",
        )
    )


async def settle_replay(
    session: AsyncSession, scope: TenantScope, notification_id: str, finding: Finding, replayed: Replayed
) -> None:
    """Store what a person's replay came to; a message that took effect keeps its finding and its answer."""
    answered = case(
        (_JOURNAL.c.answered == "SUCCESS", "SUCCESS"), else_="SUCCESS" if finding.settled else "FAIL"
    )
    await session.execute(
        update(_JOURNAL)
        .where(
            _JOURNAL.c.tenant_id == scope.tenant_id,
            _JOURNAL.c.id == notification_id,
            _JOURNAL.c.result.not_in(("processed", "duplicate")),
        )
        .values(
            result=finding.result,
            reason=finding.reason,
            answered=answered,
            **{
                name: func.coalesce(getattr(finding, name), _JOURNAL.c[name])
                for name in ("key_version", "out_trade_no", "transaction_id", "order_id")
            },
            replayed_at=replayed.at,
            replayed_by=replayed.by,
            replay_reason=replayed.reason,
        )
    )


async def forget_refused(session: AsyncSession, scope: TenantScope) -> None:
    """Delete a tenant's refused messages but the newest MAX_REFUSED; what proved something stays."""
    refused = (_JOURNAL.c.tenant_id == scope.tenant_id, _JOURNAL.c.result == "rejected")
    newest = select(_JOURNAL.c.id).where(*refused).order_by(_JOURNAL.c.id.desc())
    oldest_kept = (await session.execute(newest.offset(MAX_REFUSED - 1).limit(1))).scalar_one_or_none()
    if oldest_kept is not None:
        await session.execute(delete(_JOURNAL).where(*refused, _JOURNAL.c.id < oldest_kept))


async def write_stray(session: AsyncSession, route_key: str, incoming: Incoming, now: datetime) -> None:
    """Count a message at an address that belongs to nobody; the address itself is kept as a digest only."""
    route_digest = hashlib.sha256(route_key.encode()).hexdigest()
    digest = hashlib.sha256(route_digest.encode() + incoming.body).hexdigest()
    known = select(_STRAYS.c.digest).where(_STRAYS.c.digest == digest)
    if (await session.execute(known)).scalar_one_or_none() is None:
        held = await session.scalar(select(func.count()).select_from(_STRAYS))
        if (held or 0) >= MAX_STRAYS:
            digest = route_digest = _OVERFLOW
    row: dict[str, Any] = {
        "digest": digest,
        "route_digest": route_digest,
        "size": len(incoming.body),
        "peer": incoming.facts.peer,
        "received": 1,
        "received_at": now,
        "last_received_at": now,
    }
    insert = _insert_into(session)(_STRAYS)
    changes = {"received": _STRAYS.c.received + 1, "last_received_at": insert.excluded.last_received_at}
    await session.execute(insert.on_conflict_do_update(index_elements=["digest"], set_=changes), row)


def _insert_into(session: AsyncSession) -> Any:
    postgres = session.get_bind().dialect.name == "postgresql"
    return postgresql.insert if postgres else sqlite.insert
