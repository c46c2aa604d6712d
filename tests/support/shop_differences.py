"""What the lived-in installation has of differences and daily statements, as rows."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from hashlib import sha256
from typing import Any

from sqlalchemy import insert, select

from spapp.web.pages import SHANGHAI
from spcore.db.base import table_of
from spcore.db.engine import Database
from spcore.db.scope import ProviderScope, TenantScope
from spcore.ids import new_id
from sptenants.orders.models import Order
from sptenants.reconciliation.models import AgreedRate, Difference, Statement
from sptenants.reconciliation.states import KIND_OF, DifferenceDetail

STRANGE_NUMBER = "1699999999"
"""A sub-merchant number that is no tenant of anybody's."""
STRANGE_TRADE = "OTHERSYSTEM20261120000001"
NOTE = "已与微信客服核对：该笔由门店旧收银系统收取，不入本平台账。"
_LONG_NUMBER = "4200002611202611215530918274"


@dataclass(frozen=True, slots=True)
class _Wanted:
    key: str
    tenant: TenantScope | None
    detail: DifferenceDetail
    ours: int | None = None
    theirs: int | None = None
    cause: str | None = None
    order: str | None = None
    refund: str | None = None
    facts: Mapping[str, Any] | None = None
    cause_facts: Mapping[str, Any] | None = None
    more: Mapping[str, Any] | None = None


async def add_differences(
    database: Database,
    tenants: Mapping[str, TenantScope],
    orders: Mapping[str, str],
    refunds: Mapping[str, str],
    bills: Mapping[str, str],
    day: date,
    now: datetime,
    *,
    gym: str,
    hostile: str,
) -> dict[str, str]:
    """Write differences of both providers, of tenants and of nobody; return their ids."""
    coffee, clinic = tenants["晨曦咖啡"], tenants["仁康门诊部"]
    first, second = ProviderScope(coffee.provider_id), ProviderScope(clinic.provider_id)
    came = datetime.combine(day + timedelta(days=1), time(0, 0, 7), SHANGHAI).astimezone(UTC)
    ids = {}
    for place, wanted in enumerate(_of_first(coffee, tenants[gym], tenants[hostile], came, now)):
        at = now - timedelta(minutes=40) + timedelta(seconds=9 * place)
        ids[wanted.key] = await _add(database, first, wanted, orders, refunds, bills["different"], day, at)
    other = _Wanted("other provider", clinic, DifferenceDetail.AMOUNT, 45_000, 45_001, order="other tenant")
    ids[other.key] = await _add(
        database, second, other, orders, refunds, bills["other provider"], day, now - timedelta(minutes=41)
    )
    return ids


def _of_first(
    coffee: TenantScope, gym: TenantScope, hostile: TenantScope, came: datetime, now: datetime
) -> tuple[_Wanted, ...]:
    detail, late = DifferenceDetail, {"received_at": came.isoformat()}
    asked: dict[str, Any] = {"tries": 3, "next_at": now + timedelta(minutes=50)}
    closed: dict[str, Any] = {
        "state": "resolved",
        "resolution": "person",
        "resolved_by": "王敏",
        "resolved_at": now - timedelta(minutes=5),
        "note": NOTE,
    }
    healed: dict[str, Any] = {
        "state": "resolved",
        "resolution": "healed",
        "resolved_by": "system",
        "resolved_at": now - timedelta(minutes=20),
        "tries": 1,
    }
    rate = {"rate": 10_000, "agreed": 6_000, "lines": 34, "sum": 49_130}
    strange, line = {"sub_mch_id": STRANGE_NUMBER, "line": 38}, {"line": 39}
    return (
        _Wanted("healed", coffee, detail.PAYMENT_UNKNOWN, None, 32_000, "lost_notification", more=healed),
        _Wanted("closed", coffee, detail.PAYMENT_UNKNOWN, None, 880, "not_our_number", more=closed),
        _Wanted("stray", None, detail.UNKNOWN_SUB_MERCHANT, None, 4_500, facts=strange),
        _Wanted("foreign", None, detail.OTHER_PROVIDER, None, 7_700, "other_providers_bill", facts=line),
        _Wanted("rate", coffee, detail.RATE, 294_780, 491_300, "other_rate", facts=rate),
        _Wanted("fee", coffee, detail.FEE, 7_680, 12_800, "fee_not_by_rate", facts={"line": 4}),
        _Wanted(
            "refund",
            coffee,
            detail.REFUND_AMOUNT,
            20_000,
            19_999,
            order="partly",
            refund="succeeded",
            more=asked,
        ),
        _Wanted("neighbour", gym, detail.PAYMENT_ABSENT, 999_999_999, None, "bill_line_missing", "largest"),
        _Wanted("hostile", hostile, detail.PAYMENT_UNKNOWN, None, 100, facts={"line": 37}),
        _Wanted(
            "amount", coffee, detail.AMOUNT, 12_800, 12_801, "amount_differs_at_wechat", "latest", more=asked
        ),
        _Wanted(
            "late",
            coffee,
            detail.STATE,
            3_650,
            3_650,
            "late_notification",
            "pending",
            facts={"state": "SUCCESS", "status": "pending"},
            cause_facts=late,
            more=asked,
        ),
    )


async def _add(
    database: Database,
    scope: ProviderScope,
    wanted: _Wanted,
    orders: Mapping[str, str],
    refunds: Mapping[str, str],
    bill_id: str,
    day: date,
    at: datetime,
) -> str:
    difference_id = new_id("dif", at)
    order_id = orders[wanted.order] if wanted.order else None
    async with database.write(scope) as session:
        out_trade_no = await session.scalar(
            select(Order.out_trade_no).where(Order.provider_id == scope.provider_id, Order.id == order_id)
        )
        row = {
            "id": difference_id,
            "provider_id": scope.provider_id,
            "tenant_id": wanted.tenant.tenant_id if wanted.tenant else None,
            "bill_id": bill_id,
            "bill_date": day,
            "kind": KIND_OF[wanted.detail].value,
            "detail": wanted.detail.value,
            "mark": difference_id,
            "out_trade_no": out_trade_no
            or (None if wanted.detail is DifferenceDetail.RATE else STRANGE_TRADE),
            "out_refund_no": "01JD3K8W7Q4M6X0B2T9V5H1CZR" if wanted.refund else None,
            "transaction_id": None if wanted.detail is DifferenceDetail.RATE else _LONG_NUMBER,
            "order_id": order_id,
            "refund_id": refunds[wanted.refund] if wanted.refund else None,
            "ours": wanted.ours,
            "theirs": wanted.theirs,
            "facts": dict(wanted.facts or {}),
            "cause": wanted.cause,
            "cause_facts": dict(wanted.cause_facts) if wanted.cause_facts else None,
            "state": "open",
            "tries": 0,
            "found_at": at,
            "updated_at": at,
        } | dict(wanted.more or {})
        await session.execute(insert(table_of(Difference)), [row])
    return difference_id


async def add_statements(
    database: Database,
    tenants: Mapping[str, TenantScope],
    days: Mapping[str, date],
    now: datetime,
    *,
    gym: str,
    hostile: str,
    largest: int,
) -> None:
    """Write statements: most of them balanced, one with the largest sums, some with differences."""
    coffee, clinic, yesterday = tenants["晨曦咖啡"], tenants["仁康门诊部"], days["different"]
    rows = [
        _statement(
            coffee,
            yesterday,
            now,
            "different",
            (34, 49_130),
            (34, 49_131),
            open_=5,
            found=7,
            refunds=(1, 1_280),
        ),
        _statement(tenants[gym], yesterday, now, "different", (1, 999_999_999), (0, 0), open_=1, found=1),
        _statement(tenants[hostile], yesterday, now, "open", (0, 0), (1, 100), open_=1, found=1),
        _statement(coffee, days["balanced"], now, "balanced", (40, 51_200), (40, 51_200)),
        _statement(tenants[gym], days["balanced"], now, "balanced", (2, largest), (2, largest)),
        _statement(coffee, days["empty"], now, "balanced", (0, 0), (0, 0)),
        _statement(tenants[gym], days["neighbour"], now, "balanced", (4, 25_600), (4, 25_600)),
        _statement(clinic, yesterday, now, "different", (6, 45_000), (6, 45_001), open_=1, found=1),
        _statement(clinic, days["other provider"], now, "balanced", (2, 9_000), (2, 9_000)),
    ]
    rates = [
        {"from_date": days["neighbour"], "rate": rate, "set_by": "王敏", "created_at": now} | _owner(scope)
        for scope, rate in ((coffee, 6_000), (clinic, 3_800))
    ]
    for scope in (ProviderScope(coffee.provider_id), ProviderScope(clinic.provider_id)):
        async with database.write(scope) as session:
            own = [row for row in rows if row["provider_id"] == scope.provider_id]
            await session.execute(insert(table_of(Statement)), own)
            ours = [row for row in rates if row["provider_id"] == scope.provider_id]
            await session.execute(insert(table_of(AgreedRate)), ours)


def _owner(scope: TenantScope) -> dict[str, Any]:
    return {"provider_id": scope.provider_id, "tenant_id": scope.tenant_id}


def _statement(
    tenant: TenantScope,
    day: date,
    now: datetime,
    state: str,
    ours: tuple[int, int],
    theirs: tuple[int, int],
    *,
    open_: int = 0,
    found: int = 0,
    refunds: tuple[int, int] = (0, 0),
) -> dict[str, Any]:
    shifted = int(state == "different")
    return _owner(tenant) | {
        "id": new_id("sta", now),
        "bill_date": day,
        "state": state,
        "paid_count": ours[0],
        "paid_amount": ours[1],
        "refunded_count": refunds[0],
        "refunded_amount": refunds[1],
        "bill_paid_count": theirs[0],
        "bill_paid_amount": theirs[1],
        "bill_refunded_count": refunds[0],
        "bill_refunded_amount": refunds[1],
        "bill_settled_amount": theirs[1],
        "bill_fee": theirs[1] * 6,
        "suspended_count": shifted,
        "suspended_amount": 1_280 * shifted,
        "differences": found,
        "open_differences": open_,
        "proof": _proof(ours, theirs, refunds),
        "digest": sha256(f"{tenant.tenant_id} {day}".encode()).hexdigest(),
        "event_sequence": 1,
        "told": None if state == "open" else state,
        "made_at": now - timedelta(minutes=39),
        "updated_at": now - timedelta(minutes=5),
    }


def _proof(ours: tuple[int, int], theirs: tuple[int, int], refunds: tuple[int, int]) -> dict[str, Any]:
    """Return the terms as comparing finds them: what has no counterpart, and what has another amount."""
    more = theirs[0] - ours[0], theirs[1] - ours[1]
    names = ("missing_here", "missing_there", "differing", "shifted_in", "shifted_out", "suspended")
    nothing = {name: _term(0, 0) for name in names}
    name = "differing" if more[0] == 0 else "missing_here" if more[0] > 0 else "missing_there"
    sign = -1 if name == "missing_there" else 1
    return {
        "payments": {"ours": _term(*ours)}
        | nothing
        | {name: _term(sign * more[0], sign * more[1])}
        | {"theirs": _term(*theirs)},
        "refunds": {"ours": _term(*refunds)} | nothing | {"theirs": _term(*refunds)},
        "edition": 1,
    }


def _term(count: int, amount: int) -> dict[str, int]:
    return {"count": count, "amount": amount}
