"""Daily statements over HTTP: shapes, filters, the file, and nobody else's lines (L05, T01, T02)."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import timedelta

import pytest
from httpx import AsyncClient as Client
from tests.support.counter import CHOSEN, counter
from tests.support.statement_rows import DAY, add_bill, add_difference, add_line, add_statement
from tests.support.till import Till, build_till

from spcore.clock import Clock
from spcore.db.engine import Database
from sptenants.reconciliation.reader import StatementReader
from sptenants.reconciliation.schemas import event_data
from sptenants.reconciliation.states import DifferenceDetail

STATEMENT_FIELDS = {
    "id",
    "object",
    "mode",
    "date",
    "state",
    "ours",
    "bill",
    "settled_amount",
    "fee",
    "waiting_count",
    "waiting_amount",
    "differences",
    "open_differences",
    "digest",
    "made_at",
    "updated_at",
}
SIDE_FIELDS = {"paid_count", "paid_amount", "refunded_count", "refunded_amount", "net_amount"}
D = DifferenceDetail


@pytest.fixture
async def till(database: Database, clock: Clock) -> Till:
    return await build_till(database, clock)


@pytest.fixture
async def client(till: Till) -> AsyncIterator[Client]:
    async with counter(till) as opened:
        yield opened


async def test_a_list_has_the_tenants_days_newest_first(client: Client, till: Till) -> None:
    days = [DAY - timedelta(days=back) for back in range(3)]
    for day in days:
        await add_statement(till, day=day, state="balanced" if day == DAY else "different")
    await add_statement(till, tenant=1)
    first = (await client.get("/v1/bills?limit=2")).json()
    assert [row["date"] for row in first["data"]] == ["2026-11-20", "2026-11-19"]
    assert (first["object"], first["has_more"]) == ("list", True)
    rest = (await client.get(f"/v1/bills?limit=2&cursor={first['next_cursor']}")).json()
    assert ([row["date"] for row in rest["data"]], rest["has_more"]) == (["2026-11-18"], False)
    statement = first["data"][0]
    assert set(statement) == STATEMENT_FIELDS
    assert set(statement["ours"]) == set(statement["bill"]) == SIDE_FIELDS
    assert (statement["ours"]["net_amount"], statement["fee"], statement["mode"]) == (23600, 141_600, "test")
    assert statement["made_at"] == "2026-11-21T20:50:00+08:00"
    for query, found in (
        ("state=balanced", ["2026-11-20"]),
        ("from=2026-11-19&to=2026-11-19", ["2026-11-19"]),
        ("state=different&to=2026-11-18", ["2026-11-18"]),
    ):
        listed = (await client.get(f"/v1/bills?{query}")).json()["data"]
        assert [row["date"] for row in listed] == found, query
    other = await client.get(f"/v1/bills?cursor={first['next_cursor']}", headers={CHOSEN: "1"})
    assert other.json()["data"] == []


async def test_what_cannot_be_read_is_refused_with_its_place(client: Client) -> None:
    for query, pointer in (
        ("state=done", "#/state"),
        ("from=20261120", "#/from"),
        ("to=2026-02-30", "#/to"),
        ("colour=red", "#/colour"),
        ("limit=0", "#/limit"),
        ("cursor=x", "#/cursor"),
        ("from=2026-11-20&from=2026-11-21", "#/from"),
    ):
        answer = await client.get(f"/v1/bills?{query}")
        assert answer.status_code == 422, query
        assert [fault["pointer"] for fault in answer.json()["errors"]] == [pointer], query


async def test_B19_a_day_names_each_open_difference_with_cause_and_action(client: Client, till: Till) -> None:
    bill = await add_bill(till)
    await add_statement(till, state="different", differences=2, open_differences=1)
    order = await till.placed()
    await add_difference(
        till,
        bill,
        order_id=order.id,
        out_trade_no=order.out_trade_no,
        cause="amount_differs_at_wechat",
        cause_facts={"amount": 12700},
    )
    await add_difference(till, bill, D.RATE, state="resolved")
    shown = (await client.get("/v1/bills/2026-11-20")).json()
    assert set(shown) == {"statement", "proof", "open_differences"}
    assert shown["proof"] == {"payments": {"ours": {"count": 2, "amount": 25600}}}
    (difference,) = shown["open_differences"]
    assert (difference["kind"], difference["title"], difference["unit"]) == ("amount", "收款金额不同", "fen")
    assert (difference["ours"], difference["theirs"], difference["order_id"]) == (12800, 12700, order.id)
    assert difference["cause_text"] == "微信查单的金额是 ¥127.00，与账单一致。"
    english = await client.get("/v1/bills/2026-11-20", headers={"accept-language": "en"})
    assert english.json()["open_differences"][0]["title"] == "Another amount"
    fee = await add_difference(till, bill, D.FEE, ours=768_000, theirs=780_000)
    found = (await client.get("/v1/bills/2026-11-20")).json()["open_differences"]
    assert (found[0]["id"], found[0]["unit"]) == (fee, "millifen")


async def test_L05_a_tenant_never_gets_lines_or_differences_of_others(client: Client, till: Till) -> None:
    bill = await add_bill(till)
    await add_statement(till)
    await add_line(till, bill, 1)
    await add_line(till, bill, 2, tenant=1, extra={"description": "邻居的商品"})
    await add_line(till, bill, 3, tenant=None, mch_id="1999999999", sub_mch_id="1688888888")
    await add_line(till, bill, 4, tenant=None, out_trade_no="01JD3K8W7Q4M6X0B2T9V5H1C01")
    await add_difference(till, bill, D.OTHER_PROVIDER, tenant=None)
    await add_difference(till, bill, D.OTHER_TENANT, tenant=None)
    await add_difference(till, bill, tenant=1)
    assert (await client.get("/v1/bills/2026-11-20")).json()["open_differences"] == []
    file = (await client.get("/v1/bills/2026-11-20/download")).text
    assert file.count("\r\n") == 2
    for hidden in ("邻居", "1999999999", "1688888888", "oUpF8"):
        assert hidden not in file


async def test_S07_the_file_is_csv_as_excel_reads_it(client: Client, till: Till) -> None:
    bill = await add_bill(till)
    await add_statement(till)
    await add_line(till, bill, 1, extra={"description": "=1+1"})
    refund = {"state": "REFUND", "out_refund_no": "R1", "refund_id": "5030", "refund_applied": 2000}
    await add_line(till, bill, 2, total=0, fee=-12_000, rate=None, refund_state="SUCCESS", **refund)
    answer = await client.get("/v1/bills/2026-11-20/download")
    assert answer.headers["content-type"] == "text/csv; charset=utf-8"
    assert answer.headers["content-disposition"] == 'attachment; filename="bill-20261120.csv"'
    assert answer.content.startswith(b"\xef\xbb\xbf")
    head, first, second, end = answer.content.decode("utf-8-sig").split("\r\n")
    assert head.startswith("行号,交易时间,交易类型,交易状态,微信订单号,商户单号,订单金额（元）")
    assert first == (
        "1,2026-11-20 14:32:40,JSAPI,SUCCESS,`4200001234202611201234567801,`01JD3K8W7Q4M6X0B2T9V5H1C01,"
        "128.00,128.00,,,,,0.76800,0.60%,'=1+1"
    )
    assert second.split(",")[8:14] == ["`5030", "`R1", "20.00", "SUCCESS", "-0.12000", ""]
    assert end == ""
    english = await client.get("/v1/bills/2026-11-20/download", headers={"accept-language": "en"})
    assert english.content.decode("utf-8-sig").startswith("Line,Time")


async def test_T01_a_day_that_is_not_the_tenants_is_not_found(client: Client, till: Till) -> None:
    await add_statement(till, tenant=1)
    bodies = []
    for path in ("2026-11-20", "2026-11-01", "20261120", "2026-13-01", "yesterday"):
        for end in ("", "/download"):
            answer = await client.get(f"/v1/bills/{path}{end}")
            assert answer.status_code == 404, path
            bodies.append({key: answer.json()[key] for key in ("code", "detail", "title")})
    assert all(body == bodies[0] for body in bodies)
    assert (await client.get("/v1/bills/2026-11-20", headers={CHOSEN: "1"})).status_code == 200


async def test_events_carry_the_statement_as_the_api_shows_it(client: Client, till: Till) -> None:
    await add_statement(till)
    record = await StatementReader(till.database).record(till.scope, till.scope.tenant_id, DAY)
    assert event_data(record) == (await client.get("/v1/bills/2026-11-20")).json()["statement"]
