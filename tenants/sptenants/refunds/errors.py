"""Refusals about refunds. Texts say what happened and what to do; `extra` carries facts for programs."""

from __future__ import annotations

from collections.abc import Sequence

from spcore.errors import DomainError, Fault, InvalidInput, Text
from sptenants.orders.errors import OrderStateConflict, failure_text, wechat_of
from sptenants.orders.records import OrderRecord
from sptenants.refunds.commands import MAX_REFUNDS
from sptenants.refunds.records import RefundRecord
from sptenants.refunds.schemas import refund_object
from wechatpay.money import Fen

_DIFFERS = Text(
    "与原退款不一致：请换一个商户退款单号，或按原内容重试。",
    "differs from the existing refund: use another merchant_refund_no, or repeat with the original content.",
)
_KEY_REUSED = Text(
    "该 Idempotency-Key 已用于另一个请求：请换一个键。",
    "this Idempotency-Key was used for another request: use a fresh one.",
)
_KEY_MISSING = Text(
    "没有 merchant_refund_no 时必须提供 Idempotency-Key，否则重试可能重复退款。",
    "is required without merchant_refund_no: a retry could refund twice otherwise.",
)
_NOT_PAID = Text(
    "订单未支付成功，没有可退的款项。",
    "The order was not paid, so there is nothing to refund.",
)
_TOO_OLD = Text(
    "支付已超过一年，微信支付不再受理退款：请与付款人线下解决。",
    "The payment is older than a year and WeChat refunds it no more: settle it with the payer directly.",
)
_TOO_MANY = Text(
    f"该订单的退款已达 {MAX_REFUNDS} 笔上限，请与付款人线下解决余款。",
    f"The order has had {MAX_REFUNDS} refunds, which is WeChat's limit: settle the rest directly.",
)


class AmountExceedsRefundable(InvalidInput):
    """More than what is left of the payment after refunds made and under way (F02, F05, M4)."""

    code = "amount_exceeds_refundable"

    def __init__(self, refundable: Fen) -> None:
        text = Text(
            f"超过可退金额：最多还可退 {refundable.value} 分（已退和退款中的金额不能再退）。",
            f"is more than what can be refunded: at most {refundable.value} fen are left, after what was"
            " refunded and what is under way.",
        )
        super().__init__(Fault("#/amount", "too_large", text))
        self.refundable = refundable
        self.extra["refundable_amount"] = refundable.value


class RefundConflict(InvalidInput):
    """The same number or key with other content. Names fields, never values (failure catalogue 2.1)."""

    code = "idempotency_conflict"

    def __init__(self, refund_id: str | None, *faults: Fault) -> None:
        super().__init__(*faults)
        self.extra["refund_id"] = refund_id

    @classmethod
    def of_fields(cls, refund_id: str, fields: Sequence[str]) -> RefundConflict:
        return cls(refund_id, *(Fault(f"#/{name}", "differs", _DIFFERS) for name in fields))

    @classmethod
    def of_key(cls, refund_id: str | None) -> RefundConflict:
        return cls(refund_id, Fault("Idempotency-Key", "differs", _KEY_REUSED))


class RefundRejected(DomainError):
    """WeChat refused for good, and a query confirmed that nothing exists there (R5)."""

    code = "wechat_rejected"

    def __init__(self, refund: RefundRecord) -> None:
        failure = refund.failure or {"api": "refund", "code": "UNKNOWN", "message": ""}
        super().__init__(
            failure_text(failure), extra={"refund": refund_object(refund), "wechat": wechat_of(failure)}
        )
        self.refund = refund


class RefundStateConflict(DomainError):
    """The refund is in a state from which this is impossible; the answer holds the refund as it is."""

    code = "state_conflict"

    def __init__(self, refund: RefundRecord) -> None:
        super().__init__(
            Text(
                "该退款不在待批准状态，可能已被处理：请刷新后查看。",
                "This refund does not wait for approval any more: look at it again.",
            ),
            extra={"refund": refund_object(refund)},
        )


class NoSecondPayment(DomainError):
    """An anomaly of which no second payment can be given back: another kind, or dealt with already."""

    code = "state_conflict"

    def __init__(self) -> None:
        super().__init__(
            Text(
                "该事项不是待处理的重复支付，或已在退款，请刷新后查看。",
                "This is no open double payment, or it is being refunded already: look at it again.",
            )
        )


def key_missing() -> InvalidInput:
    """Neither number of the caller's own makes the call safe to repeat."""
    return InvalidInput(Fault("Idempotency-Key", "missing", _KEY_MISSING))


def not_paid(order: OrderRecord) -> OrderStateConflict:
    return OrderStateConflict(order, _NOT_PAID)


def too_old(order: OrderRecord) -> OrderStateConflict:
    return OrderStateConflict(order, _TOO_OLD)


def too_many(order: OrderRecord) -> OrderStateConflict:
    return OrderStateConflict(order, _TOO_MANY)
