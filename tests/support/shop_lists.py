"""What people of the shop saved of their lists: filters under a name, and files written by the worker."""

from __future__ import annotations

import zlib
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import insert, select

from spapp.accounts.models import Membership, Person, Role
from spapp.console.saved_views.models import SavedView
from spapp.exports.csv import Column, CsvWriter, Shape
from spapp.exports.models import ExportPart, ExportRow, ExportState
from spapp.exports.service import KEPT
from spcore.db.base import table_of
from spcore.db.engine import Database
from spcore.db.scope import DoorScope, WorkerScope
from spcore.errors import Text
from spcore.ids import new_id
from wechatpay.money import Fen

NEIGHBOUR = "owner@huitong.example.com"
"""Of the second provider; nobody signs in as them."""

_VIEWS: Sequence[tuple[str, str, str, str]] = (
    (Role.PROVIDER_OWNER, "orders", "本周需处理", "status=attention&range=7d"),
    (Role.PROVIDER_OWNER, "orders", "徐汇滨江旗舰店的大额订单，财务每周一核对", "range=30d&min=1000"),
    (Role.PROVIDER_OWNER, "refunds", "等我批准的退款", "status=waiting&range=30d"),
    (Role.PLATFORM_ADMIN, "orders", "近 7 天下单失败", "status=closed&range=7d"),
    (Role.MERCHANT_USER, "orders", "昨天的已支付订单", "status=paid&range=yesterday"),
    (NEIGHBOUR, "orders", "待支付超过一天", "status=unpaid&range=7d"),
)
_EXPORTS: Sequence[tuple[str, str, str, str | None, ExportState]] = (
    (Role.PROVIDER_OWNER, "orders", "range=30d", None, ExportState.DONE),
    (Role.PROVIDER_OWNER, "refunds", "range=all", None, ExportState.FAILED),
    (Role.PLATFORM_ADMIN, "orders", "range=30d&status=attention", "监管季度抽查", ExportState.DONE),
    (Role.MERCHANT_USER, "orders", "range=30d&status=paid", None, ExportState.DONE),
    (NEIGHBOUR, "orders", "range=30d", None, ExportState.DONE),
)
_COLUMNS = (
    Column(Text("商户订单号", "Merchant order no."), Shape.NUMBER),
    Column(Text("金额（元）", "Amount (CNY)"), Shape.YUAN),
)
_LINES = 30


async def add_lists(database: Database, people: Mapping[str, str], now: datetime) -> None:
    """Save views and exports; `people` are e-mail addresses by role."""
    async with database.write(DoorScope()) as session:
        query = select(Person.email, Person.id, Person.name, Membership)
        found = await session.execute(query.join(Membership, Membership.person_id == Person.id))
        members = {email: (person_id, name, member) for email, person_id, name, member in found}
        views = [
            {
                "id": new_id("viw", now),
                "membership_id": members[people.get(who, who)][2].id,
                "list": list_,
                "name": name,
                "query": query,
                "created_at": now - timedelta(days=3),
            }
            for who, list_, name, query in _VIEWS
        ]
        await session.execute(insert(table_of(SavedView)), views)
    exports = [
        _export(*members[people.get(who, who)], *asked, now - timedelta(hours=2, minutes=place))
        for place, (who, *asked) in enumerate(_EXPORTS)
    ]
    content = _file()
    parts = [
        {
            "export_id": export["id"],
            "number": 0,
            "provider_id": export["provider_id"],
            "tenant_id": export["tenant_id"],
            "content": zlib.compress(content),
        }
        for export in exports
        if export["state"] is ExportState.DONE
    ]
    async with database.write(WorkerScope()) as session:
        await session.execute(insert(table_of(ExportRow)), exports)
        await session.execute(insert(table_of(ExportPart)), parts)


def _export(
    person_id: str,
    name: str,
    member: Membership,
    kind: str,
    query: str,
    reason: str | None,
    state: ExportState,
    at: datetime,
) -> dict[str, Any]:
    done = state is ExportState.DONE
    return {
        "id": new_id("exp", at),
        "provider_id": member.provider_id,
        "tenant_id": member.tenant_id,
        "membership_id": member.id,
        "person_id": person_id,
        "person_name": name,
        "kind": kind,
        "query": query,
        "language": "zh-CN",
        "reason": reason,
        "facts": {},
        "state": state,
        "rows": _LINES if done else 0,
        "size": len(_file()) if done else 0,
        "tries": 1 if done else 3,
        "created_at": at,
        "finished_at": at + timedelta(minutes=1),
        "expires_at": at + KEPT,
        "due_at": None,
    }


def _file() -> bytes:
    """Return a file of `_LINES` lines."""
    writer = CsvWriter(_COLUMNS, "zh-CN")
    lines = (writer.row((f"T2026112100{place:04d}", Fen(1200 + place * 10))) for place in range(_LINES))
    return writer.head() + b"".join(lines)
