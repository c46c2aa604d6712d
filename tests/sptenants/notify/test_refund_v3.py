"""Refund notifications of API v3 are evidence of their own, and are compared like an answer (R6, Z11, I3)."""

from __future__ import annotations

import json

import pytest
from tests.support.certificates import rsa_key
from tests.support.mail_v3 import Mail

from sptenants.refunds.states import RefundStatus


@pytest.fixture
def mail(quick_mail: Mail) -> Mail:
    return quick_mail


async def refunded(mail: Mail, amount: int = 800) -> tuple[str, str]:
    """Have an order paid and a refund asked for; its id and WeChat's number of it."""
    order = await mail.paid()
    await mail.tell(mail.letter(order))
    asked = await mail.desk.request(await mail.till.order(order.id), amount)
    return asked.refund.id, asked.refund.out_refund_no


@pytest.mark.parametrize(
    ("status", "becomes"),
    [
        ("SUCCESS", RefundStatus.SUCCEEDED),
        ("REFUNDCLOSE", RefundStatus.CLOSED),
        ("CHANGE", RefundStatus.ABNORMAL),
    ],
)
async def test_R6_a_verified_notification_settles_the_refund_without_a_question(
    mail: Mail, status: str, becomes: RefundStatus
) -> None:
    refund_id, number = await refunded(mail)
    mail.desk.settle(number, status)
    asked = mail.till.wechat.calls["refundquery"]
    answer = await mail.tell_of_refund(mail.wechat.refund(number, mail.till.clock.now()))
    assert (answer.status, answer.settled) == (204, True)
    assert (await mail.desk.refund(refund_id)).status is becomes
    assert mail.till.wechat.calls["refundquery"] == asked
    row = (await mail.till.journal())[-1]
    assert (row.kind, row.result, row.reason) == ("refund", "processed", None)


async def test_a_repeated_one_changes_nothing(mail: Mail) -> None:
    refund_id, number = await refunded(mail)
    mail.desk.settle(number)
    for _ in range(2):
        sent = mail.wechat.refund(number, mail.till.clock.now(), name="EV-R1")
        assert (await mail.tell_of_refund(sent)).settled
    settled = await mail.desk.refund(refund_id)
    rows = [row for row in await mail.till.journal() if row.kind == "refund"]
    assert [(row.result, row.received) for row in rows] == [("processed", 2)]
    assert (await mail.desk.refund_events()).count("refund.succeeded") == 1
    assert settled.status is RefundStatus.SUCCEEDED


async def test_I3_a_refund_of_other_money_or_another_merchant_is_for_a_person(mail: Mail) -> None:
    refund_id, number = await refunded(mail)
    mail.desk.settle(number)
    now = mail.till.clock.now()
    amounts = {"total": 12800, "refund": 801, "payer_total": 12800, "payer_refund": 801}
    for changes, field in (
        ({"sp_mchid": "1900000999"}, "mch_id"),
        ({"sub_mchid": "1699999999"}, "mch_id"),
        ({"amount": amounts}, "refund_fee"),
    ):
        answer = await mail.tell_of_refund(mail.wechat.refund(number, now, **changes))
        row = (await mail.till.journal())[-1]
        assert (answer.settled, row.result, row.reason) == (True, "mismatch", field)
    assert (await mail.desk.refund(refund_id)).status is RefundStatus.PROCESSING


async def test_both_shapes_of_the_merchants_number_are_taken(mail: Mail) -> None:
    refund_id, number = await refunded(mail)
    mail.desk.settle(number)
    mch_id = mail.till.caller.provider.mch_id
    sent = mail.wechat.refund(number, mail.till.clock.now(), sp_mchid=None, sub_mchid=None, mchid=mch_id)
    assert (await mail.tell_of_refund(sent)).settled
    assert (await mail.desk.refund(refund_id)).status is RefundStatus.SUCCEEDED


async def test_Z11_a_refund_of_an_order_that_we_do_not_know_is_repeated_by_wechat(mail: Mail) -> None:
    _, number = await refunded(mail)
    lost = {"out_trade_no": "01JD3K8W7Q4M6X0B2T9V5H1CZN", "out_refund_no": "01JD3K8W7Q4M6X0B2T9V5H1CZP"}
    answer = await mail.tell_of_refund(mail.wechat.refund(number, mail.till.clock.now(), **lost))
    assert (answer.status, json.loads(answer.body)["message"]) == (404, "unknown_order")


async def test_N09_a_forged_refund_changes_nothing(mail: Mail) -> None:
    refund_id, number = await refunded(mail)
    mail.desk.settle(number)
    sent = mail.wechat.by(key=rsa_key("a forger's")).refund(number, mail.till.clock.now())
    answer = await mail.tell_of_refund(sent)
    assert (answer.status, json.loads(answer.body)["message"]) == (401, "bad_signature")
    assert (await mail.desk.refund(refund_id)).status is RefundStatus.PROCESSING
