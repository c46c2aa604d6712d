"""What the lived-in installation has of bills: days in every state, lines of every kind, and nobody's lines.

Days count back from today in Beijing. Yesterday has differences, the day before is balanced, three days ago a
file came with the wrong hash, four days ago nothing happened. Six days ago only the neighbour traded, and
eight days ago only the other provider has a bill.
"""

from __future__ import annotations

import gzip
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time, timedelta
from hashlib import sha1
from typing import Any

from sqlalchemy import insert
from tests.support.shop_differences import STRANGE_NUMBER, add_differences, add_statements

from spapp.web.pages import SHANGHAI
from spcore.db.base import table_of
from spcore.db.engine import Database
from spcore.db.scope import ProviderScope, TenantScope
from spcore.ids import new_id
from sptenants.bills.models import Bill, BillLine, BillPart, FundEntry

LARGEST = 9_999_999_999
"""Fen: the largest sum that pages must hold, ¥99,999,999.99."""
UNKNOWN_COLUMN = '<b>费率备注"新"</b>'
_COFFEE_NUMBER, _GYM_NUMBER, _CLINIC_NUMBER = "1612345678", "1623456701", "1667012345"
_COLUMNS = [
    "交易时间",
    "公众账号ID",
    "商户号",
    "特约商户号",
    "微信订单号",
    "商户订单号",
    "交易状态",
    "订单金额",
]
_MISMATCH = {"message": "told sha1 is of other bytes"}


@dataclass(frozen=True, slots=True)
class Party:
    """A tenant, the number that bills name it by, and the provider's own."""

    scope: TenantScope
    number: str
    mch_id: str


@dataclass(frozen=True, slots=True)
class ShopBills:
    """Where things are: days, ids of bills and of differences by what stands out about them."""

    days: Mapping[str, date] = field(default_factory=dict)
    bills: Mapping[str, str] = field(default_factory=dict)
    differences: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class _Wanted:
    key: str
    back: int
    kind: str = "trade"
    state: str = "balanced"
    lines: int = 0
    of: TenantScope | None = None
    more: Mapping[str, Any] | None = None


async def add_bills(
    database: Database,
    tenants: Mapping[str, TenantScope],
    orders: Mapping[str, str],
    refunds: Mapping[str, str],
    now: datetime,
    *,
    gym: str,
    hostile: str,
) -> ShopBills:
    """Write the bills of both providers, their differences and the statements of their tenants."""
    today = now.astimezone(SHANGHAI).date()
    coffee = Party(tenants["晨曦咖啡"], _COFFEE_NUMBER, "1900000109")
    long = Party(tenants[gym], _GYM_NUMBER, "1900000109")
    clinic = Party(tenants["仁康门诊部"], _CLINIC_NUMBER, "1900000217")
    bad = Party(tenants[hostile], "1645670123", "1900000109")
    first, second = ProviderScope(coffee.scope.provider_id), ProviderScope(clinic.scope.provider_id)
    ids = {}
    for wanted in _of_first(long.scope, now):
        ids[wanted.key] = await _add(database, first, wanted, today, _GYM_NUMBER if wanted.of else "", now)
    for wanted in _of_second(now):
        ids[wanted.key] = await _add(database, second, wanted, today, "", now)
    yesterday = today - timedelta(days=1)
    await _add_lines(database, first, ids["different"], yesterday, _lines((coffee, long, bad)))
    await _add_lines(database, second, ids["other provider"], yesterday, _lines((clinic,), 6))
    await _add_funds(database, first, ids["fund"], yesterday)
    days = {
        "different": yesterday,
        "balanced": today - timedelta(days=2),
        "failed": today - timedelta(days=3),
        "empty": today - timedelta(days=4),
        "neighbour": today - timedelta(days=6),
        "other provider": today - timedelta(days=8),
    }
    differences = await add_differences(
        database, tenants, orders, refunds, ids, yesterday, now, gym=gym, hostile=hostile
    )
    await add_statements(database, tenants, days, now, gym=gym, hostile=hostile, largest=LARGEST)
    return ShopBills(days, ids, differences)


def _of_first(gym: TenantScope, now: datetime) -> Sequence[_Wanted]:
    waiting: dict[str, Any] = {"problem": "not_ready", "attempts": 3, "next_at": now + timedelta(minutes=30)}
    failed: dict[str, Any] = {
        "problem": "hash_mismatch",
        "problem_facts": _MISMATCH,
        "attempts": 11,
        "next_at": now + timedelta(hours=6),
        "sha1_told": "0" * 40,
    }
    too_old: dict[str, Any] = {
        "problem": "too_old",
        "problem_facts": {"code": "INVALID_REQUEST", "message": "bill date out of range", "http_status": 400},
        "attempts": 1,
        "requested_by": "王敏",
    }
    unknown: dict[str, Any] = {"unknown_columns": [UNKNOWN_COLUMN], "columns": [*_COLUMNS, UNKNOWN_COLUMN]}
    return (
        _Wanted("too old", 120, state="failed", more=too_old),
        _Wanted("neighbour", 6, lines=4),
        _Wanted("empty", 4, more={"empty": True, "sha1": None, "sha1_told": None, "hash_check": "untold"}),
        _Wanted("failed", 3, state="failed", more=failed),
        _Wanted("fund waiting", 3, "fund", "waiting", more=waiting),
        _Wanted("balanced", 2, lines=42, more={"hash_check": "file"}),
        _Wanted("fund balanced", 2, "fund", lines=9),
        _Wanted("own", 2, lines=3, of=gym),
        _Wanted("different", 1, state="different", lines=39, more=unknown),
        _Wanted("fund", 1, "fund", lines=3),
    )


def _of_second(now: datetime) -> Sequence[_Wanted]:
    waiting: dict[str, Any] = {"problem": "unreachable", "attempts": 5, "next_at": now + timedelta(minutes=4)}
    return (
        _Wanted("only other provider", 8, lines=2),
        _Wanted("other provider", 1, state="different", lines=8),
        _Wanted("other fund", 1, "fund", "waiting", more=waiting),
    )


async def _add(
    database: Database, scope: ProviderScope, wanted: _Wanted, today: date, number: str, now: datetime
) -> str:
    day = today - timedelta(days=wanted.back)
    bill_id, text = new_id("bil", now), _text(day, wanted)
    taken = wanted.state in ("downloaded", "balanced", "different")
    came = datetime.combine(day + timedelta(days=1), time(10, 4, wanted.back % 60), SHANGHAI).astimezone(UTC)
    tenant_id = wanted.of.tenant_id if wanted.of else None
    row = {
        "id": bill_id,
        "provider_id": scope.provider_id,
        "tenant_id": tenant_id,
        "bill_date": day,
        "kind": wanted.kind,
        "account": "BASIC" if wanted.kind == "fund" else "",
        "sub_mch_id": number,
        "requested_by": "schedule",
        "api_version": "v2",
        "state": wanted.state,
        "attempts": 1,
        "edition": int(taken),
        "loaded_edition": int(taken),
        "empty": False,
        "size": len(text) if taken else 0,
        "sha1": sha1(text, usedforsecurity=False).hexdigest() if taken else None,
        "sha1_told": sha1(text, usedforsecurity=False).hexdigest() if taken else None,
        "hash_check": "text" if taken else None,
        "lines": wanted.lines,
        "columns": _COLUMNS if taken else None,
        "summary": _summary(wanted) if taken and wanted.lines else None,
        "read_lines": wanted.lines,
        "read_offset": len(text) if taken else 0,
        "asked_at": came,
        "downloaded_at": came if taken else None,
        "matched_at": came + timedelta(seconds=8) if taken else None,
        "created_at": came,
        "updated_at": came,
    } | dict(wanted.more or {})
    part = {
        "bill_id": bill_id,
        "edition": 1,
        "number": 0,
        "provider_id": scope.provider_id,
        "tenant_id": tenant_id,
        "offset": 0,
        "content": gzip.compress(text, mtime=0),
    }
    async with database.write(scope) as session:
        await session.execute(insert(table_of(Bill)), [row])
        if taken and not row["empty"]:
            await session.execute(insert(table_of(BillPart)), [part])
    return bill_id


def _summary(wanted: _Wanted) -> dict[str, Any]:
    """Return what the summary line says, and the sums of the lines; one bill says it wrong."""
    if wanted.kind == "fund":
        counted = {"lines": 3, "income_lines": 1, "income": 128_000, "expense_lines": 2, "expense": 100_768}
        return {"told": counted, "counted": counted}
    counted = {"lines": wanted.lines, "settled": 61_230, "refunded": 1_280, "fee": 359_700, "total": 61_230}
    told = counted | {"total": counted["total"] + 1, "refund_applied": None}
    return {
        "told": told if wanted.state == "different" else counted,
        "counted": counted | {"refund_applied": 1_280},
    }


def _text(day: date, wanted: _Wanted) -> bytes:
    head = ",".join(_COLUMNS)
    line = f"`{day} 20:51:07,`wx1111,`1900000109,`{_COFFEE_NUMBER},`4200001234,`T0007,`SUCCESS,`12.80"
    return "\r\n".join(("\ufeff" + head, *([line] * wanted.lines), "")).encode()


async def _add_lines(
    database: Database, scope: ProviderScope, bill_id: str, day: date, lines: Sequence[dict[str, Any]]
) -> None:
    begin = datetime.combine(day, time(8), SHANGHAI).astimezone(UTC)
    rows = [
        {
            "bill_id": bill_id,
            "edition": 1,
            "number": place,
            "provider_id": scope.provider_id,
            "bill_date": day,
            "at": begin + timedelta(minutes=11 * place),
            "currency": "CNY",
            "trade_type": "JSAPI",
            "extra": {"description": "拿铁双人套餐"},
        }
        | line
        for place, line in enumerate(lines, start=1)
    ]
    async with database.write(scope) as session:
        await session.execute(insert(table_of(BillLine)), rows)


def _lines(parties: Sequence[Party], own: int = 34) -> list[dict[str, Any]]:
    """Return lines of the first party mostly, a refund among them, and of the others one each."""
    first = parties[0]
    lines = [_payment(first, place, 1_280 + place * 10) for place in range(own)]
    lines += [_refund(first, own), *(_payment(other, 90 + n, 256_000) for n, other in enumerate(parties[1:]))]
    strange = _payment(first, 96, 4_500) | {"tenant_id": None, "sub_mch_id": STRANGE_NUMBER}
    other = _payment(first, 97, 7_700) | {"tenant_id": None, "mch_id": "1999999999", "sub_mch_id": None}
    return [*lines, strange, other]


def _payment(party: Party, place: int, amount: int) -> dict[str, Any]:
    return {
        "tenant_id": party.scope.tenant_id,
        "mch_id": party.mch_id,
        "sub_mch_id": party.number,
        "transaction_id": f"4200002611202611215530{party.number[-4:]}{place:02d}",
        "out_trade_no": f"01JD3K8W7Q4M6X0B2T9V5H{party.number[-4:]}{place:02d}",
        "state": "SUCCESS",
        "total": amount,
        "settled": amount,
        "refund_id": None,
        "out_refund_no": None,
        "refund_amount": 0,
        "refund_applied": 0,
        "refund_state": None,
        "fee": amount * 6,
        "rate": 6_000,
    }


def _refund(party: Party, place: int) -> dict[str, Any]:
    return _payment(party, place, 0) | {
        "state": "REFUND",
        "refund_id": "50300002026112100000000000012",
        "out_refund_no": "01JD3K8W7Q4M6X0B2T9V5H1CZR",
        "refund_amount": 1_280,
        "refund_applied": 1_280,
        "refund_state": "SUCCESS",
        "fee": -1_280 * 6,
    }


async def _add_funds(database: Database, scope: ProviderScope, bill_id: str, day: date) -> None:
    begin = datetime.combine(day, time(9), SHANGHAI).astimezone(UTC)
    names = (("交易", "交易", 128_000), ("手续费", "扣除交易手续费", -768), ("提现", "提现", -100_000))
    balance, rows = 512_300, []
    for number, (name, kind, amount) in enumerate(names, start=1):
        balance += amount
        rows.append(
            {
                "bill_id": bill_id,
                "edition": 1,
                "number": number,
                "provider_id": scope.provider_id,
                "tenant_id": None,
                "bill_date": day,
                "at": begin + timedelta(hours=number),
                "business_no": f"42000026112026112155309182{number:02d}",
                "flow_no": f"1900000109{number:018d}",
                "name": name,
                "type": kind,
                "amount": amount,
                "balance": balance,
                "applicant": "1900000109@1900000109",
                "note": "",
                "voucher": f"V{number:020d}",
                "extra": {},
            }
        )
    async with database.write(scope) as session:
        await session.execute(insert(table_of(FundEntry)), rows)
