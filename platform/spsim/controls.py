"""Everything under `/_sim/`: the tester's hands. `GET /_sim/` returns this list as JSON.

GET /_sim/
    This index, and the kinds of faults per path with their parameters.
POST /_sim/providers
    What WeChat would know: `{"providers": [...]}` in the import file's shape; per provider also
    `verification`
    (`public_key`, `certificate`, `both`) and `app_secret` (of its own appid), per tenant also
    `wechat_status` (`normal`, `restricted`, `unauthorized`); fields that WeChat would not know are ignored.
    A tenant that is named replaces its bindings. Answers `providers` (`mch_id`, `wechatpay_public_keys`,
    `platform_certificates`) and `ca_pem`. Idempotent.
GET /_sim/ca
    The certificate authority of the TLS port, PEM.
POST /_sim/codes
    `appid`, `openid` -> `code` of wx.login: one use, five minutes.
POST /_sim/pay
    One of `prepay_id`, `code_url`, `out_trade_no` (with `mch_id` when several providers have that number);
    optionally `openid` (the order's own payer when left out), `outcome` (`success`, `cancel`, `fail`), and
    `pay_params` with the `appid` of the running mini-program, to have paySign checked first. Answers
    `result`, `trade_state` and, for success, `transaction_id`, `total_fee`, `time_end`.
GET /_sim/phone/{prepay_id}
    The payer's phone as a page, with `pay_params` (and `appId`) in the query.
POST /_sim/phone/{prepay_id}
    What the page's buttons send: the same parameters as a form, and `action` (`pay`, `cancel`).
GET /_sim/ledger
    `payments`, `refunds`, `orders`, `notifications` with every attempt and its answer; `?out_trade_no=`
    filters.
GET /_sim/faults
    The faults still on order.
POST /_sim/faults
    `path`, `kind`, `times` (default 1) and the kind's own parameters. Path `notify` is the notifications we
    send. The oldest of a path comes first, one a call; `stop` holds until it is cleared.
DELETE /_sim/faults
    Clear them all; notifications that `stop` held back go out.
GET /_sim/clock
    The simulator's time and the gaps between notifications.
POST /_sim/clock
    Any of `advance_s` (moves the whole clock: orders and codes expire too), `compress` (divides the
    official gaps), `retry_gaps_s` (a list of gaps), `reset` (true).
POST /_sim/notify/{out_trade_no}
    Send a paid order's notification at once, untouched by faults; optionally `copies` (at the same time),
    `url` (elsewhere), `fields` (changed before signing), `mch_id`.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final
from urllib.parse import urlsplit

from . import payer, reports, trades
from .certificates import Authority, ClientTrust
from .clock import wire_time
from .faults import KINDS, BadFault, Faults
from .login import issue_code
from .notifier import Notifier
from .onboarding import BadDocument, register
from .payer import CannotPay
from .registry import appid_exists
from .trades import Trade
from .world import World

Document = dict[str, object]
_MOST_COPIES: Final = 1000
_RESULTS: Final = {
    "success": "requestPayment:ok",
    "cancel": "requestPayment:fail cancel",
    "fail": "requestPayment:fail 余额不足",
}


class ControlRefused(Exception):
    """A control was asked for something it cannot do; `status` is an HTTP status."""

    def __init__(self, status: int, code: str, message: str, detail: str = "") -> None:
        super().__init__(message)
        self.status = status
        self.code = code
        self.message = message
        self.detail = detail


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
    ) -> None:
        self._world = world
        self._faults = faults
        self._notifier = notifier
        self._authority = authority
        self._trust = trust

    def index(self) -> Document:
        """Return what there is to control."""
        kinds = {
            path: {kind: {name: of.__name__ for name, of in params.items()} for kind, params in kinds.items()}
            for path, kinds in KINDS.items()
        }
        return {"controls": documented(__doc__ or ""), "kinds": kinds}

    def ca_pem(self) -> str:
        """Return the authority that signed the TLS port's certificate."""
        return self._authority().ca_pem

    def providers(self, document: Document) -> Document:
        """Register providers."""
        try:
            return register(self._world.ledger, self._authority(), self._trust, document)
        except BadDocument as error:
            raise ControlRefused(400, "BAD_DOCUMENT", "有字段不正确", "; ".join(error.faults)) from None

    def codes(self, document: Document) -> Document:
        """Issue a login code."""
        appid, openid = _text(document, "appid"), _text(document, "openid")
        if not appid or not openid:
            raise ControlRefused(400, "BAD_REQUEST", "请求有误", "appid and openid are needed")
        if not appid_exists(self._world.ledger, appid):
            raise ControlRefused(404, "NO_SUCH_APPID", "appid不存在", "register it by POST /_sim/providers")
        return {"code": issue_code(self._world, appid, openid)}

    def pay(self, document: Document) -> Document:
        """Act as the payer."""
        names = ("prepay_id", "code_url", "out_trade_no", "mch_id")
        outcome = _text(document, "outcome") or "success"
        if outcome not in _RESULTS:
            raise ControlRefused(
                400, "BAD_REQUEST", "请求有误", f"outcome must be one of {', '.join(_RESULTS)}"
            )
        answer: Document = {"result": _RESULTS[outcome]}
        try:
            cashier = payer.find_cashier(self._world, **{name: _text(document, name) for name in names})
            payer.check_payable(self._world, cashier)
            params = document.get("pay_params")
            if params is not None:
                payer.check_pay_params(self._world, cashier, _texts(params), _text(document, "appid"))
            answer |= {"mch_id": cashier.trade.mch_id, "out_trade_no": cashier.trade.out_trade_no}
            if outcome != "success":
                return answer | {"trade_state": cashier.trade.state}
            payment = payer.settle(self._world, cashier, _text(document, "openid"))
        except CannotPay as error:
            raise ControlRefused(_status_of(error), error.code, error.message, error.detail) from None
        self._notifier.wake()
        return answer | {
            "trade_state": "SUCCESS",
            "transaction_id": payment.transaction_id,
            "total_fee": payment.total_fee,
            "time_end": wire_time(payment.paid_at),
        }

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
        if advance is not None and not _is_number(advance, 0):
            raise _bad_clock("advance_s must be a number of seconds, at least 0")
        if factor is not None and (not _is_number(factor, 0) or factor == 0):
            raise _bad_clock("compress must be a number above 0")
        if gaps is not None and not (isinstance(gaps, list) and all(_is_number(gap, 0) for gap in gaps)):
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
        copies, url, fields = document.get("copies", 1), _text(document, "url"), document.get("fields", {})
        if type(copies) is not int or not 1 <= copies <= _MOST_COPIES:
            raise ControlRefused(400, "BAD_REQUEST", "请求有误", f"copies must be 1 to {_MOST_COPIES}")
        if url is not None and urlsplit(url).scheme not in {"http", "https"}:
            raise ControlRefused(400, "BAD_REQUEST", "请求有误", "url must be absolute")
        trade = self._find(out_trade_no, _text(document, "mch_id"))
        try:
            attempts = await self._notifier.send_now(trade, copies, url, _texts(fields))
        except LookupError:
            raise ControlRefused(409, "NOTPAY", "订单未支付", "only paid orders are notified") from None
        return {"attempts": [reports.attempt(attempt) for attempt in attempts]}

    def _find(self, out_trade_no: str, mch_id: str | None) -> Trade:
        found = [
            t for t in trades.by_number_anywhere(self._world, out_trade_no) if mch_id in {None, t.mch_id}
        ]
        if not found:
            raise ControlRefused(404, "ORDERNOTEXIST", "订单不存在")
        if len(found) > 1:
            raise ControlRefused(
                409, "AMBIGUOUS", "请求有误", "several providers have this number: add mch_id"
            )
        return found[0]


def _status_of(error: CannotPay) -> int:
    return {"BAD_REQUEST": 400, "ORDERNOTEXIST": 404}.get(error.code, 409)


def _bad_clock(detail: str) -> ControlRefused:
    return ControlRefused(400, "BAD_CLOCK", "时钟设置不正确", detail)


def _is_number(value: object, least: float) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and least <= value < 1e9


def _text(document: Document, name: str) -> str | None:
    """Return a text value, None when absent; raises ControlRefused when it is something else."""
    value = document.get(name)
    if value is not None and not isinstance(value, str):
        raise ControlRefused(400, "BAD_REQUEST", "请求有误", f"{name} must be text")
    return value


def _texts(value: object) -> dict[str, str]:
    """Return an object whose values are all text, as the phone wants them."""
    if not isinstance(value, dict):
        raise ControlRefused(400, "BAD_REQUEST", "请求有误", "pay_params and fields must be objects")
    wrong = [str(name) for name, item in value.items() if not isinstance(item, str)]
    if wrong:
        raise ControlRefused(400, "BAD_REQUEST", "请求有误", f"must be text: {', '.join(wrong)}")
    return dict(value)


def documented(text: str) -> list[dict[str, str]]:
    """Read the module's own description: a control's method and path, then its indented explanation."""
    controls: list[dict[str, str]] = []
    for line in text.splitlines():
        if " /_sim/" in line and not line.startswith(" "):
            method, path = line.split(maxsplit=1)
            if method.isupper():
                controls.append({"method": method, "path": path, "does": ""})
        elif line.startswith(" ") and controls:
            controls[-1]["does"] = f"{controls[-1]['does']} {line.strip()}".strip()
    return controls
