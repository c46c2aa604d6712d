"""Where other pages speak of bills: a tenant's fee rate, an order's lines, yesterday on the first pages."""

from __future__ import annotations

import re
from dataclasses import dataclass

import pytest
from sqlalchemy import select, update
from tests.conftest import HeldClock
from tests.support.money_desk import MoneyDesk
from tests.support.shop import Shop
from tests.support.statement_rows import DAY, Owner, add_bill, add_difference, add_line, add_statement
from tests.support.visitor import Visitor

from spapp.accounts.models import Role
from spcore.audit.models import AuditRow
from spcore.db.base import table_of
from spcore.db.engine import Database
from spcore.db.scope import ProviderScope, TenantScope
from sptenants.bills.models import Bill
from sptenants.orders.models import Order
from sptenants.orders.sums import day_of
from sptenants.reconciliation.models import AgreedRate
from sptenants.reconciliation.states import DifferenceDetail

OWNER, FINANCE, VIEWER, MERCHANT = (
    "provider_owner",
    "provider_finance",
    "provider_viewer",
    "merchant_user",
)


@dataclass(frozen=True)
class Tenant:
    scope: TenantScope


@dataclass(frozen=True)
class Rows:
    database: Database
    clock: HeldClock
    callers: tuple[Owner, ...]


@pytest.fixture
def rows(database: Database, clock: HeldClock, shop: Shop) -> Rows:
    names = ("晨曦咖啡", "仁康门诊部")
    return Rows(database, clock, tuple(Tenant(shop.tenants[name]) for name in names))


async def rates_of(rows: Rows) -> dict[str, int]:
    scope = rows.callers[0].scope
    query = select(AgreedRate).where(AgreedRate.tenant_id == scope.tenant_id)
    async with rows.database.read(scope) as session:
        return {row.from_date.isoformat(): row.rate for row in await session.scalars(query)}


# --- a tenant's fee rate ---------------------------------------------------------------------------------


async def test_finance_agrees_upon_a_rate_and_the_page_keeps_its_history(
    visitor: Visitor, shop: Shop, rows: Rows
) -> None:
    await visitor.sign_in(shop.people[FINANCE])
    url = f"/console/tenants/{rows.callers[0].scope.tenant_id}"
    for rate, day in (("0.60%", "2026-11-01"), ("0.38%", "2026-12-01")):
        answer = await visitor.post(f"{url}/rates", (await visitor.get(url)).text, rate=rate, from_date=day)
        assert answer.status_code == 303
    page = (await visitor.get(url)).text
    assert re.findall(r'<td class="c-num">(2026-1[12]-01)</td>', page) == ["2026-12-01", "2026-11-01"]
    found = await rates_of(rows)
    assert (found["2026-11-01"], found["2026-12-01"]) == (6_000, 3_800)
    provider = ProviderScope(rows.callers[0].scope.provider_id)
    async with rows.database.read(provider) as session:
        acts = list(await session.scalars(select(AuditRow).where(AuditRow.chain == provider.provider_id)))
    assert sum(act.action == "rate.agreed" for act in acts) == 2


async def test_a_rate_that_cannot_be_meant_is_shown_again_with_its_fault(
    visitor: Visitor, shop: Shop, rows: Rows
) -> None:
    await visitor.sign_in(shop.people[OWNER])
    url = f"/console/tenants/{rows.callers[0].scope.tenant_id}"
    before, page = await rates_of(rows), (await visitor.get(url)).text
    for rate, day, field, sentence in (
        ("0.6", "2026-11-21", "rate", "应写成 0.60% 的形式"),
        ("11%", "2026-11-21", "rate", "不超过 10.00%"),
        ("0.60%", "21.11.2026", "from_date", "请选择日期"),
        ("0.60%", "2029-11-21", "from_date", "前后一年之内"),
    ):
        answer = await visitor.post(f"{url}/rates", page, rate=rate, from_date=day)
        assert answer.status_code == 422, (rate, day)
        assert f'id="{field}-wrong"' in answer.text
        assert sentence in answer.text
        assert f'value="{rate}"' in answer.text
    assert await rates_of(rows) == before


async def test_a_viewer_reads_rates_and_sets_none(visitor: Visitor, shop: Shop, rows: Rows) -> None:
    await visitor.sign_in(shop.people[VIEWER])
    url = f"/console/tenants/{rows.callers[0].scope.tenant_id}"
    page = (await visitor.get(url)).text
    assert "约定费率" in page
    assert f'action="{url}/rates"' not in page
    refused = await visitor.post(f"{url}/rates", page, rate="0.60%", from_date="2026-11-21")
    assert refused.status_code == 403


async def test_own_bills_are_switched_on_by_the_owner(visitor: Visitor, shop: Shop, rows: Rows) -> None:
    await visitor.sign_in(shop.people[OWNER])
    url = f"/console/tenants/{rows.callers[0].scope.tenant_id}"
    page = (await visitor.get(url)).text
    limits = {"server_per_second": "200", "session_per_second": "20"}
    assert (await visitor.post(f"{url}/settings", page, **limits, own_bills="yes")).status_code == 303
    assert re.search(r'id="own_bills"[^>]* checked', (await visitor.get(url)).text)


# --- an order's lines ------------------------------------------------------------------------------------


async def paid_order(rows: Rows, shop: Shop) -> Order:
    scope = rows.callers[0].scope
    query = select(Order).where(Order.tenant_id == scope.tenant_id, Order.id == shop.orders["refunded"])
    async with rows.database.read(scope) as session:
        return (await session.scalars(query)).one()


async def test_an_order_names_its_lines_and_its_difference(visitor: Visitor, shop: Shop, rows: Rows) -> None:
    order = await paid_order(rows, shop)
    assert order.paid_at is not None
    day = day_of(order.paid_at)
    tenant_id = rows.callers[0].scope.tenant_id
    await visitor.sign_in(shop.people[OWNER])
    url = f"/console/orders/{order.id}"
    assert "次日 10 点后可核对账单" in (await visitor.get(url)).text
    rows.clock.advance(hours=14)
    await visitor.sign_in(shop.people[OWNER])
    assert f"{day:%m-%d} 的账单还没有下载" in (await visitor.get(url)).text

    bill = await add_bill(rows, day=day, sub_mch_id="", api_version="v2")
    await add_line(rows, bill, 3, day=day, out_trade_no=order.out_trade_no, total=order.amount)
    difference = await add_difference(rows, bill, DifferenceDetail.FEE, day=day, order_id=order.id)
    text = (await visitor.get(url)).text
    assert f"已在 {day:%m-%d} 交易账单第 3 行 · 手续费 ¥0.76800" in text
    assert f'href="/console/tenants/{tenant_id}/statements/{day}"' in text
    assert f'href="/console/differences/{difference}"' in text
    assert "对账差异（待处理）：手续费计算不符" in text
    assert "还没有下载" not in text
    await visitor.sign_in(shop.people[MERCHANT])
    own = (await visitor.get(f"/m/orders/{order.id}")).text
    assert f'href="/m/bills/{day}"' in own
    assert "/console/" not in own
    assert "/m/differences" not in own


async def test_an_order_that_was_never_paid_says_nothing_of_bills(visitor: Visitor, shop: Shop) -> None:
    await visitor.sign_in(shop.people[OWNER])
    assert "微信账单" not in (await visitor.get(f"/console/orders/{shop.orders['pending']}")).text


# --- yesterday on the first pages ------------------------------------------------------------------------


def compared(page: str) -> str:
    """Return what the first page says of yesterday, as plain words."""
    block = page.partition('aria-labelledby="compared-title">')[2].partition("</section>")[0]
    return " ".join(re.sub(r"<[^>]*>", " ", block).split())


async def test_yesterday_is_missing_different_or_balanced(money: MoneyDesk, database: Database) -> None:
    till, visitor = money.till, money.visitor

    async def seen(base: str = "/console") -> str:
        return compared((await visitor.get(base)).text)

    await money.sign_in()
    assert await seen() == ""
    bill = await add_bill(till, state="waiting", edition=0, loaded_edition=0)
    assert "未出账" in await seen()
    await set_bill(database, till.scope.provider_id, bill, state="failed", problem="hash_mismatch")
    assert "下载失败" in await seen()
    await set_bill(database, till.scope.provider_id, bill, state="different", problem=None)
    await add_statement(till)
    await add_statement(till, tenant=1, bill_paid_amount=25500, state="different", open_differences=1)
    stray = await add_difference(till, bill, DifferenceDetail.UNKNOWN_SUB_MERCHANT, tenant=None)
    assert "有差异 净额：我方 ¥472.00，微信 ¥471.00；待处理差异 1 项。" in await seen()
    page = (await visitor.get("/console")).text
    assert "待处理的对账差异" in page
    assert 'href="/console/differences"' in page
    assert f'href="/console/bills/{DAY}"' in page

    # How the files came is the provider's matter, also of a bill that is fetched for the merchant alone.
    owner = {"tenant_id": till.scope.tenant_id, "sub_mch_id": till.caller.tenant.sub_mch_id}
    await add_bill(till, state="failed", problem="no_permission", edition=0, loaded_edition=0, **owner)
    await money.sign_in(Role.MERCHANT_USER)
    own = (await visitor.get("/m")).text
    assert "3 笔收退款，净额 ¥236.00，与微信账单一致。" in compared(own)
    assert "待处理的对账差异" not in own
    assert stray not in own


async def set_bill(database: Database, provider_id: str, bill_id: str, **values: object) -> None:
    async with database.write(ProviderScope(provider_id)) as session:
        own = (Bill.provider_id == provider_id, Bill.id == bill_id)
        await session.execute(update(table_of(Bill)).where(*own).values(**values))
