"""Refunds by API v3: asking for one, and what became of it.

Source: wechatpay-v3 4.
"""

from __future__ import annotations

from urllib.parse import quote

from wechatpay.credentials import Credentials, PartnerCredentials
from wechatpay.errors import BadField
from wechatpay.gateway import NewRefund, RefundAccepted, RefundState, RefundStatus
from wechatpay.identifiers import OutRefundNo, OutTradeNo, RefundId, TransactionId
from wechatpay.v3.exchange import Answer, Question
from wechatpay.v3.fields import Fields

PATH = "/v3/refund/domestic/refunds"


def asking(credentials: Credentials, refund: NewRefund) -> Question:
    """refund: the payment by WeChat's number once it is known, by ours otherwise, never by both.

    The provider's number stands in no field: it is who signs.
    """
    order = {"out_trade_no": refund.out_trade_no.text}
    payment = {"transaction_id": refund.transaction_id.text} if refund.transaction_id else {}
    body = {
        **_sub_merchant(credentials),
        **(payment or order),
        "out_refund_no": refund.out_refund_no.text,
        "reason": refund.reason,
        "notify_url": refund.notify_url,
        "amount": {"refund": refund.amount.value, "total": refund.total.value, "currency": "CNY"},
    }
    expected = {"out_refund_no": refund.out_refund_no.text, **order, **payment}
    return Question("v3.refund", "POST", PATH, body=body, expected=expected)


def accepted(answer: Answer, refund: NewRefund) -> RefundAccepted:
    """Read a verified refund answer, which must be about `refund`'s amounts. Raises BadField.

    Whatever `status` it has already, only a query is believed about that (rule R4).
    """
    fields = Fields(answer.fields)
    amount = fields.section("amount")
    if amount.required("refund", amount.fen) != refund.amount:
        raise amount.bad("refund")
    if amount.required("total", amount.fen) != refund.total:
        raise amount.bad("total")
    return RefundAccepted(
        out_refund_no=fields.need("out_refund_no", OutRefundNo),
        refund_id=fields.need("refund_id", RefundId),
        amount=refund.amount,
        total=refund.total,
        call=answer.call,
    )


def querying(credentials: Credentials, out_refund_no: OutRefundNo) -> Question:
    """query of a refund by our number; the answer must be about that one (G13)."""
    number = out_refund_no.text
    return Question(
        "v3.refund_query",
        "GET",
        f"{PATH}/{quote(number, safe='*@')}",
        query=_sub_merchant(credentials),
        expected={"out_refund_no": number},
    )


def queried(answer: Answer) -> RefundState:
    """Read a verified answer to the query of a refund. Raises BadField."""
    fields = Fields(answer.fields)
    amount = fields.section("amount")
    found = RefundState(
        out_trade_no=fields.need("out_trade_no", OutTradeNo),
        transaction_id=fields.need("transaction_id", TransactionId),
        out_refund_no=fields.need("out_refund_no", OutRefundNo),
        refund_id=fields.need("refund_id", RefundId),
        status=fields.required("status", fields.refund_status),
        amount=amount.required("refund", amount.fen),
        total=amount.required("total", amount.fen),
        success_at=fields.moment("success_time"),
        recv_account=fields.text("user_received_account"),
        call=answer.call,
    )
    if found.status is RefundStatus.SUCCESS and found.success_at is None:
        raise BadField("success_time")
    return found


def _sub_merchant(credentials: Credentials) -> dict[str, str]:
    """Whose order it is; a plain merchant's is its own."""
    if isinstance(credentials, PartnerCredentials):
        return {"sub_mchid": credentials.sub_mch_id.text}
    return {}
