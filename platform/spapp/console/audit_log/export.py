"""Acts as rows of a file, by the filter of the audit log."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Mapping, Sequence
from datetime import datetime
from typing import Any
from urllib.parse import parse_qsl

from spapp.console.audit_log.query import AuditQuery
from spapp.console.audit_log.views import OBJECT
from spapp.console.frame.words import ACTION, ACTOR
from spapp.exports.csv import Cell, Column, Shape
from spapp.exports.kinds import Export, ExportScope
from spapp.web.i18n import translated
from spcore.audit.reader import AuditFilter, AuditReader, AuditRecord, AuditScope
from spcore.db.scope import PlatformScope, TenantScope
from spcore.errors import NotFound, Text

AT_A_TIME = 1000

_OWN = (
    Column(Text("时间", "Time"), Shape.MOMENT),
    Column(Text("操作人", "Who")),
    Column(Text("操作人类型", "Kind of actor")),
    Column(Text("操作", "Action")),
    Column(Text("对象", "Object")),
    Column(Text("对象编号", "Object ID")),
    Column(Text("特约商户编号", "Sub-merchant")),
    Column(Text("之前", "Before")),
    Column(Text("之后", "After")),
    Column(Text("理由", "Reason")),
    Column(Text("来源地址", "Address")),
    Column(Text("请求编号", "Request ID")),
    Column(Text("链内序号", "Row of the chain"), Shape.COUNT),
    Column(Text("哈希", "Hash")),
)
_PROVIDER = (Column(Text("服务商", "Service provider")),)


class AuditExport:
    """The export kind of acts; a merchant's people have no audit log (T09)."""

    name = "audit"
    title = Text("操作日志", "Audit log")

    def __init__(self, reader: AuditReader) -> None:
        self._reader = reader

    def of(self, scope: ExportScope, query: str, now: datetime) -> Export:
        """Read the filter out of the list's address; see `ExportKind.of`. Raises NotFound for a tenant."""
        if isinstance(scope, TenantScope):
            raise NotFound()
        asked = AuditQuery.parse("", dict(parse_qsl(query)), now)
        wanted = asked.to_filter()

        async def count(most: int) -> int:
            return await self._reader.count(scope, wanted, most)

        def rows() -> AsyncIterator[Sequence[Cell]]:
            return self._rows(scope, wanted)

        columns = (*_OWN, *_PROVIDER) if isinstance(scope, PlatformScope) else _OWN
        return Export(columns, asked.as_facts(), count, rows)

    async def _rows(self, scope: AuditScope, wanted: AuditFilter) -> AsyncIterator[Sequence[Cell]]:
        cursor: str | None = None
        while True:
            page = await self._reader.list(scope, wanted, AT_A_TIME, cursor)
            for act in page.rows:
                yield _cells(scope, act)
            if (cursor := page.next_cursor) is None:
                return


def _cells(scope: AuditScope, act: AuditRecord) -> Sequence[Cell]:
    own: tuple[Cell, ...] = (
        act.at,
        act.actor_name,
        translated(ACTOR.get(act.actor_kind, act.actor_kind)),
        translated(ACTION.get(act.action, act.action)),
        translated(OBJECT.get(act.object_kind, act.object_kind)),
        act.object_id,
        act.tenant_id,
        _plain(act.before),
        _plain(act.after),
        act.reason,
        act.peer,
        act.request_id,
        act.seq,
        act.hash,
    )
    return (*own, act.chain_name or translated("平台")) if isinstance(scope, PlatformScope) else own


def _plain(values: Mapping[str, Any] | None) -> str | None:
    return None if values is None else json.dumps(values, ensure_ascii=False)
