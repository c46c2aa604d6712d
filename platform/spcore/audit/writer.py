"""Adding to the audit log, in the transaction of the act itself: no record, no act (A06, A07)."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, cast

import rfc8785
from sqlalchemy import CursorResult, insert, select, update
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.ext.asyncio import AsyncSession

from spcore.audit.actor import Actor
from spcore.audit.models import AuditHead, AuditRow
from spcore.db.base import table_of
from spcore.db.scope import TenantScope
from spcore.ids import new_id
from spcore.redaction import redact

GENESIS = "0" * 64
"""The hash before the first row of every chain."""


@dataclass(frozen=True, slots=True)
class Act:
    """What somebody did. `before` and `after` are plain JSON values; floats are refused.

    Secrets in them are hidden and openids masked by the name of their field (A06), as a second line: the
    caller leaves them out in the first place.
    """

    actor: Actor
    action: str
    """Stable words with a dot, such as `tenant.created`."""
    object_kind: str
    object_id: str | None = None
    tenant_id: str | None = None
    before: Mapping[str, Any] | None = None
    after: Mapping[str, Any] | None = None
    reason: str | None = None
    request_id: str | None = None
    peer: str | None = None


async def record(session: AsyncSession, chain: str, act: Act, now: datetime) -> None:
    """Append `act` to `chain` (a provider's id, or `platform`) in the caller's transaction.

    The chain's head stays locked until that transaction ends, so record as late in it as possible. Three
    statements; two more for the very first row of a chain. In a TenantScope the row belongs to that tenant.
    """
    seq, prev_hash = await _lock_head(session, chain)
    row: dict[str, Any] = {
        "chain": chain,
        "seq": seq + 1,
        "id": new_id("aud", now),
        "at": now,
        "actor_kind": act.actor.kind,
        "actor_id": act.actor.id,
        "actor_name": act.actor.name,
        "tenant_id": act.tenant_id or _tenant_of(session),
        "action": act.action,
        "object_kind": act.object_kind,
        "object_id": act.object_id,
        "before": _plain(act.before),
        "after": _plain(act.after),
        "reason": redact(act.reason),
        "request_id": act.request_id,
        "peer": act.peer,
        "prev_hash": prev_hash,
    }
    row["hash"] = row_hash(row)
    await session.execute(insert(table_of(AuditRow)), [row])
    moved = await session.execute(
        update(AuditHead)
        .where(AuditHead.chain == chain, AuditHead.seq == seq)
        .values(seq=row["seq"], hash=row["hash"])
        .execution_options(synchronize_session=False)
    )
    if cast("CursorResult[Any]", moved).rowcount != 1:
        raise RuntimeError(f"the head of audit chain {chain} was not ours to move")


def _tenant_of(session: AsyncSession) -> str | None:
    scope = session.info.get("scope")
    return scope.tenant_id if isinstance(scope, TenantScope) else None


def row_hash(row: Mapping[str, Any]) -> str:
    """Return SHA-256 over the hash before and the row in canonical JSON (RFC 8785), in hex.

    `row` holds every column but `hash`; `at` is an aware moment.
    """
    at: datetime = row["at"]
    content = {name: value for name, value in row.items() if name != "prev_hash"}
    canonical = rfc8785.dumps(content | {"at": at.astimezone(UTC).isoformat(timespec="microseconds")})
    return hashlib.sha256(bytes.fromhex(row["prev_hash"]) + canonical).hexdigest()


async def _lock_head(session: AsyncSession, chain: str) -> tuple[int, str]:
    # SQLite ignores FOR UPDATE: its writing transactions exclude each other from their beginning.
    head = select(AuditHead.seq, AuditHead.hash).where(AuditHead.chain == chain).with_for_update()
    found = (await session.execute(head)).one_or_none()
    if found is None:
        dialect = postgresql if session.get_bind().dialect.name == "postgresql" else sqlite
        fresh = dialect.insert(table_of(AuditHead)).on_conflict_do_nothing()
        await session.execute(fresh, [{"chain": chain, "seq": 0, "hash": GENESIS}])
        found = (await session.execute(head)).one()
    return found.seq, found.hash


def _plain(values: Mapping[str, Any] | None) -> dict[str, Any] | None:
    if values is None:
        return None
    plain: dict[str, Any] = redact(values)
    _refuse_floats(plain)
    return plain


def _refuse_floats(value: Any) -> None:
    # A float may come back from the database as another number, and the chain would look edited.
    if isinstance(value, float):
        raise TypeError("audit values are whole numbers, text, lists and mappings, never floats")
    for inner in value.values() if isinstance(value, dict) else value if isinstance(value, list) else ():
        _refuse_floats(inner)
