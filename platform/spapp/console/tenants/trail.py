"""The last acts concerning one tenant, for its page."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import select

from spapp.console.frame.words import ACTION, ACTOR
from spcore.audit.models import AuditRow
from spcore.db.engine import Database
from spcore.db.scope import ProviderScope

SHOWN = 20


@dataclass(frozen=True, slots=True)
class ActLine:
    at: datetime
    actor_name: str
    actor_word: str
    action: str
    action_word: str
    object_id: str | None
    change: str
    """What became different, such as `status: ready → live`; secrets were never written down."""


async def last_acts(database: Database, scope: ProviderScope, tenant_id: str) -> tuple[ActLine, ...]:
    """Return the newest acts of the provider's own chain that name the tenant."""
    query = (
        select(AuditRow)
        .where(AuditRow.chain == scope.provider_id, AuditRow.tenant_id == tenant_id)
        .order_by(AuditRow.seq.desc())
        .limit(SHOWN)
    )
    async with database.read(scope) as session:
        rows = (await session.scalars(query)).all()
    return tuple(
        ActLine(
            at=row.at,
            actor_name=row.actor_name,
            actor_word=ACTOR[row.actor_kind],
            action=row.action,
            action_word=ACTION.get(row.action, row.action),
            object_id=row.object_id,
            change=_change(row.before, row.after),
        )
        for row in rows
    )


def _change(before: Mapping[str, Any] | None, after: Mapping[str, Any] | None) -> str:
    old, new = before or {}, after or {}
    parts = []
    for name in sorted(old.keys() | new.keys()):
        if name in old and name in new:
            parts.append(f"{name}: {_plain(old[name])} → {_plain(new[name])}")
        else:
            parts.append(f"{name}: {_plain(new.get(name, old.get(name)))}")
    return "；".join(parts)


def _plain(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
