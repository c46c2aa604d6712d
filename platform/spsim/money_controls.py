"""The controls of refunds and payment codes; `GET /_sim/` lists them with the others.

POST /_sim/auth_codes
    `openid`, `appid` (whose openid it is; that of the order when left out), `behaviour` -> `auth_code`:
    eighteen digits for one micropay within a minute. `pay` (default) pays, above 1000 yuan only after the
    password; `userpaying` and `bankerror` leave the order USERPAYING until `POST /_sim/pay` with its
    `out_trade_no` decides, or 45 seconds make it PAYERROR; `notenough`, `notsuportcard`, `trade_error` leave
    it PAYERROR; `expired`, `used`, `invalid` leave no order.
POST /_sim/refunds
    Refund in WeChat's own console: `out_trade_no` (with `mch_id` when several providers have that number) or
    `transaction_id`, `amount` in fen, optionally `out_refund_no` and `reason`. The source is VENDOR_PLATFORM;
    it is notified where the sub-merchant's latest refund was, if there was one. Refused with WeChat's own
    code when a refund by API would be.
POST /_sim/refunds/{out_refund_no}
    Decide a refund: `status` SUCCESS, CHANGE or REFUNDCLOSE, or ABNORMAL and CLOSED as v3 calls the last two
    (with `mch_id` when several providers have that number). A refund in CHANGE can still become SUCCESS or
    REFUNDCLOSE, another end is final.
GET /_sim/settlement
    When refunds end by themselves.
POST /_sim/settlement
    Any of `auto` (false holds refunds in PROCESSING until they are decided; true by default), `after_s`
    (from the request, on the simulator's clock; 0.2), `status` they end with (SUCCESS). It holds for refunds
    that are under way too.
POST /_sim/balances
    `mch_id`, `sub_mch_id` (none for a plain merchant), `amount`: what there is for refunds, in fen; null (at
    first) for no limit. Refunds take from it, REFUNDCLOSE puts back, payments do not add to it. NOTENOUGH
    when it is short.
GET /_sim/limits
    How often refunds may be asked for.
POST /_sim/limits
    Any of `refunds_per_s` (150 a merchant number, then FREQUENCY_LIMITED), `invalid_per_s` (6 failing ones,
    then INVALID_REQ_TOO_MUCH for all of that number's) for `invalid_pause_s` (60), `spacing_s` (null; between
    refunds of one order, then FREQUENCY_LIMITED). Null is no limit.
"""

from __future__ import annotations

from dataclasses import asdict, replace
from typing import Final

from . import balances, codes, payments, refund_books, refund_limits, refunds, reports, trades
from .admission import Declined
from .control_input import (
    ControlRefused,
    Document,
    amount,
    bad_request,
    choice,
    count,
    flag,
    needed_text,
    only,
    seconds,
    text,
)
from .notifier import Notifier
from .refund_books import CONSOLE, ENDS, Refund, Wanted
from .refund_limits import RefundLimits
from .registry import find_provider, find_sub_merchant
from .signing import random_text
from .trades import Trade
from .world import World

_ENDS_OF_V3: Final = {"ABNORMAL": "CHANGE", "CLOSED": "REFUNDCLOSE"}


class MoneyControls:
    """The controls as plain functions from JSON to JSON. All raise ControlRefused."""

    def __init__(self, world: World, notifier: Notifier) -> None:
        self._world = world
        self._notifier = notifier

    def auth_code(self, document: Document) -> Document:
        """Show a payment code on a payer's screen."""
        only(document, "openid", "appid", "behaviour")
        behaviour = choice(document, "behaviour", codes.BEHAVIOURS, "pay")
        openid = needed_text(document, "openid")
        return {"auth_code": codes.issue(self._world, openid, text(document, "appid"), behaviour)}

    def refund(self, document: Document) -> Document:
        """Refund in WeChat's own console."""
        only(document, "out_trade_no", "transaction_id", "mch_id", "amount", "out_refund_no", "reason")
        transaction_id = text(document, "transaction_id")
        trade = self._trade(document, transaction_id)
        payment = refunds.payment_named(self._world, trade, transaction_id)
        if payment is None:
            raise ControlRefused(409, "NOTPAY", "订单未支付", "only paid orders are refunded")
        number = text(document, "out_refund_no") or random_text(28, "0123456789")
        if refund_books.by_number(self._world, trade.mch_id, number) is not None:
            raise ControlRefused(409, "INVALID_REQUEST", "商户退款单号重复")
        notify_url, api = refund_books.last_told(self._world, trade)
        wanted = Wanted(
            out_refund_no=number,
            amount=amount(document, "amount", least=1),
            account=refunds.DEFAULT_ACCOUNT,
            reason=text(document, "reason"),
            source=CONSOLE,
            notify_url=notify_url,
            api=api,
        )
        try:
            made = refunds.by_console(self._world, trade, payment, wanted)
        except Declined as reason:
            raise ControlRefused(409, reason.err_code, reason.description) from None
        self._notifier.wake()
        return reports.refund(self._world, made)

    def decide_refund(self, out_refund_no: str, document: Document) -> Document:
        """Bring a refund to an end."""
        only(document, "status", "mch_id")
        status = _end(document, "")
        made = self.find_refund(out_refund_no, text(document, "mch_id"))
        if not refund_books.may_end_as(made, status):
            raise ControlRefused(409, made.status, "退款状态不允许", f"{made.status} cannot become {status}")
        refund_books.settle(self._world, made, status)
        self._notifier.wake()
        return reports.refund(self._world, self.find_refund(out_refund_no, made.mch_id))

    def settlement(self) -> Document:
        """Return when refunds end by themselves."""
        return asdict(refund_books.settlement(self._world))

    def set_settlement(self, document: Document) -> Document:
        """Change when and how refunds end by themselves."""
        only(document, "auto", "after_s", "status")
        now = refund_books.settlement(self._world)
        wanted = replace(
            now,
            auto=flag(document, "auto", default=now.auto),
            after_s=seconds(document, "after_s", now.after_s),
            status=_end(document, now.status),
        )
        refund_books.set_settlement(self._world, wanted)
        self._notifier.wake()
        return self.settlement()

    def balance(self, document: Document) -> Document:
        """Say what a sub-merchant has for refunds."""
        only(document, "mch_id", "sub_mch_id", "amount")
        mch_id, sub_mch_id = needed_text(document, "mch_id"), text(document, "sub_mch_id") or ""
        provider = find_provider(self._world.ledger, mch_id)
        known = provider is not None and (
            find_sub_merchant(self._world.ledger, mch_id, sub_mch_id) is not None
            if provider.has_sub_merchants
            else sub_mch_id == ""
        )
        if not known:
            raise ControlRefused(404, "NO_SUCH_MERCHANT", "商户不存在", "register it by POST /_sim/providers")
        if "amount" not in document:
            raise bad_request("amount is needed; null for no limit")
        left = None if document["amount"] is None else amount(document, "amount", least=0)
        balances.limit(self._world.ledger, mch_id, sub_mch_id, left)
        return {"mch_id": mch_id, "sub_mch_id": sub_mch_id or None, "amount": left}

    def limits(self) -> Document:
        """Return how often refunds may be asked for."""
        return asdict(refund_limits.limits(self._world))

    def set_limits(self, document: Document) -> Document:
        """Change how often refunds may be asked for."""
        only(document, "refunds_per_s", "invalid_per_s", "invalid_pause_s", "spacing_s")
        now = refund_limits.limits(self._world)
        no_spacing = document.get("spacing_s", now.spacing_s) is None
        wanted = RefundLimits(
            refunds_per_s=count(document, "refunds_per_s", now.refunds_per_s),
            invalid_per_s=count(document, "invalid_per_s", now.invalid_per_s),
            invalid_pause_s=seconds(document, "invalid_pause_s", now.invalid_pause_s),
            spacing_s=None if no_spacing else seconds(document, "spacing_s", now.spacing_s or 0),
        )
        refund_limits.set_limits(self._world, wanted)
        return self.limits()

    def find_refund(self, out_refund_no: str, mch_id: str | None) -> Refund:
        """Return a refund by its number."""
        refund_books.settle_due(self._world)
        found = [
            refund
            for refund in refund_books.by_number_anywhere(self._world, out_refund_no)
            if mch_id in {None, refund.mch_id}
        ]
        if not found:
            raise ControlRefused(404, "REFUNDNOTEXIST", "退款不存在")
        if len(found) > 1:
            raise _ambiguous()
        return found[0]

    def find_trade(self, out_trade_no: str, mch_id: str | None) -> Trade:
        """Return an order by its number."""
        found = [
            t for t in trades.by_number_anywhere(self._world, out_trade_no) if mch_id in {None, t.mch_id}
        ]
        if not found:
            raise ControlRefused(404, "ORDERNOTEXIST", "订单不存在")
        if len(found) > 1:
            raise _ambiguous()
        return found[0]

    def _trade(self, document: Document, transaction_id: str | None) -> Trade:
        if (transaction_id is None) == (text(document, "out_trade_no") is None):
            raise bad_request("give one of out_trade_no and transaction_id")
        if transaction_id is None:
            return self.find_trade(needed_text(document, "out_trade_no"), text(document, "mch_id"))
        payment = payments.by_transaction(self._world, transaction_id)
        if payment is None:
            raise ControlRefused(404, "ORDERNOTEXIST", "订单不存在")
        return trades.by_id(self._world, payment.trade_id)


def _end(document: Document, default: str) -> str:
    """Return the end of a refund in v2's words, given in those of either generation."""
    named = choice(document, "status", (*ENDS, *_ENDS_OF_V3), default)
    return _ENDS_OF_V3.get(named, named)


def _ambiguous() -> ControlRefused:
    return ControlRefused(409, "AMBIGUOUS", "请求有误", "several providers have this number: add mch_id")
