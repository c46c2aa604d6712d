"""Refunds by API v2: asking for one, and what became of one or of all of an order.

Source: wechatpay-v2 4.6, 4.7.
"""

from __future__ import annotations

from wechatpay.errors import BadField
from wechatpay.gateway import NewRefund, RefundAccepted, RefundsOfOrder, RefundState, RefundStatus
from wechatpay.identifiers import OutRefundNo, OutTradeNo, RefundId, TransactionId
from wechatpay.v2.exchange import Answer, Question
from wechatpay.v2.fields import Fields
from wechatpay.v2.signing import neutralise

PAGE = 10
"""Refunds in one answer at most."""

# Ten refunds of a dozen fields, each with coupons of three fields.
_MAX_ELEMENTS = 1000
_FAILED = "FAIL"


def asking(refund: NewRefund) -> Question:
    """refund: the payment by WeChat's number once it is known, by ours otherwise, never by both."""
    order = {"out_trade_no": refund.out_trade_no.text}
    payment = {"transaction_id": refund.transaction_id.text} if refund.transaction_id else {}
    return Question(
        "refund",
        "/secapi/pay/refund",
        {
            **(payment or order),
            "out_refund_no": refund.out_refund_no.text,
            "total_fee": str(refund.total.value),
            "refund_fee": str(refund.amount.value),
            "refund_desc": neutralise(refund.reason or ""),
            "notify_url": refund.notify_url,
        },
        echoed=("out_refund_no", "total_fee", "refund_fee"),
        expected=order | payment,
    )


def accepted(answer: Answer) -> RefundAccepted:
    """Read a verified refund answer. Raises BadField."""
    fields = Fields(answer.fields)
    return RefundAccepted(
        out_refund_no=fields.need("out_refund_no", OutRefundNo),
        refund_id=fields.need("refund_id", RefundId),
        amount=fields.required("refund_fee", fields.fen),
        total=fields.required("total_fee", fields.fen),
        call=answer.call,
    )


def querying_one(out_refund_no: OutRefundNo) -> Question:
    """refundquery by our refund number; the answer must be about that one alone (G13)."""
    number = out_refund_no.text
    return _querying(
        {"out_refund_no": number}, echoed=(), expected={"refund_count": "1", "out_refund_no_0": number}
    )


def querying_all(out_trade_no: OutTradeNo, offset: int) -> Question:
    """refundquery by our order number, from the refund at `offset` on."""
    fields = {"out_trade_no": out_trade_no.text, "offset": str(offset) if offset else ""}
    return _querying(fields, echoed=("out_trade_no",), expected={})


def _querying(fields: dict[str, str], echoed: tuple[str, ...], expected: dict[str, str]) -> Question:
    return Question(
        "refundquery",
        "/pay/refundquery",
        fields,
        echoed=echoed,
        expected=expected,
        max_elements=_MAX_ELEMENTS,
    )


def found(answer: Answer) -> RefundsOfOrder:
    """Read a verified refundquery answer: at least one refund. Raises BadField.

    The numbered fields are taken by their whole names, for `coupon_refund_fee_0` is a sum and
    `coupon_refund_fee_0_0` one of its coupons.
    """
    fields = Fields(answer.fields)
    count = fields.count("refund_count")
    if not count or count > PAGE:
        raise BadField("refund_count")
    total = fields.count("total_refund_count")
    return RefundsOfOrder(
        total_count=count if total is None else total,
        refunds=tuple(_refund(fields, answer, n) for n in range(count)),
        call=answer.call,
    )


def _refund(fields: Fields, answer: Answer, n: int) -> RefundState:
    return RefundState(
        out_trade_no=fields.need("out_trade_no", OutTradeNo),
        transaction_id=fields.need("transaction_id", TransactionId),
        out_refund_no=fields.need(f"out_refund_no_{n}", OutRefundNo),
        refund_id=fields.need(f"refund_id_{n}", RefundId),
        status=_status(fields, f"refund_status_{n}"),
        amount=fields.required(f"refund_fee_{n}", fields.fen),
        total=fields.required("total_fee", fields.fen),
        success_at=fields.moment(f"refund_success_time_{n}"),
        # WeChat's own spelling.
        recv_account=fields.text(f"refund_recv_accout_{n}") or None,
        call=answer.call,
    )


def _status(fields: Fields, name: str) -> RefundStatus:
    text = fields.text(name)
    # The older word for a refund that failed (wechatpay-v2 13).
    if text == _FAILED:
        return RefundStatus.REFUNDCLOSE
    try:
        return RefundStatus(text)
    except ValueError:
        raise BadField(name) from None
