"""The payer's phone as a page: what `wx.requestPayment` would open, without JavaScript."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from . import payer
from .notifier import Notifier
from .payer import CannotPay, Cashier
from .registry import find_sub_merchant
from .world import World

_TEMPLATES: Final = Path(__file__).parent / "templates"
SCAN: Final = "scan"
"""Stands in the place of a prepay id when the phone has scanned a code, which `code_url` then holds: whoever
orders by API v3 is told no prepay id of such an order (wechatpay-v3 2.1)."""
_NEEDS_SIGNATURE: Final = frozenset({"JSAPI", "APP"})


@dataclass(frozen=True, slots=True)
class View:
    """What the page shows. `amount` is fen; `message` says why the cashier does not open."""

    state: str
    title: str
    message: str = ""
    detail: str = ""
    merchant: str = ""
    body: str = ""
    amount: int = 0
    out_trade_no: str = ""
    transaction_id: str = ""
    action: str = ""
    back: str = ""
    params: dict[str, str] = field(default_factory=dict)


class Phone:
    """Opens the cashier of an order and does what its buttons ask."""

    def __init__(self, world: World, notifier: Notifier) -> None:
        self._world = world
        self._notifier = notifier
        self._pages = Environment(
            loader=FileSystemLoader(_TEMPLATES), autoescape=True, undefined=StrictUndefined, trim_blocks=True
        )
        self._pages.filters["yuan"] = yuan

    def open(self, prepay_id: str, params: dict[str, str]) -> View:
        """Show the cashier, or why it does not open."""
        try:
            cashier = self._checked(prepay_id, params)
            self._check_link(cashier, params)
        except CannotPay as error:
            return _refused(error)
        return self._view(cashier, "ready", "确认支付", params)

    def act(self, prepay_id: str, form: dict[str, str]) -> View:
        """Pay or cancel; everything is checked again, as the page may be old."""
        params = {name: value for name, value in form.items() if name != "action"}
        try:
            cashier = self._checked(prepay_id, params)
            if form.get("action") != "pay":
                return self._view(cashier, "cancelled", "支付已取消", params)
            payment = payer.settle(self._world, cashier, None)
        except CannotPay as error:
            return _refused(error)
        self._notifier.wake()
        return self._view(cashier, "paid", "支付成功", params, payment.transaction_id)

    def render(self, view: View) -> str:
        """Return the page as HTML."""
        return self._pages.get_template("phone.html.j2").render(view=view)

    def stylesheet(self) -> str:
        """Return the page's style sheet."""
        return (_TEMPLATES / "phone.css").read_text(encoding="utf-8")

    def _checked(self, prepay_id: str, params: dict[str, str]) -> Cashier:
        cashier = (
            payer.find_cashier(self._world, code_url=params.get("code_url"))
            if prepay_id == SCAN
            else payer.find_cashier(self._world, prepay_id=prepay_id)
        )
        if cashier.trade.get("trade_type") in _NEEDS_SIGNATURE:
            payer.check_pay_params(self._world, cashier, params)
        payer.check_payable(self._world, cashier)
        return cashier

    def _check_link(self, cashier: Cashier, params: dict[str, str]) -> None:
        """Check that an H5 link opens: it is good for five minutes (wechatpay-v2 2.6, 3.4)."""
        until = params.get("package", "")
        if cashier.trade.get("trade_type") != "MWEB":
            return
        if not until.isdigit() or self._world.clock.now_ms() >= int(until):
            raise CannotPay(
                "H5_EXPIRED", "支付链接已失效，请返回商户重新发起支付", "mweb_url opens for 5 min"
            )

    def _view(
        self, cashier: Cashier, state: str, title: str, params: dict[str, str], transaction_id: str = ""
    ) -> View:
        trade = cashier.trade
        known = find_sub_merchant(self._world.ledger, trade.mch_id, trade.get("sub_mch_id"))
        return View(
            state=state,
            title=title,
            merchant=known.name if known is not None else f"商户 {trade.mch_id}",
            body=trade.get("body"),
            amount=int(trade.get("total_fee")),
            out_trade_no=trade.out_trade_no,
            transaction_id=transaction_id,
            action=f"/_sim/phone/{cashier.prepay.prepay_id}",
            back=_web_page(params.get("redirect_url", "")),
            params=params,
        )


def _web_page(url: str) -> str:
    """Return where the payer comes back to, "" when that is no web page."""
    return url if url.startswith(("https://", "http://")) else ""


def _refused(error: CannotPay) -> View:
    return View(state="refused", title="无法支付", message=error.message, detail=error.detail)


def yuan(fen: int) -> str:
    """Write fen as yuan for people: 123456 is ¥1,234.56."""
    return f"¥{fen // 100:,}.{fen % 100:02d}"
