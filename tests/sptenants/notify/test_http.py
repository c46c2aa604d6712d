"""The notify address over HTTP: exact answers, no query, a small body, no SUCCESS without a commit."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest
from httpx import AsyncClient as Client
from sqlalchemy import event
from tests.support.counter import counter
from tests.support.till import Till

from sptenants.notify.controller import MAX_BODY_BYTES
from sptenants.orders.states import OrderStatus
from wechatpay.v2 import envelope

SUCCESS = "<xml><return_code><![CDATA[SUCCESS]]></return_code><return_msg><![CDATA[OK]]></return_msg></xml>"


@pytest.fixture
async def client(till: Till) -> AsyncIterator[Client]:
    async with counter(till) as opened:
        yield opened


def address(till: Till, tail: str = "v2/payment") -> str:
    return f"/notify/wechat/{till.caller.tenant.route_key}/{tail}"


async def test_a_genuine_notification_is_answered_exactly(client: Client, till: Till) -> None:
    order = await till.placed()
    body = await till.paid_body(order)
    for content_type in ("text/xml", "application/json", "application/octet-stream"):
        answer = await client.post(address(till), content=body, headers={"content-type": content_type})
        assert (answer.status_code, answer.text) == (200, SUCCESS)
        assert answer.headers["content-type"].startswith("text/xml")
    assert (await till.order(order.id)).status is OrderStatus.PAID


async def test_N13_a_query_string_is_refused(client: Client, till: Till) -> None:
    order = await till.placed()
    answer = await client.post(address(till) + "?debug=1", content=await till.paid_body(order))
    assert answer.status_code == 200
    assert "FAIL" in answer.text
    assert (await till.order(order.id)).status is OrderStatus.PENDING


async def test_X09_a_body_over_the_limit_is_told_FAIL_and_journalled_without_being_kept(
    client: Client, till: Till
) -> None:
    answer = await client.post(address(till), content=b"x" * (MAX_BODY_BYTES + 1))
    assert (answer.status_code, envelope.parse(answer.content)["return_code"]) == (200, "FAIL")
    (row,) = await till.journal()
    assert (row.result, row.reason, row.body) == ("rejected", "too_large", b"")


async def test_other_versions_and_kinds_are_refused_in_their_own_manner(client: Client, till: Till) -> None:
    refund = await client.post(address(till, "v2/refund"), content=b"<xml/>")
    assert (refund.status_code, "FAIL" in refund.text) == (200, True)
    newer = await client.post(address(till, "v3/complaint"), content=b"{}")
    assert (newer.status_code, newer.json()["code"]) == (400, "FAIL")
    nobody = await client.post("/notify/wechat/" + "x" * 32 + "/v3/payment", content=b"{}")
    assert nobody.status_code == 400


async def test_T5_without_a_database_there_is_no_success(client: Client, till: Till) -> None:
    order = await till.placed()
    body = await till.paid_body(order)

    def refuse_commit(_connection: object) -> None:
        raise ConnectionError("the database went away at commit")

    for engine in till.database.engines:
        event.listen(engine, "commit", refuse_commit)
    try:
        answer = await client.post(address(till), content=body)
    finally:
        for engine in till.database.engines:
            event.remove(engine, "commit", refuse_commit)
    assert answer.status_code >= 500
    assert "SUCCESS" not in answer.text
    assert (await till.order(order.id)).status is OrderStatus.PENDING
    assert (await client.post(address(till), content=body)).text == SUCCESS
