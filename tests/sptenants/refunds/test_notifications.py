"""Refund notifications: decrypted, journalled, and only ever a reason to ask WeChat (N11, Z11, B02, T5)."""

from __future__ import annotations

import asyncio
import base64
import re

import pytest
from tests.support.refund_desk import RefundDesk
from tests.support.till import add_provider

from spcore.db.scope import ProviderScope
from spcore.providers.keys import put_key
from spcore.providers.models import KeyKind
from sptenants.refunds.states import RefundStatus
from wechatpay.credentials import V2Key
from wechatpay.money import Fen
from wechatpay.v2 import envelope


async def processing(desk: RefundDesk, amount: int = 2000) -> tuple[str, str]:
    """An order with an accepted refund; its id and its number."""
    refund = (await desk.request(await desk.paid(), amount)).refund
    assert refund.status is RefundStatus.PROCESSING
    return refund.id, refund.out_refund_no


async def findings(desk: RefundDesk, tenant: int = 0) -> list[tuple[str, str, str | None]]:
    rows = [row for row in await desk.till.journal(tenant=tenant) if row.kind == "refund"]
    return [(row.result, row.answered, row.reason) for row in rows]


async def test_a_success_is_confirmed_by_a_query_told_and_answered(desk: RefundDesk) -> None:
    refund_id, number = await processing(desk)
    desk.settle(number)
    answer = await desk.tell(number)
    assert envelope.parse(answer.body)["return_code"] == "SUCCESS"
    refund = await desk.refund(refund_id)
    assert (refund.status, refund.recv_account) == (RefundStatus.SUCCEEDED, "支付用户零钱")
    assert refund.succeeded_at == desk.till.clock.now()
    assert desk.wechat.calls["refundquery"] == 1
    assert await findings(desk) == [("processed", "SUCCESS", None)]
    timeline = (await desk.till.detail(refund.order_id)).timeline
    assert "收到微信退款通知" in [entry.title.zh for entry in timeline]
    (entry,) = [entry for entry in timeline if entry.title.zh == "收到微信退款通知"]
    assert entry.meta.zh == f"解密成功（密钥 v1） · 已处理 · {number}"


async def test_N17_the_same_notification_again_changes_nothing(desk: RefundDesk) -> None:
    _refund_id, number = await processing(desk)
    desk.settle(number)
    body = desk.wechat.refund_notification(number, await desk.till.signing_key())
    answers = await asyncio.gather(*(desk.tell(number, body=body) for _ in range(5)))
    assert all(answer.settled for answer in answers)
    assert await desk.refund_events() == ["refund.succeeded"]
    (row,) = [row for row in await desk.till.journal() if row.kind == "refund"]
    assert (row.received, row.result) == (5, "processed")


async def test_N11_a_spliced_notification_changes_nothing(desk: RefundDesk) -> None:
    """ECB blocks of a closed refund of one fen and of a successful one, cut into a third message."""
    refund_id, number = await processing(desk, 1)
    key = await desk.till.signing_key()

    def blocks(body: bytes) -> list[bytes]:
        sealed = base64.b64decode(envelope.parse(body)["req_info"])
        return [sealed[i : i + 16] for i in range(0, len(sealed), 16)]

    # The status stands in a block of its own, so that swapping one block makes another claim.
    closed = desk.wechat.refund_notification(number, key, refund_status="REFUNDCLOSE")
    success = desk.wechat.refund_notification(number, key, refund_status="SUCCESS")
    theirs, ours = blocks(success), blocks(closed)
    at = next(i for i, (a, b) in enumerate(zip(theirs, ours, strict=False)) if a != b)
    spliced = base64.b64encode(b"".join([*ours[:at], *theirs[at:]])).decode()
    fields = envelope.parse(closed) | {"req_info": spliced}
    answer = await desk.tell(number, body=envelope.build(fields))
    assert not answer.settled
    assert (await desk.refund(refund_id)).status is RefundStatus.PROCESSING
    assert await desk.refund_events() == []
    assert [result for result, _, _ in await findings(desk)] == ["deferred"]


async def test_N11_no_claim_of_a_notification_is_believed(desk: RefundDesk) -> None:
    refund_id, number = await processing(desk)
    for claim in (
        {"refund_status": "SUCCESS"},
        {"refund_status": "CHANGE"},
        {"refund_status": "SUCCESS", "refund_fee": "12800"},
        {"refund_status": "SUCCESS", "transaction_id": "4200009999"},
        {"refund_status": "SUCCESS", "out_refund_no": "NEVERMADE"},
    ):
        assert not (await desk.tell(number, **claim)).settled
        assert (await desk.refund(refund_id)).status is RefundStatus.PROCESSING
    assert await desk.refund_events() == []
    assert (await findings(desk))[-1] == ("mismatch", "FAIL", "not_confirmed")


async def test_a_notification_ahead_of_the_query_is_repeated_until_the_query_agrees(desk: RefundDesk) -> None:
    refund_id, number = await processing(desk)
    body = desk.wechat.refund_notification(number, await desk.till.signing_key(), refund_status="SUCCESS")
    assert not (await desk.tell(number, body=body)).settled
    desk.settle(number)
    assert (await desk.tell(number, body=body)).settled
    assert (await desk.refund(refund_id)).status is RefundStatus.SUCCEEDED
    assert await findings(desk) == [("processed", "SUCCESS", None)]


async def test_T5_there_is_no_success_as_long_as_WeChat_cannot_be_asked(desk: RefundDesk) -> None:
    refund_id, number = await processing(desk)
    desk.settle(number)
    desk.wechat.fail("refundquery", "timeout")
    assert not (await desk.tell(number)).settled
    assert (await desk.refund(refund_id)).status is RefundStatus.PROCESSING
    assert await findings(desk) == [("deferred", "FAIL", "to_be_queried")]


async def test_what_cannot_be_decrypted_is_refused_and_asks_nothing(desk: RefundDesk) -> None:
    _refund_id, number = await processing(desk)
    wrong = V2Key(9, "X" * 32)
    assert not (await desk.tell(number, body=desk.wechat.refund_notification(number, wrong))).settled
    assert not (await desk.tell(number, body=b"<xml><a>1</a></xml>")).settled
    assert not (await desk.tell(number, body=b"nonsense")).settled
    assert [reason for _, _, reason in await findings(desk)] == [
        "undecryptable",
        "missing_field",
        "malformed",
    ]
    assert desk.wechat.calls["refundquery"] == 0


async def test_N05_a_key_that_was_replaced_still_opens_in_its_time(desk: RefundDesk) -> None:
    _refund_id, number = await processing(desk)
    desk.settle(number)
    old = await desk.till.signing_key()
    body = desk.wechat.refund_notification(number, old)
    till = desk.till
    async with till.database.write(ProviderScope(desk.scope.provider_id)) as session:
        await put_key(
            session,
            till.vault,
            provider_id=desk.scope.provider_id,
            kind=KeyKind.API_V2,
            secret=b"Y" * 32,
            now=till.clock.now(),
        )
    assert (await till.keyring.v2(desk.scope.provider_id, 99)).signing.secret == "Y" * 32
    assert (await desk.tell(number, body=body)).settled


async def test_B02_a_notification_at_another_tenants_address_changes_nothing(desk: RefundDesk) -> None:
    refund_id, number = await processing(desk)
    desk.settle(number)
    body = desk.wechat.refund_notification(number, await desk.till.signing_key())
    assert (await desk.tell(number, tenant=1, body=body)).settled, "on record, and no repetition cures it"
    assert await findings(desk, tenant=1) == [("mismatch", "SUCCESS", "mch_id")]
    sub_mch_id = desk.till.callers[1].tenant.sub_mch_id
    assert sub_mch_id is not None
    outer = {"sub_mch_id": sub_mch_id}
    key = await desk.till.signing_key()
    rewritten = desk.wechat.refund_notification(number, key, outer=outer)
    assert not (await desk.tell(number, tenant=1, body=rewritten)).settled
    assert (await findings(desk, tenant=1))[-1] == ("unmatched", "FAIL", "unknown_order")
    assert (await desk.refund(refund_id)).status is RefundStatus.PROCESSING


async def test_N04_a_notification_under_another_providers_key_is_refused(desk: RefundDesk) -> None:
    _refund_id, number = await processing(desk)
    (foreign,) = await add_provider(desk.till, number=2, key="Z" * 32)
    theirs = (await desk.till.keyring.v2(foreign.provider.id, 1)).signing
    assert not (await desk.tell(number, body=desk.wechat.refund_notification(number, theirs))).settled
    assert [reason for _, _, reason in await findings(desk)] == ["undecryptable"]


async def test_F10_a_refund_made_in_WeChats_console_is_taken_over_from_its_notification(
    desk: RefundDesk,
) -> None:
    order = await desk.paid()
    assert order.out_trade_no is not None
    desk.wechat.refund_elsewhere(order.out_trade_no, 3000)
    desk.settle("CONSOLE1")
    assert (await desk.tell("CONSOLE1")).settled
    (refund,) = await desk.reader.of_order(desk.scope, order.id)
    assert (refund.source, refund.status, refund.amount) == ("wechat", "succeeded", Fen(3000))
    now = await desk.till.order(order.id)
    assert (now.refunded_amount.value, now.refunding_amount.value) == (3000, 0)
    assert await desk.refund_events() == ["refund.succeeded"]
    (shown,) = await desk.anomalies("refund_outside")
    assert (shown.refund_id, shown.facts["amount"]) == (refund.id, 3000)
    assert await desk.heals() == ["refund_outside"]


async def test_secrets_of_a_notification_show_nowhere(
    desk: RefundDesk, capsys: pytest.CaptureFixture[str]
) -> None:
    _refund_id, number = await processing(desk)
    desk.settle(number)
    key = await desk.till.signing_key()
    body = desk.wechat.refund_notification(number, key)
    await desk.tell(number, body=body)
    sealed = envelope.parse(body)["req_info"]
    printed = "".join(capsys.readouterr())
    assert key.secret not in printed
    assert sealed not in printed
    assert re.search(r"notify\.received", printed)
