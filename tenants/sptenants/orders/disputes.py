"""Anomalies: what a person should look at, because money and intent differ (rules M5, I3; B01-B06, P12).

One row a thing: seen again it counts up instead of filling the work list. An order bears the gravest of its
open anomalies as a flag, for lists and for the API; the flag goes when the last of them is settled.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from enum import StrEnum
from typing import Any

from sqlalchemy import ColumnElement, and_, case, or_, select, update
from sqlalchemy.ext.asyncio import AsyncSession

from spcore.db.base import table_of
from spcore.db.scope import TenantScope
from spcore.ids import new_id
from sptenants.orders import timeline
from sptenants.orders.models import AnomalyRow, Order
from sptenants.orders.repository import insert_into, insert_notes_of

_ANOMALIES = table_of(AnomalyRow)
_ORDERS = table_of(Order)

BY_SYSTEM = "system"
"""Who resolved an anomaly that settled by itself."""


class AnomalyKind(StrEnum):
    """What differs. The console and the API have words for each in `anomalies/words.py`."""

    AMOUNT_MISMATCH = "amount_mismatch"
    IDENTITY_MISMATCH = "identity_mismatch"
    DOUBLE_PAYMENT = "double_payment"
    LATE_PAYMENT = "late_payment"
    MISSING_THERE = "missing_there"
    SILENT_CALLBACK = "silent_callback"
    UNKNOWN_ORDER = "unknown_order"
    REFUND_ABNORMAL = "refund_abnormal"
    REFUND_SHORT = "refund_short"
    REFUND_OUTSIDE = "refund_outside"
    REFUND_MISMATCH = "refund_mismatch"
    REFUND_STUCK = "refund_stuck"
    BINDING_DRIFT = "binding_drift"


FLAGS = (
    AnomalyKind.LATE_PAYMENT,
    AnomalyKind.IDENTITY_MISMATCH,
    AnomalyKind.AMOUNT_MISMATCH,
    AnomalyKind.DOUBLE_PAYMENT,
    AnomalyKind.MISSING_THERE,
)
"""Kinds that an order bears as its flag, the gravest last: they ask about the payment itself."""


async def raise_anomaly(
    session: AsyncSession,
    scope: TenantScope,
    kind: AnomalyKind,
    mark: str,
    now: datetime,
    *,
    order_id: str | None = None,
    refund_id: str | None = None,
    facts: Mapping[str, Any] | None = None,
) -> bool:
    """Put something on the work list in the caller's transaction; True when it is new there.

    `mark` tells one thing from another of its kind, such as the transaction it is about. What settled by
    itself opens again; what a person resolved stays resolved, so that a repeated query does not undo a
    decision. `facts` are plain JSON values, never a secret or a whole openid.
    """
    if order_id is not None and kind in FLAGS:
        await _lock_order(session, scope, order_id)
    row = {
        "provider_id": scope.provider_id,
        "tenant_id": scope.tenant_id,
        "id": new_id("ano", now),
        "kind": kind.value,
        "mark": mark,
        "order_id": order_id,
        "refund_id": refund_id,
        "facts": dict(facts or {}),
        "seen": 1,
        "raised_at": now,
        "last_seen_at": now,
        "state": "open",
        "resolved_at": None,
        "resolved_by": None,
        "note": None,
    }
    insert = insert_into(session, _ANOMALIES)
    opens, new = _ANOMALIES.c.resolved_by == BY_SYSTEM, insert.excluded
    statement = insert.on_conflict_do_update(
        index_elements=["tenant_id", "kind", "mark"],
        set_={
            "seen": case((opens, 1), else_=_ANOMALIES.c.seen + 1),
            "last_seen_at": new.last_seen_at,
            **{
                name: case((opens, new[name]), else_=_ANOMALIES.c[name])
                for name in ("facts", "raised_at", "state", "resolved_at", "resolved_by", "note")
            },
        },
    ).returning(_ANOMALIES.c.seen)
    seen: int = (await session.execute(statement, row)).scalar_one()
    fresh = seen == 1
    if fresh and order_id is not None and kind in FLAGS:
        weaker = FLAGS[: FLAGS.index(kind)]
        unflagged = or_(_ORDERS.c.anomaly.is_(None), _ORDERS.c.anomaly.in_([flag.value for flag in weaker]))
        await _flag(session, scope, order_id, kind, now, unflagged)
    return fresh


async def settle_anomaly(
    session: AsyncSession, scope: TenantScope, kind: AnomalyKind, mark: str, now: datetime, note: str
) -> bool:
    """Settle what turned out well by itself, saying how in `note`; False when nothing of it was open."""
    about = and_(_ANOMALIES.c.kind == kind.value, _ANOMALIES.c.mark == mark)
    found = await _open(session, scope, about)
    return found is not None and await resolve_anomaly(session, scope, found, now, by=BY_SYSTEM, note=note)


async def resolve_anomaly(
    session: AsyncSession, scope: TenantScope, anomaly_id: str, now: datetime, *, by: str, note: str
) -> bool:
    """Resolve an open anomaly, tell it on its order's timeline, and clear the order's flag with the last.

    False when it is not open any more or is not this tenant's; nothing happened then.
    """
    order_of = select(_ANOMALIES.c.order_id, _ANOMALIES.c.kind).where(
        _ANOMALIES.c.tenant_id == scope.tenant_id, _ANOMALIES.c.id == anomaly_id
    )
    found = (await session.execute(order_of)).one_or_none()
    if found is None:
        return False
    if found.order_id is not None:
        await _lock_order(session, scope, found.order_id)
    statement = (
        update(_ANOMALIES)
        .where(
            _ANOMALIES.c.tenant_id == scope.tenant_id,
            _ANOMALIES.c.id == anomaly_id,
            _ANOMALIES.c.state == "open",
        )
        .values(state="resolved", resolved_at=now, resolved_by=by, note=note)
        .returning(_ANOMALIES.c.id)
    )
    if (await session.execute(statement)).scalar_one_or_none() is None:
        return False
    if found.order_id is not None:
        await insert_notes_of(session, scope, found.order_id, now, [timeline.settled(found.kind, by, note)])
        await _reflag(session, scope, found.order_id, now)
    return True


async def _open(session: AsyncSession, scope: TenantScope, about: ColumnElement[bool]) -> str | None:
    query = select(_ANOMALIES.c.id).where(
        _ANOMALIES.c.tenant_id == scope.tenant_id, about, _ANOMALIES.c.state == "open"
    )
    return (await session.execute(query)).scalar_one_or_none()


async def _lock_order(session: AsyncSession, scope: TenantScope, order_id: str) -> None:
    """Hold the order's row, so that raising and resolving leave the flag that the open anomalies ask for."""
    query = select(_ORDERS.c.id).where(_ORDERS.c.tenant_id == scope.tenant_id, _ORDERS.c.id == order_id)
    await session.execute(query.with_for_update())


async def _reflag(session: AsyncSession, scope: TenantScope, order_id: str, now: datetime) -> None:
    query = select(_ANOMALIES.c.kind).where(
        _ANOMALIES.c.tenant_id == scope.tenant_id,
        _ANOMALIES.c.order_id == order_id,
        _ANOMALIES.c.state == "open",
    )
    left = _gravest([AnomalyKind(kind) for kind in await session.scalars(query)])
    await _flag(session, scope, order_id, left, now, _ORDERS.c.anomaly.is_not(None))


async def _flag(
    session: AsyncSession,
    scope: TenantScope,
    order_id: str,
    kind: AnomalyKind | None,
    now: datetime,
    condition: ColumnElement[bool],
) -> None:
    await session.execute(
        update(_ORDERS)
        .where(_ORDERS.c.tenant_id == scope.tenant_id, _ORDERS.c.id == order_id, condition)
        .values(anomaly=kind.value if kind else None, updated_at=now)
    )


def _gravest(kinds: Sequence[AnomalyKind]) -> AnomalyKind | None:
    return max((kind for kind in kinds if kind in FLAGS), key=FLAGS.index, default=None)
