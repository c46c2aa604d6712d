"""Exporting lists: a short one at once, a long one by the worker, every one in the audit log (S07)."""

from __future__ import annotations

import zlib
from collections.abc import AsyncIterator, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import ColumnElement, insert, select

from spapp.accounts.service import Staff
from spapp.exports.csv import CsvWriter
from spapp.exports.kinds import Export, ExportKind, ExportScope
from spapp.exports.models import ExportPart, ExportRow, ExportState
from spapp.exports.records import ExportRecord
from spapp.web.i18n import Language
from spcore.audit.models import PLATFORM_CHAIN
from spcore.audit.writer import Act, record
from spcore.clock import Clock
from spcore.db.base import table_of
from spcore.db.engine import Database
from spcore.db.scope import PlatformScope, TenantScope
from spcore.errors import NotFound
from spcore.ids import new_id
from sptenants.registry.access import RequestFacts

AT_ONCE = 50_000
"""Longer exports are written by the worker (console-and-api-design section 7)."""
KEPT = timedelta(hours=24)
MOST_SHOWN = 50
_CHUNK = 64 * 1024


class Exports:
    """Makes files out of lists, and keeps those that take a while."""

    def __init__(self, database: Database, clock: Clock, kinds: Sequence[ExportKind]) -> None:
        self._database = database
        self._clock = clock
        self._kinds = {kind.name: kind for kind in kinds}

    def kind(self, name: str) -> ExportKind:
        """Return a kind by its name. Raises NotFound."""
        if name not in self._kinds:
            raise NotFound
        return self._kinds[name]

    # --- at once -------------------------------------------------------------------------------------

    async def send(
        self,
        staff: Staff,
        scope: ExportScope,
        kind: ExportKind,
        export: Export,
        count: int,
        reason: str | None,
        language: Language,
        facts: RequestFacts,
    ) -> AsyncIterator[bytes]:
        """Write the audit row, then return the file in pieces. `count` is what is about to be sent."""
        after = {"kind": kind.name, "filter": dict(export.filter), "rows": count}
        act = _act("list.exported", staff, scope, None, after, reason, facts)
        async with self._database.write(scope) as session:
            await record(session, _chain(scope), act, self._clock.now())
        return _pieces(export, language)

    # --- by the worker -------------------------------------------------------------------------------

    async def ask(
        self,
        staff: Staff,
        scope: ExportScope,
        kind: ExportKind,
        export: Export,
        query: str,
        reason: str | None,
        language: Language,
        facts: RequestFacts,
    ) -> str:
        """Have the worker write the file, and return the export's id."""
        now = self._clock.now()
        export_id = new_id("exp", now)
        row = {
            "id": export_id,
            "provider_id": staff.provider_id,
            "tenant_id": staff.tenant_id,
            "membership_id": staff.membership_id,
            "person_id": staff.person_id,
            "person_name": staff.name,
            "kind": kind.name,
            "query": query,
            "language": language,
            "reason": reason,
            "facts": {"request_id": facts.request_id, "peer": facts.peer},
            "state": ExportState.WAITING,
            "rows": 0,
            "size": 0,
            "tries": 0,
            "created_at": now,
            "expires_at": now + KEPT,
            "due_at": now,
        }
        after = {"kind": kind.name, "filter": dict(export.filter)}
        act = _act("export.requested", staff, scope, export_id, after, reason, facts)
        async with self._database.write(scope) as session:
            await session.execute(insert(table_of(ExportRow)), [row])
            await record(session, _chain(scope), act, now)
        return export_id

    async def asked(self, staff: Staff, scope: ExportScope) -> Sequence[ExportRecord]:
        """Return what the person asked for in this role and is not yet over, newest first."""
        query = (
            select(ExportRow)
            .where(*_own(staff, scope), ExportRow.expires_at > self._clock.now())
            .order_by(ExportRow.id.desc())
            .limit(MOST_SHOWN)
        )
        async with self._database.read(scope) as session:
            return [ExportRecord.of(row) for row in await session.scalars(query)]

    async def download(
        self, staff: Staff, scope: ExportScope, export_id: str, facts: RequestFacts
    ) -> tuple[ExportRecord, AsyncIterator[bytes]]:
        """Return a finished file in pieces, after its audit row. Raises NotFound, also for a neighbour's."""
        now = self._clock.now()
        query = select(ExportRow).where(
            *_own(staff, scope),
            ExportRow.id == export_id,
            ExportRow.state == ExportState.DONE,
            ExportRow.expires_at > now,
        )
        async with self._database.read(scope) as session:
            found = await session.scalar(query)
        if found is None:
            raise NotFound
        export = ExportRecord.of(found)
        act = _act("export.downloaded", staff, scope, export_id, {"rows": export.rows}, None, facts)
        async with self._database.write(scope) as session:
            await record(session, _chain(scope), act, now)
        return export, self._parts(scope, export_id)

    async def _parts(self, scope: ExportScope, export_id: str) -> AsyncIterator[bytes]:
        number = 0
        while True:
            query = select(ExportPart.content).where(
                *_owned(scope, ExportPart), ExportPart.export_id == export_id, ExportPart.number == number
            )
            async with self._database.read(scope) as session:
                part = await session.scalar(query)
            if part is None:
                return
            yield zlib.decompress(part)
            number += 1


async def _pieces(export: Export, language: Language) -> AsyncIterator[bytes]:
    writer = CsvWriter(export.columns, language)
    piece = bytearray(writer.head())
    async for row in export.rows():
        piece += writer.row(row)
        if len(piece) >= _CHUNK:
            yield bytes(piece)
            piece.clear()
    yield bytes(piece)


def _act(
    action: str,
    staff: Staff,
    scope: ExportScope,
    export_id: str | None,
    after: Mapping[str, Any],
    reason: str | None,
    facts: RequestFacts,
) -> Act:
    return Act(
        actor=staff.actor,
        action=action,
        object_kind="export",
        object_id=export_id,
        tenant_id=scope.tenant_id if isinstance(scope, TenantScope) else None,
        after=after,
        reason=reason,
        request_id=facts.request_id,
        peer=facts.peer,
    )


def _chain(scope: ExportScope) -> str:
    return PLATFORM_CHAIN if isinstance(scope, PlatformScope) else scope.provider_id


def _own(staff: Staff, scope: ExportScope) -> list[ColumnElement[bool]]:
    return [*_owned(scope, ExportRow), ExportRow.membership_id == staff.membership_id]


def _owned(scope: ExportScope, model: Any) -> list[ColumnElement[bool]]:
    if isinstance(scope, PlatformScope):
        return [model.provider_id.is_(None)]
    own = [model.provider_id == scope.provider_id]
    return [*own, model.tenant_id == scope.tenant_id] if isinstance(scope, TenantScope) else own


def expired(now: datetime) -> ColumnElement[bool]:
    """Return the condition of exports whose files are to be deleted."""
    condition: ColumnElement[bool] = ExportRow.expires_at <= now
    return condition
