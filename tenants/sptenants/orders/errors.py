"""Refusals about orders. Texts say what happened and what to do; `extra` carries facts for programs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from spcore.errors import DomainError, Fault, InvalidInput, Text
from sptenants.orders.records import OrderRecord
from sptenants.orders.schemas import order_object
from sptenants.orders.states import OrderStatus
from sptenants.orders.timeline import STATUS_WORDS
from wechatpay.explain import explain

_DIFFERS = Text(
    "与原订单不一致：请换一个商户订单号，或按原内容重试。",
    "differs from the existing order: use another merchant_order_no, or repeat with the original content.",
)
_KEY_REUSED = Text(
    "该 Idempotency-Key 已用于另一个请求：请换一个键。",
    "this Idempotency-Key was used for another request: use a fresh one.",
)


class IdempotencyConflict(InvalidInput):
    """The same number or key with other content. Names fields, never values (failure catalogue 2.1, O04)."""

    code = "idempotency_conflict"

    def __init__(self, order_id: str, faults: Sequence[Fault]) -> None:
        super().__init__(*faults)
        self.extra["order_id"] = order_id

    @classmethod
    def of_fields(cls, order_id: str, fields: Sequence[str]) -> IdempotencyConflict:
        return cls(order_id, [Fault(f"#/{name}", "differs", _DIFFERS) for name in fields])

    @classmethod
    def of_key(cls, order_id: str) -> IdempotencyConflict:
        return cls(order_id, [Fault("Idempotency-Key", "differs", _KEY_REUSED)])


class InProgress(DomainError):
    """The first call for this order is still at work; nothing was done by this one."""

    code = "in_progress"
    retry_after_s = 1

    def __init__(self, order_id: str) -> None:
        super().__init__(
            Text(
                "同一订单的上一次请求仍在处理，请稍后用同样的内容重试。",
                "An earlier request for this order is still running; repeat the same request in a moment.",
            ),
            extra={"order_id": order_id},
        )


class OrderStateConflict(DomainError):
    """The order is in a state from which this is impossible; the answer holds the order as it is."""

    code = "state_conflict"

    def __init__(self, order: OrderRecord, reason: Text | None = None) -> None:
        words = STATUS_WORDS[order.status]
        super().__init__(
            reason
            or Text(
                f"订单当前状态为「{words.zh}」，不能执行该操作；如需再次收款，请用新的商户订单号下单。",
                f"The order is {words.en}, so this cannot be done; to charge again, create an order under a"
                " new merchant_order_no.",
            ),
            extra={"order": order_object(order)},
        )
        self.order = order

    @classmethod
    def expired(cls, order: OrderRecord) -> OrderStateConflict:
        return cls(
            order,
            Text(
                "订单已过支付有效期，不能再支付；请用新的商户订单号重新下单。",
                "The order's time to pay is over; create a new one under another merchant_order_no.",
            ),
        )

    @classmethod
    def being_closed(cls, order: OrderRecord) -> OrderStateConflict:
        return cls(
            order,
            Text(
                "已请求关闭该订单，不再签发支付参数；如需收款，请用新的商户订单号下单。",
                "Closing this order was asked for, so no payment parameters are signed any more; create a new"
                " one to charge.",
            ),
        )

    @classmethod
    def without_code(cls, order: OrderRecord) -> OrderStateConflict:
        return cls(
            order,
            Text(
                "只有待支付的扫码（NATIVE）订单才有二维码：请先用 NATIVE 下单，或查看订单当前状态。",
                "Only a NATIVE order that awaits its payment has a QR code: create one, or look at the"
                " order's state.",
            ),
        )


class TooSoon(OrderStateConflict):
    """The present attempt cannot be ended yet, so that no other may follow; the order is untouched (P8)."""

    def __init__(self, order: OrderRecord, wait_s: int) -> None:
        super().__init__(
            order,
            Text(
                f"当前的下单尝试还不能关闭：微信要求下单满五分钟（付款码满 15 秒），请在 {wait_s} 秒后重试。",
                "WeChat closes nothing in its first five minutes (a payment code: 15 seconds), so the present"
                f" attempt cannot be replaced yet; repeat in {wait_s} seconds.",
            ),
        )
        self.retry_after_s = wait_s


class WechatRejected(DomainError):
    """WeChat refused for good, and a query confirmed that nothing exists there (P5)."""

    code = "wechat_rejected"

    def __init__(self, order_id: str, failure: Mapping[str, Any]) -> None:
        super().__init__(failure_text(failure), extra={"order_id": order_id, "wechat": wechat_of(failure)})


class WechatUnavailable(DomainError):
    """WeChat gave no usable answer to a question that can be asked again; nothing changed."""

    code = "wechat_unavailable"
    retry_after_s = 3

    def __init__(self, text: Text | None = None, order: OrderRecord | None = None) -> None:
        super().__init__(
            text
            or Text(
                "微信支付暂时没有给出可信的应答，订单未受影响，请稍后重试。",
                "WeChat Pay gave no answer that can be relied on; the order is untouched, try again soon.",
            ),
            extra={"order": order_object(order)} if order else None,
        )

    @classmethod
    def while_replacing(cls, order: OrderRecord) -> WechatUnavailable:
        """The attempt before could not be seen closed."""
        if order.status is not OrderStatus.CLOSING:
            return cls(order=order)
        text = Text(
            "原下单尝试正在关闭，微信尚未确认；请稍后用同样的内容重试，否则订单将自动关闭。",
            "The attempt before is being closed and WeChat has not confirmed it yet; repeat the same request"
            " in a moment, otherwise the order closes by itself.",
        )
        return cls(text, order)


class NothingToAdopt(DomainError):
    """WeChat has no paid order of this merchant's under the number; nothing was stored."""

    code = "nothing_to_adopt"

    def __init__(self, *, unpaid: bool) -> None:
        super().__init__(_NOT_PAID_THERE if unpaid else _NOT_THERE)


_NOT_PAID_THERE = Text(
    "微信支付侧有这笔单号，但尚未支付，没有可补录的收款；付款后再试。",
    "WeChat Pay knows this number, but nobody paid; try again once it is paid.",
)
_NOT_THERE = Text(
    "微信支付侧没有本商户这个商户单号的收款：请核对 out_trade_no 和商户后重试。",
    "WeChat Pay has no payment of this merchant's under that number: check out_trade_no and merchant.",
)


def wechat_of(failure: Mapping[str, Any]) -> dict[str, Any]:
    """Return the API's `wechat` member: WeChat's own code and words about its last refusal."""
    return {name: failure.get(name) for name in ("code", "message", "http_status", "request_id")}


def failure_text(failure: Mapping[str, Any]) -> Text:
    """Explain a refusal: cause and fix where the code is known, WeChat's own words otherwise (S2-13)."""
    code, message = str(failure["code"]), str(failure["message"])
    known = explain(str(failure["api"]), code, message)
    if known is None:
        return Text(f"微信支付拒绝了请求：{code} {message}", f"WeChat Pay refused: {code} {message}")
    return Text(f"{known.cause_zh}{known.fix_zh}", f"{known.cause_en} {known.fix_en}")
