"""The refund routes over HTTP: statuses, shapes and headers of contract section 5 (F05, T01, T03)."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import pytest
from httpx import AsyncClient as Client
from tests.support.counter import CHOSEN, counter
from tests.support.refund_desk import RefundDesk

from sptenants.notify.controller import MAX_BODY_BYTES
from sptenants.orders.records import OrderRecord
from sptenants.refunds.records import RefundRecord

REFUND_FIELDS = {
    "id",
    "object",
    "mode",
    "order_id",
    "merchant_refund_no",
    "out_refund_no",
    "refund_id",
    "amount",
    "currency",
    "status",
    "reason",
    "purpose",
    "source",
    "approval",
    "refund_account",
    "created_at",
    "succeeded_at",
}


@pytest.fixture
async def client(desk: RefundDesk) -> AsyncIterator[Client]:
    async with counter(desk.till) as opened:
        yield opened


def address(order: OrderRecord) -> str:
    return f"/v1/orders/{order.id}/refunds"


def body(no: str | None = "R1", **changes: Any) -> dict[str, Any]:
    fields = {"merchant_refund_no": no, "amount": 2000, "reason": "少发一杯"}
    return {name: value for name, value in (fields | changes).items() if value is not None}


async def test_a_refund_is_201_then_200_and_the_order_shows_it(client: Client, desk: RefundDesk) -> None:
    order = await desk.paid()
    made = await client.post(address(order), json=body())
    assert made.status_code == 201
    shown = made.json()
    assert set(shown) == REFUND_FIELDS
    assert made.headers["location"] == f"/v1/refunds/{shown['id']}"
    assert (shown["object"], shown["mode"], shown["order_id"]) == ("refund", "test", order.id)
    assert (shown["status"], shown["amount"], shown["succeeded_at"]) == ("processing", 2000, None)
    again = await client.post(address(order), json=body())
    assert (again.status_code, again.json()) == (200, shown)
    seen = (await client.get(f"/v1/orders/{order.id}")).json()
    assert (seen["refunding_amount"], seen["refunded_amount"], seen["refund_status"]) == (2000, 0, "none")
    desk.settle(shown["out_refund_no"])
    synced = await client.post(f"/v1/refunds/{shown['id']}/sync")
    assert (synced.status_code, synced.json()["status"]) == (200, "succeeded")
    assert synced.json()["succeeded_at"].endswith("+08:00")
    read = await client.get(f"/v1/refunds/{shown['id']}")
    assert read.json() == synced.json()
    seen = (await client.get(f"/v1/orders/{order.id}")).json()
    assert (seen["refunded_amount"], seen["refund_status"], seen["status"]) == (2000, "partial", "paid")


async def test_an_unknown_outcome_is_202_submitting(client: Client, desk: RefundDesk) -> None:
    order = await desk.paid()
    desk.wechat.fail("refund", "timeout")
    answer = await client.post(address(order), json=body())
    assert (answer.status_code, answer.json()["status"]) == (202, "submitting")
    assert (await client.post(address(order), json=body())).status_code == 202


async def test_F06_a_short_balance_is_named_in_the_answer(client: Client, desk: RefundDesk) -> None:
    order = await desk.paid()
    desk.wechat.balance = 0
    answer = await client.post(address(order), json=body())
    assert (answer.status_code, answer.json()["wechat"]["code"]) == (202, "NOTENOUGH")


async def test_a_refusal_of_WeChats_is_422_with_its_words_and_ours(client: Client, desk: RefundDesk) -> None:
    order = await desk.paid()
    desk.wechat.fail("refund", "refuse:PARAM_ERROR")
    answer = await client.post(address(order), json=body())
    problem = answer.json()
    assert (answer.status_code, problem["code"]) == (422, "wechat_rejected")
    assert problem["wechat"]["code"] == "PARAM_ERROR"
    assert (problem["refund"]["status"], problem["detail"] != "") == ("rejected", True)
    again = await client.post(address(order), json=body())
    assert (again.status_code, again.json()["refund"]["id"]) == (422, problem["refund"]["id"])


async def test_without_a_number_an_idempotency_key_is_needed(client: Client, desk: RefundDesk) -> None:
    order = await desk.paid()
    bare = await client.post(address(order), json=body(None))
    assert (bare.status_code, bare.json()["errors"][0]["pointer"]) == (422, "Idempotency-Key")
    headers = {"Idempotency-Key": "7f0c3c1e"}
    made = await client.post(address(order), json=body(None), headers=headers)
    again = await client.post(address(order), json=body(None), headers=headers)
    assert (made.status_code, "idempotent-replay" in made.headers) == (201, False)
    assert (again.status_code, again.headers["idempotent-replay"]) == (200, "true")
    assert again.json() == made.json()
    other = await client.post(address(order), json=body(None, amount=1), headers=headers)
    assert (other.status_code, other.json()["code"]) == (422, "idempotency_conflict")
    assert len(desk.wechat.refunds) == 1


async def test_the_same_number_with_other_content_is_422_without_values(
    client: Client, desk: RefundDesk
) -> None:
    order = await desk.paid()
    made = await client.post(address(order), json=body())
    answer = await client.post(address(order), json=body(amount=2001))
    problem = answer.json()
    assert (answer.status_code, problem["code"]) == (422, "idempotency_conflict")
    assert (problem["refund_id"], problem["errors"][0]["pointer"]) == (made.json()["id"], "#/amount")
    assert "2000" not in answer.text


async def test_F05_an_amount_that_is_none_is_refused(client: Client, desk: RefundDesk) -> None:
    order = await desk.paid()
    for amount in (0, -1, 1.5, "100", "１００", True, None, 10**9, [1], {"fen": 1}):
        answer = await client.post(address(order), json={"merchant_refund_no": "R1", "amount": amount})
        assert (answer.status_code, answer.json()["errors"][0]["pointer"]) == (422, "#/amount")
    assert desk.wechat.asked == []


async def test_F05_more_than_what_is_left_is_422_with_the_rest(client: Client, desk: RefundDesk) -> None:
    order = await desk.paid()
    await client.post(address(order), json=body(amount=12000))
    answer = await client.post(address(order), json=body("R2", amount=801))
    problem = answer.json()
    assert (answer.status_code, problem["code"]) == (422, "amount_exceeds_refundable")
    assert problem["refundable_amount"] == 800


async def test_T03_what_a_caller_cannot_decide_is_refused(client: Client, desk: RefundDesk) -> None:
    order = await desk.paid()
    wrong: dict[str, object] = {
        "status": "succeeded",
        "tenant_id": "ten_x",
        "out_refund_no": "X",
        "total": 1,
        "approval": "given",
        "reason": "退" * 81,
        "merchant_refund_no": "R 1",
    }
    for field, value in wrong.items():
        answer = await client.post(address(order), json=body(**{field: value}))
        assert (answer.status_code, answer.json()["errors"][0]["pointer"]) == (422, f"#/{field}")


async def test_F04_an_unpaid_order_is_409_with_the_order(client: Client, desk: RefundDesk) -> None:
    order = await desk.till.placed()
    answer = await client.post(address(order), json=body())
    problem = answer.json()
    assert (answer.status_code, problem["code"], problem["order"]["status"]) == (
        409,
        "state_conflict",
        "pending",
    )


async def test_T01_a_foreign_refund_answers_like_one_that_does_not_exist(
    client: Client, desk: RefundDesk
) -> None:
    order = await desk.paid()
    made = (await client.post(address(order), json=body())).json()
    neighbour = {CHOSEN: "1"}

    async def answers(refund_id: str, order_id: str) -> list[tuple[int, Any]]:
        found = [
            await client.get(f"/v1/refunds/{refund_id}", headers=neighbour),
            await client.post(f"/v1/refunds/{refund_id}/sync", headers=neighbour),
            await client.post(f"/v1/orders/{order_id}/refunds", json=body(), headers=neighbour),
        ]
        return [(a.status_code, a.json() | {"instance": ""}) for a in found]

    assert await answers(made["id"], order.id) == await answers("rfd_none", "ord_none")
    assert {status for status, _ in await answers(made["id"], order.id)} == {404}
    assert (await client.get("/v1/refunds", headers=neighbour)).json()["data"] == []


async def test_F10_an_orders_refunds_are_compared_with_WeChats_on_request(
    client: Client, desk: RefundDesk
) -> None:
    order = await desk.paid()
    assert order.out_trade_no is not None
    desk.wechat.refund_elsewhere(order.out_trade_no, 3000)
    desk.settle("CONSOLE1")
    desk.wechat.fail("refundquery", "timeout")
    unclear = await client.post(f"{address(order)}/sync")
    assert (unclear.status_code, unclear.json()["code"]) == (503, "wechat_unavailable")
    answer = await client.post(f"{address(order)}/sync")
    (found,) = answer.json()["data"]
    assert (answer.status_code, found["source"], found["status"]) == (200, "wechat", "succeeded")
    foreign = await client.post(f"{address(order)}/sync", headers={CHOSEN: "1"})
    assert foreign.status_code == 404


async def test_lists_are_filtered_and_paged(client: Client, desk: RefundDesk) -> None:
    order, other = await desk.paid(), await desk.paid("T2")
    for number in range(3):
        desk.till.clock.advance(minutes=1)
        await client.post(address(order), json=body(f"R{number}", amount=10))
    await client.post(address(other), json=body("R9", amount=10))

    async def numbers(**query: str) -> list[str]:
        answer = await client.get("/v1/refunds", params=query)
        assert answer.status_code == 200, answer.text
        return [refund["merchant_refund_no"] for refund in answer.json()["data"]]

    assert await numbers() == ["R9", "R2", "R1", "R0"]
    assert await numbers(order_id=order.id) == ["R2", "R1", "R0"]
    assert await numbers(merchant_refund_no="R1") == ["R1"]
    assert await numbers(status="succeeded") == []
    assert await numbers(created_from="2026-11-21T20:52:00+08:00", order_id=order.id) == ["R2", "R1"]
    assert await numbers(created_to="2026-11-21T20:52:00+08:00") == ["R0"]
    page = (await client.get("/v1/refunds", params={"limit": "3"})).json()
    assert (page["object"], page["has_more"]) == ("list", True)
    assert await numbers(cursor=page["next_cursor"]) == ["R0"]
    for wrong in ({"status": "done"}, {"limit": "0"}, {"tenant_id": "x"}, {"created_from": "today"}):
        answer = await client.get("/v1/refunds", params=wrong)
        assert (answer.status_code, answer.json()["errors"][0]["pointer"]) == (422, f"#/{next(iter(wrong))}")


async def test_a_refund_notification_over_http_is_answered_exactly(client: Client, desk: RefundDesk) -> None:
    refund: RefundRecord = (await desk.request(await desk.paid(), 100)).refund
    desk.settle(refund.out_refund_no)
    sent = desk.wechat.refund_notification(refund.out_refund_no, await desk.till.signing_key())
    route = f"/notify/wechat/{desk.till.caller.tenant.route_key}/v2/refund"
    answer = await client.post(route, content=sent)
    assert (answer.status_code, "SUCCESS" in answer.text) == (200, True)
    for wrong in (b"<xml/>", b"x" * (MAX_BODY_BYTES + 1)):
        refused = await client.post(route, content=wrong)
        assert (refused.status_code, "FAIL" in refused.text) == (200, True)
    strange = await client.post("/notify/wechat/" + "x" * 32 + "/v2/refund", content=sent)
    assert (strange.status_code, "FAIL" in strange.text) == (200, True)
