"""Writing the files of long exports. Part of the worker's timetable.

A file is stored in pieces as it grows, so that neither memory nor a transaction holds all of it. Whoever
writes holds the row by a lease that every piece renews; the file of a killed worker is begun anew.
"""

from __future__ import annotations

import zlib
from datetime import timedelta
from typing import Any, cast

import structlog
from sqlalchemy import CursorResult, delete, insert, select, update

from spapp.exports.csv import CsvWriter
from spapp.exports.models import ExportPart, ExportRow, ExportState
from spapp.exports.records import ExportRecord
from spapp.exports.service import Exports, expired
from spcore.audit.writer import Act, record
from spcore.clock import Clock
from spcore.db.base import table_of
from spcore.db.engine import Database
from spcore.db.scope import WorkerScope

LEASE = timedelta(minutes=10)
AGAIN = timedelta(minutes=1)
MOST_TRIES = 3
PART = 4 * 1024 * 1024
"""Bytes of a piece before it is packed."""

_EXPORTS, _PARTS = table_of(ExportRow), table_of(ExportPart)
_log = structlog.get_logger("wxsp.exports")


class _Lost(Exception):
    """Another worker has the export, or its person is gone."""


class Writing:
    """Takes exports that wait, one at a time, and writes their files."""

    def __init__(self, database: Database, clock: Clock, exports: Exports) -> None:
        self._database = database
        self._clock = clock
        self._exports = exports

    async def run_due(self, worker_id: str) -> int:
        """Write one file and return 1; 0 when none waits."""
        found = await self._claim(worker_id)
        if found is None:
            return 0
        try:
            await self._write(found, worker_id)
        except _Lost:
            _log.warning("export.lost", export_id=found.id)
        except Exception:
            # What went wrong with one file must not keep others waiting; the row says that it failed.
            _log.exception("export.failed", export_id=found.id, tries=found.tries)
            await self._give_back(found, worker_id)
        return 1

    async def tidy(self) -> None:
        """Delete the files that were kept long enough."""
        async with self._database.write(WorkerScope()) as session:
            await session.execute(delete(ExportRow).where(expired(self._clock.now())))

    async def _claim(self, worker_id: str) -> ExportRecord | None:
        now = self._clock.now()
        due = select(ExportRow).where(ExportRow.due_at <= now).order_by(ExportRow.due_at).limit(1)
        async with self._database.write(WorkerScope()) as session:
            row = await session.scalar(due.with_for_update(skip_locked=True))
            if row is None:
                return None
            taken = {
                "state": ExportState.RUNNING,
                "due_at": now + LEASE,
                "leased_by": worker_id,
                "tries": row.tries + 1,
                "rows": 0,
                "size": 0,
            }
            await session.execute(update(_EXPORTS).where(_EXPORTS.c.id == row.id).values(**taken))
            await session.execute(delete(_PARTS).where(_PARTS.c.export_id == row.id))
            await session.refresh(row)
            return ExportRecord.of(row)

    async def _write(self, found: ExportRecord, worker_id: str) -> None:
        export = self._exports.kind(found.kind).of(found.scope, found.query, found.created_at)
        writer = CsvWriter(export.columns, found.language)
        file = _File(self, found, worker_id)
        piece = bytearray(writer.head())
        async for row in export.rows():
            piece += writer.row(row)
            file.rows += 1
            if len(piece) >= PART:
                await file.store(bytes(piece))
                piece.clear()
        await file.store(bytes(piece))
        await self._finish(file, dict(export.filter))

    async def store(self, file: _File, content: bytes) -> None:
        """Store one piece and renew the lease. Raises _Lost when the export is no longer ours."""
        part = {
            "export_id": file.export.id,
            "number": file.parts,
            "provider_id": file.export.provider_id,
            "tenant_id": file.export.tenant_id,
            "content": zlib.compress(content, 6),
        }
        due = self._clock.now() + LEASE
        async with self._database.write(WorkerScope()) as session:
            await self._update(session, file, rows=file.rows, size=file.size + len(content), due_at=due)
            await session.execute(insert(_PARTS), [part])

    async def _finish(self, file: _File, filter_: dict[str, str]) -> None:
        now, export = self._clock.now(), file.export
        act = Act(
            actor=export.actor,
            action="export.written",
            object_kind="export",
            object_id=export.id,
            tenant_id=export.tenant_id,
            after={"kind": export.kind, "filter": filter_, "rows": file.rows},
            reason=export.reason,
            request_id=export.facts.get("request_id"),
            peer=export.facts.get("peer"),
        )
        async with self._database.write(WorkerScope()) as session:
            await self._update(session, file, state=ExportState.DONE, finished_at=now, due_at=None)
            await record(session, export.chain, act, now)

    async def _give_back(self, export: ExportRecord, worker_id: str) -> None:
        now = self._clock.now()
        over = export.tries >= MOST_TRIES
        async with self._database.write(WorkerScope()) as session:
            await session.execute(
                update(_EXPORTS)
                .where(_EXPORTS.c.id == export.id, _EXPORTS.c.leased_by == worker_id)
                .values(
                    state=ExportState.FAILED if over else ExportState.WAITING,
                    due_at=None if over else now + AGAIN,
                    finished_at=now if over else None,
                    leased_by=None,
                )
            )

    async def _update(self, session: Any, file: _File, **values: Any) -> None:
        changed = await session.execute(
            update(_EXPORTS)
            .where(
                _EXPORTS.c.id == file.export.id,
                _EXPORTS.c.state == ExportState.RUNNING,
                _EXPORTS.c.leased_by == file.worker_id,
                _EXPORTS.c.tries == file.export.tries,
            )
            .values(**values)
        )
        if cast("CursorResult[Any]", changed).rowcount != 1:
            raise _Lost


class _File:
    """A file that is being written, and how far it has come."""

    def __init__(self, writing: Writing, export: ExportRecord, worker_id: str) -> None:
        self.export = export
        self.worker_id = worker_id
        self.rows = 0
        self.size = 0
        self.parts = 0
        self._writing = writing

    async def store(self, content: bytes) -> None:
        await self._writing.store(self, content)
        self.size += len(content)
        self.parts += 1
