"""Refunds by API v3: create, query, and sending an abnormal one another way (wechatpay-v3 4).

There is one book of refunds for both generations: a refund keeps v2's words for its state and account, and
they are translated here.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

from spsim import payments, refund_books, refund_limits, refunds, trades
from spsim.admission import Declined
from spsim.api_keys import V3
from spsim.clock import rfc3339
from spsim.payments import Payment
from spsim.refund_books import API, RECEIVER, Refund, Wanted
from spsim.refund_limits import RefundGate
from spsim.trades import Trade
from spsim.world import World

from . import paths, rules
from .endpoint import Document, Endpoint, Items, Object, Request, Text, Whole
from .failures import BODY, QUERY, Failed, against_the_rules, wrong_parameter
from .identities import check_relation
from .values import check_notify_url

STATUSES: Final = {
    "PROCESSING": "PROCESSING",
    "SUCCESS": "SUCCESS",
    "REFUNDCLOSE": "CLOSED",
    "CHANGE": "ABNORMAL",
}
"""What v3 calls the states of the book."""
_UNSETTLED, _AVAILABLE = "REFUND_SOURCE_UNSETTLED_FUNDS", "REFUND_SOURCE_RECHARGE_FUNDS"
_ACCOUNTS: Final = {"": _UNSETTLED, "UNSETTLED": _UNSETTLED, "AVAILABLE": _AVAILABLE}
_ACCOUNT_WORDS: Final = {_UNSETTLED: "UNSETTLED", _AVAILABLE: "AVAILABLE"}
_REFUSALS: Final = {
    "NOTENOUGH": (403, "NOT_ENOUGH"),
    "TRADE_OVERDUE": (403, "TRADE_OVERDUE"),
    "FREQUENCY_LIMITED": (429, "FREQUENCY_LIMITED"),
    "INVALID_REQ_TOO_MUCH": (429, "FREQUENCY_LIMITED"),
}
"""What the rules that both generations share are refused with; everything else is INVALID_REQUEST."""
_BANK_CARD: Final = "USER_BANK_CARD"

_NUMBER: Final = re.compile(r"[0-9A-Za-z_\-|*@]{1,64}")
_MERCHANT: Final = Text(32)
_GOODS: Final = Object(
    {
        "merchant_goods_id": Text(32, required=True),
        "wechatpay_goods_id": Text(32),
        "goods_name": Text(256),
        "unit_price": Whole(1, required=True),
        "refund_amount": Whole(1, required=True),
        "refund_quantity": Whole(1, required=True),
    }
)
_FROM: Final = Object(
    {
        "account": Text(32, required=True, choices=("AVAILABLE", "UNAVAILABLE")),
        "amount": Whole(1, required=True),
    }
)
_CREATE: Final = Object(
    {
        "sub_mchid": _MERCHANT,
        "transaction_id": Text(32),
        "out_trade_no": Text(32, least=6),
        "out_refund_no": Text(64, required=True, pattern=_NUMBER, in_bytes=True),
        "reason": Text(80, in_bytes=True),
        "notify_url": Text(256, least=8),
        "funds_account": Text(32, choices=("AVAILABLE", "UNSETTLED")),
        "amount": Object(
            {
                "refund": Whole(1, required=True),
                "total": Whole(1, required=True),
                "currency": Text(16, required=True, choices=("CNY",)),
                "from": Items(_FROM, 10),
            },
            required=True,
        ),
        "goods_detail": Items(_GOODS, 6000),
    }
)
_ABNORMAL: Final = Object(
    {
        "sub_mchid": _MERCHANT,
        "out_refund_no": Text(64, required=True, pattern=_NUMBER),
        "type": Text(32, required=True, choices=(_BANK_CARD, "MERCHANT_BANK_CARD")),
        "bank_type": Text(32),
        "bank_account": Text(1024, sealed=True),
        "real_name": Text(1024, sealed=True),
    }
)


def endpoints(gate: RefundGate) -> tuple[Endpoint, ...]:
    """Return the endpoints of refunds; `gate` counts the calls of both generations."""

    def create(world: World, request: Request) -> Document:
        with _in_words_of_v3(), gate.passing(world, request.provider.mch_id):
            return _create(world, request)

    return (
        Endpoint("POST", paths.REFUNDS, create, body=_CREATE),
        Endpoint(
            "GET", paths.REFUND, _query, query={"sub_mchid": _MERCHANT}, path={"out_refund_no": Text(64)}
        ),
        Endpoint(
            "POST", paths.ABNORMAL_REFUND, _send_another_way, body=_ABNORMAL, path={"refund_id": Text(32)}
        ),
    )


@contextmanager
def _in_words_of_v3() -> Iterator[None]:
    """Turn the refusals of the rules that both generations share into those of v3."""
    try:
        yield
    except Declined as reason:
        status, code = _REFUSALS.get(reason.err_code, (400, "INVALID_REQUEST"))
        raise Failed(status, code, reason.description) from None


def _create(world: World, request: Request) -> Document:
    """Accept a refund, or answer the same one again; accepted is not done (wechatpay-v3 4.3)."""
    _check_values(request)
    _check_merchant(world, request)
    trade, payment = _paid(world, request)
    amount, total = request.number("/amount/refund"), request.number("/amount/total")
    known = refund_books.by_number(world, request.provider.mch_id, request.text("/out_refund_no"))
    if known is not None:
        first = known.transaction_id, known.refund_fee, payment.total_fee
        if first != (payment.transaction_id, amount, total):
            raise against_the_rules("订单金额或退款金额与之前请求不一致，请核实后再试")
        return describe(world, known)
    if total != payment.total_fee:
        raise against_the_rules("订单总金额与原订单不一致")
    refunds.check_admissible(world, trade, payment, amount)
    if not refund_limits.is_spaced(world, payment):
        raise against_the_rules("同一笔订单的多次退款请求间隔过短，请稍后重试")
    wanted = Wanted(
        out_refund_no=request.text("/out_refund_no"),
        amount=amount,
        account=_ACCOUNTS[request.text("/funds_account")],
        reason=request.text("/reason") or None,
        source=API,
        notify_url=request.text("/notify_url") or None,
        api=V3,
    )
    return describe(world, refund_books.insert(world, trade, payment, wanted))


def _query(world: World, request: Request) -> Document:
    """Tell how far a refund is; one that was never accepted does not exist."""
    refund_books.settle_due(world)
    _check_merchant(world, request, QUERY)
    return describe(world, _named(world, request))


def _send_another_way(world: World, request: Request) -> Document:
    """Send a refund whose receiver is gone to a bank card: it is under way again (wechatpay-v3 4.2)."""
    _check_merchant(world, request)
    if request.text("/type") == _BANK_CARD:
        for name in ("bank_type", "bank_account", "real_name"):
            if not request.text(f"/{name}"):
                raise wrong_parameter(f"/{name}", "", "缺少参数")
    refund = _named(world, request)
    if refund.refund_id != request.path["refund_id"]:
        raise against_the_rules("微信支付退款单号与商户退款单号不匹配")
    if refund.status != "CHANGE":
        raise against_the_rules("只有退款异常的退款单才能发起异常退款")
    return describe(world, refund_books.resume(world, refund))


def describe(world: World, refund: Refund) -> Document:
    """Return a refund as create, query and abnormal refund answer it (wechatpay-v3 4.1)."""
    payment = refund_books.payment_of(world, refund)
    told: Document = {
        "refund_id": refund.refund_id,
        "out_refund_no": refund.out_refund_no,
        "transaction_id": refund.transaction_id,
        "out_trade_no": refund_books.trade_of(world, refund).out_trade_no,
        "channel": "ORIGINAL",
        "user_received_account": RECEIVER,
        "create_time": rfc3339(refund.requested_at),
        "status": STATUSES[refund.status],
        "funds_account": _ACCOUNT_WORDS[refund.account],
        "amount": {
            "total": payment.total_fee,
            "refund": refund.refund_fee,
            "from": [],
            "payer_total": payment.total_fee,
            "payer_refund": refund.refund_fee,
            "settlement_refund": refund.refund_fee,
            "settlement_total": payment.total_fee,
            "discount_refund": 0,
            "currency": "CNY",
        },
        "promotion_detail": [],
    }
    if refund.status == "SUCCESS" and refund.settled_at is not None:
        told["success_time"] = rfc3339(refund.settled_at)
    return told


def _check_merchant(world: World, request: Request, location: str = BODY) -> None:
    """Service providers name a sub-merchant of theirs, plain merchants have none (wechatpay-v3 4.1)."""
    named = request.named("sub_mchid")
    if request.provider.has_sub_merchants and not named:
        field = "/sub_mchid" if location == BODY else "sub_mchid"
        raise wrong_parameter(field, "", "受理机构必须传入sub_mchid", location)
    if named and not request.provider.has_sub_merchants:
        raise against_the_rules("普通商户不能传入sub_mchid")
    check_relation(world, request)


def _check_values(request: Request) -> None:
    """Check what a schema cannot say."""
    if not request.text("/transaction_id") and not request.text("/out_trade_no"):
        raise wrong_parameter("/transaction_id", "", "transaction_id和out_trade_no必须传其一")
    if url := request.text("/notify_url"):
        check_notify_url("/notify_url", url)
    sources, amount = request.value("/amount/from"), request.number("/amount/refund")
    if isinstance(sources, list) and sum(source["amount"] for source in sources) != amount:
        raise wrong_parameter("/amount/from", sources, "出资金额之和必须等于退款金额")


def _paid(world: World, request: Request) -> tuple[Trade, Payment]:
    """Return the order that is to be refunded with its payment; an unpaid one is as good as none."""
    mch_id, transaction_id = request.provider.mch_id, request.text("/transaction_id")
    payment: Payment | None = None
    trade: Trade | None = None
    if transaction_id:
        payment = payments.by_transaction(world, transaction_id)
        trade = None if payment is None else trades.by_id(world, payment.trade_id)
    else:
        trade = trades.by_number(world, mch_id, request.text("/out_trade_no"))
        payment = None if trade is None else payments.first(world, trade)
    if trade is None or payment is None or not _belongs(world, request, trade):
        raise Failed(404, "RESOURCE_NOT_EXISTS", "订单不存在或未支付")
    if request.text("/out_trade_no") not in {"", trade.out_trade_no}:
        raise against_the_rules("微信支付订单号与商户订单号不匹配")
    return trade, payment


def _named(world: World, request: Request) -> Refund:
    refund = refund_books.by_number(world, request.provider.mch_id, request.named("out_refund_no"))
    if refund is None or not _belongs(world, request, refund_books.trade_of(world, refund)):
        raise Failed(404, "RESOURCE_NOT_EXISTS", "退款单不存在")
    return refund


def _belongs(world: World, request: Request, trade: Trade) -> bool:
    """Tell whether an order is the caller's and the named sub-merchant's, and v3 may touch it."""
    mch_id = request.provider.mch_id
    own = trade.mch_id == mch_id and trade.get("sub_mch_id") == request.named("sub_mchid")
    return own and rules.may_cross(world.ledger, mch_id, trade.api, V3)
