"""The order routes over HTTP: statuses, shapes and headers of contract section 5."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import pytest
from httpx import AsyncClient as Client
from tests.support.counter import CHOSEN, OPENID, counter
from tests.support.fake_wechat import PAYER
from tests.support.till import MINI, Till

ORDER_FIELDS = {
    "id",
    "object",
    "mode",
    "status",
    "refund_status",
    "anomaly",
    "amount",
    "refunded_amount",
    "refunding_amount",
    "currency",
    "description",
    "merchant_order_no",
    "out_trade_no",
    "transaction_id",
    "sub_appid",
    "trade_type",
    "source",
    "profit_sharing",
    "created_at",
    "expires_at",
    "paid_at",
    "close_requested_at",
    "attach",
    "metadata",
}


@pytest.fixture
async def client(till: Till) -> AsyncIterator[Client]:
    async with counter(till) as opened:
        yield opened


def body(no: str = "T1", **changes: Any) -> dict[str, Any]:
    fields = {
        "merchant_order_no": no,
        "amount": 12800,
        "description": "拿铁双人套餐",
        "sub_appid": MINI,
        "openid": PAYER,
        "attach": "桌号 7 & 8",
        "metadata": {"store": "01"},
    }
    return fields | changes


async def test_creating_answers_201_with_the_order_and_its_address(client: Client) -> None:
    answer = await client.post("/v1/orders", json=body())
    assert answer.status_code == 201
    order = answer.json()
    assert set(order) == ORDER_FIELDS | {"pay_params"}
    assert answer.headers["location"] == f"/v1/orders/{order['id']}"
    assert order["attach"] == "桌号 7 & 8"
    assert order["created_at"] == "2026-11-21T20:50:00+08:00"
    assert order["expires_at"] == "2026-11-21T21:20:00+08:00"
    assert (order["status"], order["source"], order["mode"]) == ("pending", "api_key", "test")
    shown = (await client.get(f"/v1/orders/{order['id']}")).json()
    assert shown == {name: value for name, value in order.items() if name != "pay_params"}


async def test_a_repeat_is_200_other_content_422_a_paid_one_409(client: Client, till: Till) -> None:
    created = (await client.post("/v1/orders", json=body())).json()
    assert (await client.post("/v1/orders", json=body())).status_code == 200
    other = await client.post("/v1/orders", json=body(amount=1))
    assert (other.status_code, other.json()["code"]) == (422, "idempotency_conflict")
    assert [error["pointer"] for error in other.json()["errors"]] == ["#/amount"]
    assert "12800" not in other.text
    await till.tell(await till.paid_body(await till.order(created["id"])))
    paid = await client.post("/v1/orders", json=body())
    assert (paid.status_code, paid.json()["code"]) == (409, "state_conflict")
    assert paid.json()["order"]["status"] == "paid"


async def test_an_unknown_outcome_is_202_and_a_refusal_422_with_wechats_words(
    client: Client, till: Till
) -> None:
    till.wechat.fail("unifiedorder", "timeout")
    unknown = await client.post("/v1/orders", json=body())
    assert (unknown.status_code, unknown.json()["status"]) == (202, "submitting")
    till.wechat.fail("unifiedorder", "refuse_unsigned:受理关系不存在")
    unsigned = await client.post("/v1/orders", json=body("T2"))
    assert unsigned.status_code == 202
    assert unsigned.json()["wechat"]["message"] == "受理关系不存在"
    till.wechat.fail("unifiedorder", "refuse:PARAM_ERROR")
    refused = await client.post("/v1/orders", json=body("T3"))
    assert (refused.status_code, refused.json()["code"]) == (422, "wechat_rejected")
    assert refused.json()["wechat"]["code"] == "PARAM_ERROR"


async def test_an_idempotency_key_replays_with_its_header(client: Client) -> None:
    headers = {"Idempotency-Key": "k1"}
    first = await client.post("/v1/orders", json=body(), headers=headers)
    again = await client.post("/v1/orders", json=body(), headers=headers)
    assert (first.status_code, again.status_code) == (201, 201)
    assert "idempotent-replay" not in first.headers
    assert again.headers["idempotent-replay"] == "true"
    assert again.json()["id"] == first.json()["id"]
    clash = await client.post("/v1/orders", json=body("T2"), headers=headers)
    assert clash.status_code == 422
    wrong = await client.post("/v1/orders", json=body("T3"), headers={"Idempotency-Key": "x" * 256})
    assert wrong.status_code == 422


async def test_wrong_fields_are_all_named_in_the_callers_language(client: Client) -> None:
    answer = await client.post(
        "/v1/orders", json=body(amount=True, colour="red"), headers={"accept-language": "en"}
    )
    assert answer.status_code == 422
    errors = {error["pointer"]: error["detail"] for error in answer.json()["errors"]}
    assert errors["#/amount"].startswith("must be a JSON whole number")
    assert "#/colour" in errors


async def test_the_list_pages_and_refuses_unknown_parameters(client: Client, till: Till) -> None:
    for number in range(3):
        till.clock.advance(seconds=1)
        await client.post("/v1/orders", json=body(f"T{number}"))
    first = (await client.get("/v1/orders", params={"limit": 2, "status": "pending"})).json()
    assert (first["object"], first["has_more"], len(first["data"])) == ("list", True, 2)
    rest = (await client.get("/v1/orders", params={"limit": 2, "cursor": first["next_cursor"]})).json()
    assert [order["merchant_order_no"] for order in rest["data"]] == ["T0"]
    assert (rest["has_more"], rest["next_cursor"]) == (False, None)
    assert (await client.get("/v1/orders?colour=red")).status_code == 422
    assert (await client.get("/v1/orders?cursor=%21")).status_code == 422


async def test_Y3_a_foreign_order_answers_like_one_that_does_not_exist(client: Client) -> None:
    order_id = (await client.post("/v1/orders", json=body())).json()["id"]
    missing = "ord_" + "0" * 26
    for method, tail in (("GET", ""), ("GET", "/timeline"), ("POST", "/close"), ("POST", "/sync")):
        answers = [
            await client.request(method, f"/v1/orders/{one}{tail}", headers={CHOSEN: "1"})
            for one in (order_id, missing)
        ]
        assert [answer.status_code for answer in answers] == [404, 404]
        bodies = [answer.json() | {"instance": ""} for answer in answers]
        assert bodies[0] == bodies[1]


async def test_closing_is_202_until_it_is_done(client: Client, till: Till) -> None:
    order_id = (await client.post("/v1/orders", json=body())).json()["id"]
    early = await client.post(f"/v1/orders/{order_id}/close")
    assert early.status_code == 202
    assert early.json()["close_requested_at"] == "2026-11-21T20:50:00+08:00"
    till.clock.advance(minutes=6)
    done = await client.post(f"/v1/orders/{order_id}/close", json={})
    assert (done.status_code, done.json()["status"]) == (200, "closed")
    assert (await client.post(f"/v1/orders/{order_id}/close", json={"why": 1})).status_code == 422


async def test_asking_wechat_twice_is_429_with_retry_after(client: Client) -> None:
    order_id = (await client.post("/v1/orders", json=body())).json()["id"]
    assert (await client.post(f"/v1/orders/{order_id}/sync")).status_code == 200
    again = await client.post(f"/v1/orders/{order_id}/sync")
    assert (again.status_code, again.headers["retry-after"]) == (429, "3")


async def test_timeline_and_events_have_their_shapes(client: Client, till: Till) -> None:
    order_id = (await client.post("/v1/orders", json=body())).json()["id"]
    await till.tell(await till.paid_body(await till.order(order_id)))
    chinese = (await client.get(f"/v1/orders/{order_id}/timeline")).json()["data"]
    english = await client.get(f"/v1/orders/{order_id}/timeline", headers={"accept-language": "en"})
    assert set(chinese[0]) == {"at", "kind", "title", "meta", "raw"}
    assert chinese[-1]["title"] == "创建订单"
    assert english.json()["data"][-1]["title"] == "Order created"
    (event,) = (await client.get("/v1/events")).json()["data"]
    assert set(event) == {"id", "type", "created_at", "sequence", "data"}
    assert (event["type"], event["data"]["id"], event["data"]["status"]) == (
        "payment.succeeded",
        order_id,
        "paid",
    )
    assert PAYER not in str(event)


async def test_a_mini_program_orders_pays_and_waits(client: Client, till: Till) -> None:
    base, mine = f"/v1/mini/{till.caller.tenant.id}/orders", {OPENID: PAYER}
    made = await client.post(base, json={"price_code": "latte", "quantity": 2}, headers=mine)
    assert (made.status_code, made.json()["amount"]) == (201, 2560)
    order_id = made.json()["id"]
    paying = await client.post(f"{base}/{order_id}/pay", headers=mine)
    assert paying.status_code == 200
    assert set(paying.json()["pay_params"]) == {"timeStamp", "nonceStr", "package", "signType", "paySign"}
    assert (await client.get(f"{base}/{order_id}?wait=1", headers=mine)).json()["status"] == "pending"
    assert (await client.get(f"{base}/{order_id}", headers={OPENID: "oSomebodyElse"})).status_code == 404
    assert (await client.get(f"{base}/{order_id}?wait=11", headers=mine)).status_code == 422
    for money in ("amount", "total_fee", "price"):
        cheeky = {"price_code": "latte", "quantity": 1, money: 1}
        refused = await client.post(base, json=cheeky, headers=mine)
        assert (refused.status_code, refused.json()["errors"][0]["pointer"]) == (422, f"#/{money}")
