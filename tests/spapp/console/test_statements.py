"""Daily statements over HTTP: provable sums, lines by the page and as a file, paper, and whose they are."""

from __future__ import annotations

import re
from datetime import timedelta
from typing import Any

from sqlalchemy import insert
from tests.support.shop import HOSTILE_NAME, LONG_NAME, Shop
from tests.support.shop_differences import STRANGE_NUMBER
from tests.support.visitor import Visitor

from spapp.accounts.models import Role
from spapp.console.statements.terms import proof_of
from spapp.web.pages import fee, signed_money
from spcore.db.base import table_of
from spcore.db.engine import Database
from sptenants.bills.models import BillLine
from sptenants.reconciliation.reader import StatementReader
from sptenants.reconciliation.records import StatementRecord

OWNER, MERCHANT = Role.PROVIDER_OWNER, Role.MERCHANT_USER
_TERM = re.compile(r'<th scope="row">([^<]+)</th><td class="c-end c-(?:num|amt)">([^<]+)<')


async def statement(database: Database, shop: Shop, name: str, day: str) -> StatementRecord:
    tenant = shop.tenants[name]
    return await StatementReader(database).record(tenant, tenant.tenant_id, shop.bills.days[day])


async def add_lines(database: Database, shop: Shop, count: int) -> None:
    """Give the coffee shop more lines of yesterday's bill."""
    tenant, day = shop.tenants["晨曦咖啡"], shop.bills.days["different"]
    line: dict[str, Any] = {
        "bill_id": shop.bills.bills["different"],
        "edition": 1,
        "provider_id": tenant.provider_id,
        "tenant_id": tenant.tenant_id,
        "bill_date": day,
        "mch_id": "1900000109",
        "sub_mch_id": "1612345678",
        "trade_type": "JSAPI",
        "state": "SUCCESS",
        "currency": "CNY",
        "total": 100,
        "settled": 100,
        "refund_amount": 0,
        "refund_applied": 0,
        "fee": 600,
        "rate": 6_000,
        "extra": {"description": '=HYPERLINK("https://evil.example")'},
    }
    rows = [
        line | {"number": 1000 + n, "out_trade_no": f"MORE{n:04d}", "at": shop.now - timedelta(hours=12)}
        for n in range(count)
    ]
    async with database.write(shop.providers[0]) as session:
        await session.execute(insert(table_of(BillLine)), rows)


async def test_L03_the_terms_lead_from_our_sum_to_the_bills(
    visitor: Visitor, shop: Shop, database: Database
) -> None:
    for name, day in (("晨曦咖啡", "different"), (LONG_NAME, "different"), (HOSTILE_NAME, "different")):
        terms = proof_of(await statement(database, shop, name, day)).terms
        first, *between, last = terms
        for side in ("payments", "refunds"):
            got = getattr(first, side).fen + sum(getattr(term, side).fen for term in between)
            assert got == getattr(last, side).fen, (name, side)
    await visitor.sign_in(shop.people[MERCHANT])

    text = (await visitor.get(f"/m/bills/{shop.bills.days['different']}")).text

    terms = dict(_TERM.findall(text.partition('id="proof"')[2].partition("</table>")[0]))
    assert terms == {"我方": "¥491.30", "加：两边都有但不同": "¥0.01", "微信账单": "¥491.31"}


async def test_sums_that_do_not_meet_are_said(visitor: Visitor, shop: Shop, database: Database) -> None:
    record = await statement(database, shop, "晨曦咖啡", "different")
    rest = {"payments": {"count": 0, "amount": 1}, "refunds": {"count": 0, "amount": 0}}
    unproven = StatementRecord(
        **{name: getattr(record, name) for name in record.__slots__}
        | {"proof": record.proof | {"unproven": rest, "withheld": 2}}
    )

    proof = proof_of(unproven)

    assert proof.rest is not None
    assert (proof.rest.word, proof.rest.payments.fen, proof.withheld) == ("没有算平", 1, 2)
    assert proof_of(record).rest is None


def test_amounts_below_zero_and_fees_are_written_out() -> None:
    assert (signed_money(-1_280), signed_money(9_999_999_999)) == ("-¥12.80", "¥99,999,999.99")
    assert (fee(7_680), fee(-7_680), fee(123_456_789)) == ("¥0.07680", "-¥0.07680", "¥1,234.56789")


async def test_the_list_of_a_tenant_is_its_own(visitor: Visitor, shop: Shop) -> None:
    days = shop.bills.days
    await visitor.sign_in(shop.people[OWNER])
    base = f"/console/tenants/{shop.tenants['晨曦咖啡'].tenant_id}/statements"

    text = (await visitor.get(base)).text
    balanced = (await visitor.get(f"{base}?state=balanced")).text

    for day in ("different", "balanced", "empty"):
        assert f'href="{base}/{days[day]}"' in text
    assert str(days["neighbour"]) not in text
    assert f"{base}/{days['different']}" not in balanced
    foreign = f"/console/tenants/{shop.tenants['仁康门诊部'].tenant_id}/statements"
    assert (await visitor.get(foreign)).status_code == 404
    assert (await visitor.get(f"{foreign}/{days['different']}")).status_code == 404


async def test_L05_a_merchant_sees_own_lines_and_differences_only(visitor: Visitor, shop: Shop) -> None:
    await visitor.sign_in(shop.people[MERCHANT])
    day = shop.bills.days["different"]

    listed = await visitor.get("/m/bills")
    page = await visitor.get(f"/m/bills/{day}")
    sheet = await visitor.get(f"/m/bills/{day}/print")

    assert str(shop.bills.days["neighbour"]) not in listed.text
    for text in (page.text, sheet.text):
        assert "晨曦咖啡" in text
        assert "拿铁双人套餐" in text
        for foreign in (STRANGE_NUMBER, "1623456701", LONG_NAME, "1999999999", "1900000109"):
            assert foreign not in text.partition("<main")[2]
        assert shop.bills.differences["stray"] not in text
    assert "/console/" not in page.text.partition("<main")[2]
    assert (await visitor.get(f"/m/bills/{shop.bills.days['neighbour']}")).status_code == 404


async def test_lines_go_on_behind_the_last_one_shown(
    visitor: Visitor, shop: Shop, database: Database
) -> None:
    await add_lines(database, shop, 60)
    await visitor.sign_in(shop.people[MERCHANT])
    path = f"/m/bills/{shop.bills.days['different']}"

    first = await visitor.get(path)
    (following,) = re.findall(r'rel="next" href="([^"#]+)', first.text)
    second = await visitor.get(following)
    wrong = await visitor.get(f"{path}?cursor=bm90LWEtbGluZQ")

    assert [page.text.count("MORE0") for page in (first, second)] == [15, 45]
    assert "回到开头" in second.text
    assert 'rel="next"' not in second.text
    assert (wrong.status_code, "游标" in wrong.text) == (200, True)


async def test_S07_the_lines_as_a_file(visitor: Visitor, shop: Shop, database: Database) -> None:
    await add_lines(database, shop, 2)
    day = shop.bills.days["different"]
    await visitor.sign_in(shop.people[MERCHANT])
    page = await visitor.get(f"/m/bills/{day}")
    query = re.search(r'name="query" value="([^"]+)"', page.text)
    assert query is not None

    asked = query[1].replace("&amp;", "&")
    file = await visitor.post("/m/exports", page.text, kind="bills", query=asked)

    lines = file.content.decode("utf-8-sig").split("\r\n")
    assert file.content.startswith(b"\xef\xbb\xbf")
    assert lines[0].startswith("行号,交易时间,")
    assert len(lines) == 1 + 35 + 2 + 1
    assert "`01JD3K8W7Q4M6X0B2T9V5H567800,12.80,12.80," in lines[1]
    assert ",0.07680,0.60%," in lines[1]
    assert ",-0.07680," in lines[35]
    assert ",\"'=HYPERLINK(" in lines[36]
    assert STRANGE_NUMBER not in file.text


async def test_T01_a_file_of_a_foreign_tenant_is_empty(visitor: Visitor, shop: Shop) -> None:
    await visitor.sign_in(shop.people[OWNER])
    page = await visitor.get("/console/exports")
    day, clinic = shop.bills.days["different"], shop.tenants["仁康门诊部"].tenant_id

    foreign = await visitor.post(
        "/console/exports", page.text, kind="bills", query=f"from={day}&to={day}&tenant={clinic}"
    )
    everybody = await visitor.post("/console/exports", page.text, kind="bills", query=f"from={day}&to={day}")

    assert foreign.text.count("\r\n") == 1
    assert everybody.status_code == 404


async def test_paper_has_neither_menu_nor_buttons_that_need_a_script(visitor: Visitor, shop: Shop) -> None:
    await visitor.sign_in(shop.people[OWNER])
    path = f"/console/tenants/{shop.tenants['晨曦咖啡'].tenant_id}/statements/{shop.bills.days['different']}"
    page = await visitor.get(path)
    assert f'href="{path}/print"' in page.text

    sheet = (await visitor.get(f"{path}/print")).text

    assert "c-side" not in sheet
    assert 'data-bs-theme="light"' in sheet
    assert "<form" not in sheet
    assert re.search(r"<button[^>]+data-print hidden>", sheet)
    assert "内容摘要（SHA-256）" in sheet
