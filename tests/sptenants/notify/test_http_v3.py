"""The notify addresses of API v3 over HTTP: raw bytes in, a status out (wechatpay-v3 3.4; N09, N13, T5)."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest
from httpx import AsyncClient as Client
from httpx import Response
from sqlalchemy import event
from tests.support.counter import counter
from tests.support.mail_v3 import Mail
from tests.support.wechat_v3 import Sent

from sptenants.notify.controller import MAX_BODY_BYTES
from sptenants.orders.states import OrderStatus
from sptenants.refunds.states import RefundStatus


@pytest.fixture
def mail(quick_mail: Mail) -> Mail:
    return quick_mail


@pytest.fixture
async def client(mail: Mail) -> AsyncIterator[Client]:
    async with counter(mail.till) as opened:
        yield opened


async def post(client: Client, mail: Mail, sent: Sent, tail: str = "payment", **more: object) -> Response:
    address = f"/notify/wechat/{mail.till.caller.tenant.route_key}/v3/{tail}"
    headers = list(sent.headers.items()) + list(more.items())
    return await client.post(address, content=sent.body, headers=[(n, str(v)) for n, v in headers])


async def test_a_genuine_notification_is_answered_204_with_nothing(client: Client, mail: Mail) -> None:
    order = await mail.paid()
    answer = await post(client, mail, mail.letter(order))
    assert (answer.status_code, answer.content) == (204, b"")
    assert (await mail.till.order(order.id)).status is OrderStatus.PAID


async def test_a_refund_and_a_test_message_have_addresses_of_their_own(client: Client, mail: Mail) -> None:
    order = await mail.paid()
    await post(client, mail, mail.letter(order))
    asked = await mail.desk.request(await mail.till.order(order.id), 800)
    mail.desk.settle(asked.refund.out_refund_no)
    refund = mail.wechat.refund(asked.refund.out_refund_no, mail.till.clock.now())
    assert (await post(client, mail, refund, "refund")).status_code == 204
    assert (await mail.desk.refund(asked.refund.id)).status is RefundStatus.SUCCEEDED
    echo = mail.wechat.echo("nobody's", mail.till.clock.now())
    assert (await post(client, mail, echo, "security")).status_code == 204
    assert (await post(client, mail, refund, "payment")).status_code == 400, "not what belongs here"


@pytest.mark.parametrize("name", ["serial", "timestamp", "nonce", "signature", "signature-type"])
async def test_N09_a_header_that_stands_there_twice_is_no_header(
    client: Client, mail: Mail, name: str
) -> None:
    order = await mail.paid()
    sent = mail.letter(order)
    header = f"wechatpay-{name}"
    answer = await post(client, mail, sent, **{header: sent.headers[header]})
    assert (answer.status_code, answer.json()["code"]) == (401, "FAIL")
    assert answer.headers["content-type"].startswith("application/json")
    assert (await mail.till.order(order.id)).status is OrderStatus.PENDING


async def test_what_is_refused_is_never_answered_2xx(client: Client, mail: Mail) -> None:
    order = await mail.paid()
    sent = mail.letter(order)
    route_key = mail.till.caller.tenant.route_key
    headers = sent.headers
    for path, content in (
        (f"/notify/wechat/{route_key}/v3/payment?debug=1", sent.body),
        (f"/notify/wechat/{route_key}/v3/payment", b"x" * (MAX_BODY_BYTES + 1)),
        (f"/notify/wechat/{route_key}/v3/payment", b""),
        (f"/notify/wechat/{route_key}/v3/complaint", sent.body),
        (f"/notify/wechat/{'x' * 32}/v3/payment", sent.body),
        (f"/notify/wechat/{'x' * 32}/v3/security", sent.body),
        (f"/notify/wechat/{mail.till.caller.provider.route_key}/v3/payment", sent.body),
    ):
        answer = await client.post(path, content=content, headers=headers)
        assert 400 <= answer.status_code < 500, path
        assert answer.json()["code"] == "FAIL", path
    assert (await mail.till.order(order.id)).status is OrderStatus.PENDING


async def test_N06_no_header_or_host_weakens_the_check(client: Client, mail: Mail) -> None:
    order = await mail.paid()
    sent = mail.letter(order).changed(nonce="x" * 32)
    for more in ({"host": "localhost"}, {"x-forwarded-for": "127.0.0.1"}, {"x-debug": "1"}):
        assert (await post(client, mail, sent, **more)).status_code == 401
    assert (await mail.till.order(order.id)).status is OrderStatus.PENDING


async def test_T5_without_a_commit_there_is_no_success(client: Client, mail: Mail) -> None:
    order = await mail.paid()
    sent = mail.letter(order)

    def refuse_commit(_connection: object) -> None:
        raise ConnectionError("the database went away at commit")

    for engine in mail.till.database.engines:
        event.listen(engine, "commit", refuse_commit)
    try:
        answer = await post(client, mail, sent)
    finally:
        for engine in mail.till.database.engines:
            event.remove(engine, "commit", refuse_commit)
    assert answer.status_code >= 500
    assert (await mail.till.order(order.id)).status is OrderStatus.PENDING
    assert (await post(client, mail, sent)).status_code == 204
