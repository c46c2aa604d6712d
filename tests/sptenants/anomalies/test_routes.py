"""The routes of the work list, the heal log and of adoption over HTTP: statuses, shapes, isolation."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import replace

import pytest
from httpx import AsyncClient as Client
from tests.support.counter import CHOSEN, counter
from tests.support.till import Till
from tests.support.work_list import on_the_list, put_on_the_list

from spcore.ids import new_ulid
from sptenants.orders.disputes import AnomalyKind
from wechatpay.identifiers import OutTradeNo

ANOMALY_FIELDS = {
    "id",
    "object",
    "kind",
    "state",
    "title",
    "meaning",
    "action",
    "order_id",
    "refund_id",
    "amount",
    "facts",
    "seen",
    "raised_at",
    "last_seen_at",
    "resolved_at",
    "resolved_by",
    "note",
}
HEAL_FIELDS = {
    "id",
    "object",
    "order_id",
    "refund_id",
    "wrong",
    "before",
    "after",
    "since",
    "healed_at",
    "took_s",
    "queries",
}


@pytest.fixture
async def client(till: Till) -> AsyncIterator[Client]:
    async with counter(till) as opened:
        yield opened


async def test_an_anomaly_explains_itself_in_the_callers_language(client: Client, till: Till) -> None:
    order = await till.placed()
    await till.tell(await till.paid_body(order, amount=1))
    listed = (await client.get("/v1/anomalies")).json()
    assert (listed["object"], listed["has_more"], listed["next_cursor"]) == ("list", False, None)
    (anomaly,) = listed["data"]
    assert set(anomaly) == ANOMALY_FIELDS
    assert (anomaly["title"], anomaly["amount"], anomaly["order_id"]) == ("金额不符", 1, order.id)
    assert anomaly["raised_at"] == "2026-11-21T20:50:00+08:00"
    shown = await client.get(f"/v1/anomalies/{anomaly['id']}", headers={"accept-language": "en"})
    assert (shown.status_code, shown.json()["title"]) == (200, "amount differs")


async def test_resolving_needs_a_note_and_happens_once(client: Client, till: Till) -> None:
    await put_on_the_list(till, AnomalyKind.UNKNOWN_ORDER)
    (found,) = await on_the_list(till)
    address = f"/v1/anomalies/{found.id}/resolve"
    for body in ({}, {"note": ""}, {"note": 5}, {"note": "好", "state": "resolved"}, []):
        assert (await client.post(address, json=body)).status_code == 422, body
    done = await client.post(address, json={"note": "已补录"})
    assert (done.status_code, done.json()["state"], done.json()["resolved_by"]) == (
        200,
        "resolved",
        "server",
    )
    again = await client.post(address, json={"note": "再来一次"})
    assert (again.status_code, again.json()["code"]) == (409, "state_conflict")
    assert again.json()["anomaly"]["note"] == "已补录"


async def test_T01_an_anomaly_of_another_tenant_is_not_found(client: Client, till: Till) -> None:
    await put_on_the_list(till, AnomalyKind.UNKNOWN_ORDER, tenant=1)
    (theirs,) = await on_the_list(till, tenant=1)
    nobodys = await client.get("/v1/anomalies/ano_01JD3K8W7Q4M6X0B2T9V5H1CZN")
    foreign = await client.get(f"/v1/anomalies/{theirs.id}")
    assert (foreign.status_code, foreign.json()["detail"]) == (404, nobodys.json()["detail"])
    refused = await client.post(f"/v1/anomalies/{theirs.id}/resolve", json={"note": "我的"})
    assert refused.status_code == 404
    assert (await client.get("/v1/anomalies")).json()["data"] == []
    own = await client.get("/v1/anomalies", headers={CHOSEN: "1"})
    assert [row["id"] for row in own.json()["data"]] == [theirs.id]


async def test_filters_that_say_nothing_sensible_are_refused(client: Client) -> None:
    for query in ("kind=nothing", "state=done", "colour=red", "limit=0", "created_from=today", "cursor=x"):
        assert (await client.get(f"/v1/anomalies?{query}")).status_code == 422, query
    for query in ("wrong=nothing", "limit=101", "cursor=x", "kind=double_payment"):
        assert (await client.get(f"/v1/heals?{query}")).status_code == 422, query
    known = "kind=double_payment&state=open&order_id=ord_1&created_from=2026-11-21T00:00:00Z"
    assert (await client.get(f"/v1/anomalies?{known}")).json()["data"] == []


async def test_the_heal_log_says_what_was_wrong_and_how_long(client: Client, till: Till) -> None:
    order = await till.placed()
    till.wechat.pay(order.out_trade_no or "", till.clock.now())
    await till.run_healing(times=1, seconds=61)
    (heal,) = (await client.get("/v1/heals?wrong=lost_notification")).json()["data"]
    assert set(heal) == HEAL_FIELDS
    assert (heal["order_id"], heal["took_s"], heal["queries"]) == (order.id, 61, 1)
    assert (await client.get("/v1/heals", headers={CHOSEN: "1"})).json()["data"] == []


async def test_B06_adopting_answers_with_the_order_or_says_why_there_is_none(
    client: Client, till: Till
) -> None:
    order = await till.placed()
    known = await client.post("/v1/orders/adopt", json={"out_trade_no": order.out_trade_no})
    assert (known.status_code, known.json()["id"]) == (200, order.id)
    absent = await client.post("/v1/orders/adopt", json={"out_trade_no": new_ulid(till.clock.now())})
    assert (absent.status_code, absent.json()["code"]) == (409, "nothing_to_adopt")
    till.wechat.fail("orderquery", "timeout")
    unclear = await client.post("/v1/orders/adopt", json={"out_trade_no": new_ulid(till.clock.now())})
    assert (unclear.status_code, unclear.json()["code"]) == (503, "wechat_unavailable")
    for body in ({}, {"out_trade_no": "1"}, {"out_trade_no": 5}, {"out_trade_no": "x" * 33}, {"no": "1"}):
        assert (await client.post("/v1/orders/adopt", json=body)).status_code == 422, body


async def test_B02_a_lost_order_is_adopted_by_its_own_tenant_only(client: Client, till: Till) -> None:
    order = await till.placed()
    till.wechat.pay(order.out_trade_no or "", till.clock.now())
    number = {"out_trade_no": order.out_trade_no}
    refused = await client.post("/v1/orders/adopt", json=number, headers={CHOSEN: "1"})
    assert (refused.status_code, refused.json()["code"]) == (409, "nothing_to_adopt")
    known, new = till.wechat.books[order.out_trade_no or ""], new_ulid(till.clock.now())
    till.wechat.books[new] = replace(known, order=replace(known.order, out_trade_no=OutTradeNo(new)))
    adopted = await client.post("/v1/orders/adopt", json={"out_trade_no": new})
    assert (adopted.status_code, adopted.json()["status"], adopted.json()["source"]) == (
        201,
        "paid",
        "adopted",
    )
    assert adopted.headers["location"] == f"/v1/orders/{adopted.json()['id']}"
