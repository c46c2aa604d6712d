"""Everything under `/_sim/`: the tester's hands. `GET /_sim/` returns this list as JSON.

GET /_sim/
    This index, and the kinds of faults per path with their parameters.
POST /_sim/providers
    What WeChat would know: `{"providers": [...]}` in the import file's shape; per provider also
    `verification`
    (`public_key`, `certificate`, `both`) and `app_secret` (of its own appid), per tenant also
    `wechat_status` (`normal`, `restricted`, `unauthorized`); fields that WeChat would not know are ignored.
    A tenant that is named replaces its bindings. Another API key than before counts at once, another
    `client_cert_pem` is valid beside the earlier ones; without one none is valid. Answers `providers`
    (`mch_id`, `wechatpay_public_keys`, `platform_certificates`) and `ca_pem`. Idempotent.
GET /_sim/ca
    The certificate authority of the TLS port, PEM.
POST /_sim/codes
    `appid`, `openid` -> `code` of wx.login: one use, five minutes.
POST /_sim/pay
    One of `prepay_id`, `code_url`, `out_trade_no` (with `mch_id` when several providers have that number);
    optionally `openid` (the order's own payer when left out), `outcome` (`success`, `cancel`, `fail`), and
    `pay_params` with the `appid` of the running mini-program, to have paySign checked first. With `again`
    (true) an order that is paid already is paid once more, by a second transaction with its own notification.
    For a MICROPAY order that waits for the password it types it (`success`) or gives up. Answers `result`,
    `trade_state` and, for success, `transaction_id`, `total_fee`, `time_end`.
GET /_sim/phone/{prepay_id}
    The payer's phone as a page, with `pay_params` (and `appId`) in the query; for H5 the `mweb_url` itself,
    five minutes long, with `redirect_url` added when the payer shall come back to a page.
POST /_sim/phone/{prepay_id}
    What the page's buttons send: the same parameters as a form, and `action` (`pay`, `cancel`).
GET /_sim/ledger
    `orders`, `payments`, `refunds` (`out_refund_no`, `refund_id`, `amount`, `status`, `source`, ...),
    `reversals` and `notifications` (`kind` payment, refund or echo; `api_version`) with every attempt, its
    headers and its answer; `?out_trade_no=` filters.
GET /_sim/faults
    The faults still on order.
POST /_sim/faults
    `path`, `kind`, `times` (default 1) and the kind's own parameters. A path of v3 is named by its template
    (`/v3/pay/partner/transactions/out-trade-no/{out_trade_no}`); there `http_429`, `http_500` and the kinds
    `error_...` answer an error, and `signature_probe`, `unknown_serial`, `stale_timestamp` spoil what the
    answer is signed with. Path `notify` is the notifications of payments, `notify_refund` those of refunds;
    by v2 these carry no signature, so `wrong_signature` encrypts under another key, `missing_signature`
    leaves req_info out, the kinds that change fields change the encrypted ones, and `spliced` mixes the
    message with that of the provider's newest other refund.
    `notify_echo` is the echoes. By v3 fields are changed before they are sealed and signed, and named by
    their path (`amount.total`); `signature_probe` sends a probe before the genuine one; `unknown_serial`,
    `other_provider_key`, `stale_timestamp` (`seconds`), `missing_header` (`name`), `reserialised`,
    `empty_associated_data` (`absent`: not even named) and `other_v3_key` (it does not open) are what they
    say, and change nothing by v2. `replay` sends the same bytes and headers again (`n` times, each
    `after_ms`). The oldest of a path comes first, one a call; `stop` holds until it is cleared.
DELETE /_sim/faults
    Clear them all; notifications that `stop` held back go out.
GET /_sim/clock
    The simulator's time and the gaps between notifications.
POST /_sim/clock
    Any of `advance_s` (moves the whole clock: orders and codes expire too; only the timestamps of v3
    signatures stay with the host's clock), `compress` (divides the official gaps), `retry_gaps_s` (a list of
    gaps), `reset` (true).
POST /_sim/notify/{out_trade_no}
    Send a paid order's latest notification at once, untouched by faults, or that of its refund
    `out_refund_no`; optionally `copies` (at the same time), `url` (elsewhere), `fields` (changed before
    signing or encrypting), `mch_id`.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final
from urllib.parse import urlsplit

from . import misconfigurations, money_controls, payer, reports
from .bills import controls as bill_controls
from .certificates import Authority, ClientTrust
from .clock import wire_time
from .control_input import (
    ControlRefused,
    Document,
    bad_request,
    choice,
    documented,
    flag,
    is_number,
    text,
    texts,
)
from .faults import KINDS, BadFault, Faults
from .login import issue_code
from .micropay import type_password
from .money_controls import MoneyControls
from .notifier import Notifier
from .onboarding import BadDocument, register
from .payer import CannotPay
from .payments import Payment
from .registry import appid_exists
from .trades import Trade
from .v3 import flood, key_controls
from .world import World

_DESCRIBED: Final = (
    __doc__,
    money_controls.__doc__,
    bill_controls.__doc__,
    misconfigurations.__doc__,
    key_controls.__doc__,
    flood.__doc__,
)
_MOST_COPIES: Final = 1000
_RESULTS: Final = {
    "success": "requestPayment:ok",
    "cancel": "requestPayment:fail cancel",
    "fail": "requestPayment:fail 余额不足",
}


class Controls:
    """The controls as plain functions from JSON to JSON; :mod:`spsim.routes` gives them their paths.

    All raise ControlRefused.
    """

    def __init__(
        self,
        world: World,
        faults: Faults,
        notifier: Notifier,
        authority: Callable[[], Authority],
        trust: ClientTrust,
        money: MoneyControls,
    ) -> None:
        self._world = world
        self._faults = faults
        self._notifier = notifier
        self._authority = authority
        self._trust = trust
        self._money = money

    def index(self) -> Document:
        """Return what there is to control."""
        kinds = {
            path: {kind: {name: of.__name__ for name, of in params.items()} for kind, params in kinds.items()}
            for path, kinds in KINDS.items()
        }
        described = [control for module in _DESCRIBED for control in documented(module or "")]
        return {"controls": described, "kinds": kinds}

    def ca_pem(self) -> str:
        """Return the authority that signed the TLS port's certificate."""
        return self._authority().ca_pem

    def providers(self, document: Document) -> Document:
        """Register providers."""
        try:
            now_ms = self._world.clock.now_ms()
            return register(self._world.ledger, self._authority(), self._trust, document, now_ms)
        except BadDocument as error:
            raise ControlRefused(400, "BAD_DOCUMENT", "有字段不正确", "; ".join(error.faults)) from None

    def codes(self, document: Document) -> Document:
        """Issue a login code."""
        appid, openid = text(document, "appid"), text(document, "openid")
        if not appid or not openid:
            raise bad_request("appid and openid are needed")
        if not appid_exists(self._world.ledger, appid):
            raise ControlRefused(404, "NO_SUCH_APPID", "appid不存在", "register it by POST /_sim/providers")
        return {"code": issue_code(self._world, appid, openid)}

    def pay(self, document: Document) -> Document:
        """Act as the payer."""
        outcome = choice(document, "outcome", tuple(_RESULTS), "success")
        result: Document = {"result": _RESULTS[outcome]}
        try:
            trade, payment = self._scanned(document, outcome) or self._cashier(document, outcome)
        except CannotPay as error:
            raise ControlRefused(_status_of(error), error.code, error.message, error.detail) from None
        result |= {"mch_id": trade.mch_id, "out_trade_no": trade.out_trade_no}
        if payment is None:
            return result | {"trade_state": trade.state}
        self._notifier.wake()
        return result | {
            "trade_state": "SUCCESS",
            "transaction_id": payment.transaction_id,
            "total_fee": payment.total_fee,
            "time_end": wire_time(payment.paid_at),
        }

    def _cashier(self, document: Document, outcome: str) -> tuple[Trade, Payment | None]:
        """Pay at the cashier that a prepay id opens."""
        names = ("prepay_id", "code_url", "out_trade_no", "mch_id")
        again = flag(document, "again", default=False)
        cashier = payer.find_cashier(self._world, **{name: text(document, name) for name in names})
        if not again:
            payer.check_payable(self._world, cashier)
        params = document.get("pay_params")
        if params is not None:
            payer.check_pay_params(self._world, cashier, texts(params), text(document, "appid"))
        if outcome != "success":
            return cashier.trade, None
        return cashier.trade, payer.settle(self._world, cashier, text(document, "openid"), again=again)

    def _scanned(self, document: Document, outcome: str) -> tuple[Trade, Payment | None] | None:
        """Type the password of a MICROPAY order; None when the document names no such order."""
        number = text(document, "out_trade_no")
        if number is None or not payer.was_scanned(self._world, number, text(document, "mch_id")):
            return None
        trade = self._money.find_trade(number, text(document, "mch_id"))
        if trade.state != "USERPAYING":
            raise CannotPay(trade.state, "订单不在等待支付密码", f"the order is {trade.state}")
        payment = type_password(self._world, trade, right=outcome == "success")
        return (
            (trade, payment) if payment is not None else (self._money.find_trade(number, trade.mch_id), None)
        )

    def ledger(self, out_trade_no: str | None) -> Document:
        """Return what really happened."""
        return reports.ledger(self._world, out_trade_no)

    def faults(self) -> Document:
        """Return the faults on order."""
        return {"faults": [fault.describe() for fault in self._faults.active()]}

    def add_fault(self, document: Document) -> Document:
        """Order a fault."""
        try:
            return self._faults.add(document).describe()
        except BadFault as error:
            raise ControlRefused(400, "BAD_FAULT", "故障设置不正确", str(error)) from None

    def clear_faults(self) -> None:
        """Forget all faults."""
        self._faults.clear()
        self._notifier.wake()

    def clock(self) -> Document:
        """Return the clock."""
        return self._world.clock.describe()

    def set_clock(self, document: Document) -> Document:
        """Move the clock or change the schedule; nothing is changed unless all of it is right."""
        unknown = document.keys() - {"advance_s", "compress", "retry_gaps_s", "reset"}
        advance, factor, gaps = (document.get(name) for name in ("advance_s", "compress", "retry_gaps_s"))
        if unknown or not document:
            raise _bad_clock("give any of advance_s, compress, retry_gaps_s, reset")
        if advance is not None and not is_number(advance, 0):
            raise _bad_clock("advance_s must be a number of seconds, at least 0")
        if factor is not None and (not is_number(factor, 0) or factor == 0):
            raise _bad_clock("compress must be a number above 0")
        if gaps is not None and not (isinstance(gaps, list) and all(is_number(gap, 0) for gap in gaps)):
            raise _bad_clock("retry_gaps_s must be a list of seconds")
        clock = self._world.clock
        if document.get("reset") is True:
            clock.reset()
        if isinstance(factor, int | float):
            clock.compress(factor)
        if isinstance(gaps, list):
            clock.set_gaps_ms([int(gap * 1000) for gap in gaps])
        if isinstance(advance, int | float):
            clock.advance(advance)
        self._notifier.wake()
        return clock.describe()

    async def notify(self, out_trade_no: str, document: Document) -> Document:
        """Send a notification again."""
        copies, url, fields = document.get("copies", 1), text(document, "url"), document.get("fields", {})
        if type(copies) is not int or not 1 <= copies <= _MOST_COPIES:
            raise bad_request(f"copies must be 1 to {_MOST_COPIES}")
        if url is not None and urlsplit(url).scheme not in {"http", "https"}:
            raise bad_request("url must be absolute")
        trade = self._money.find_trade(out_trade_no, text(document, "mch_id"))
        number = text(document, "out_refund_no")
        refund = None if number is None else self._money.find_refund(number, trade.mch_id)
        try:
            attempts = await self._notifier.send_now(trade, refund, copies, url, texts(fields))
        except LookupError as nothing:
            raise ControlRefused(409, "NOTPAY", "没有可以通知的结果", str(nothing)) from None
        return {"attempts": [reports.attempt(attempt) for attempt in attempts]}


def _status_of(error: CannotPay) -> int:
    return {"BAD_REQUEST": 400, "ORDERNOTEXIST": 404}.get(error.code, 409)


def _bad_clock(detail: str) -> ControlRefused:
    return ControlRefused(400, "BAD_CLOCK", "时钟设置不正确", detail)
