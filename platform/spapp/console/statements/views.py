"""What statements and the lines of bills show, made out of the read models."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from spapp.console.frame.words import Chip
from spapp.console.frame.workplace import Workplace
from spapp.web.i18n import N_
from sptenants.bills.records import LineRecord
from sptenants.reconciliation.records import StatementRecord
from sptenants.reconciliation.states import StatementState

STATEMENT = {
    StatementState.OPEN: Chip("wait", N_("核对中")),
    StatementState.BALANCED: Chip("ok", N_("已对平")),
    StatementState.DIFFERENT: Chip("bad", N_("有差异")),
}
REVOKED = "REVOKED"
"""交易状态 of a line that takes a payment back."""
_TRADE = {
    "SUCCESS": Chip("ok", N_("支付成功")),
    "REFUND": Chip("info", N_("转入退款")),
    REVOKED: Chip("mute", N_("已撤销")),
}
_REFUND = {
    "SUCCESS": Chip("ok", N_("退款成功")),
    "PROCESSING": Chip("wait", N_("退款中")),
    "FAIL": Chip("bad", N_("退款失败")),
    "CHANGE": Chip("bad", N_("退款异常")),
}


@dataclass(frozen=True, slots=True)
class StatementView:
    """One statement, as a line of a list and as its page show it."""

    place: Workplace
    statement: StatementRecord

    @property
    def url(self) -> str | None:
        """None where the area has no page of it: the platform's people read the service provider's bill."""
        if self.place.rights.sees_provider:
            return None
        return f"{statements_url(self.place, self.statement.tenant_id)}/{self.statement.day}"

    @property
    def chip(self) -> Chip:
        return STATEMENT[self.statement.state]

    @property
    def export(self) -> str:
        """What the export of its lines is asked for with."""
        day = self.statement.day
        tenant = "" if self.place.base == "/m" else f"&tenant={self.statement.tenant_id}"
        return f"from={day}&to={day}{tenant}"


@dataclass(frozen=True, slots=True)
class LineView:
    """One line of a trade bill. Its amount is below zero when money was given back."""

    line: LineRecord

    @property
    def chip(self) -> Chip:
        """The state, in the bill's own word where it is none that is known."""
        if self._is_refund:
            return bill_refund_chip(self.line.refund_state or self.line.state)
        return bill_payment_chip(self.line.state)

    @property
    def amount(self) -> int:
        """Fen by which the line moves the day's sum: a reversal takes back what its payment brought."""
        line = self.line
        if self._is_refund:
            return -line.refund_applied
        return -(line.total or line.refund_applied or line.refund_amount) if self._is_reversal else line.total

    @property
    def number(self) -> str:
        return self.line.out_refund_no or self.line.out_trade_no or self.line.transaction_id or "—"

    @property
    def description(self) -> str:
        return str(self.line.extra.get("description", ""))

    @property
    def _is_reversal(self) -> bool:
        return self.line.state == REVOKED

    @property
    def _is_refund(self) -> bool:
        return self.line.is_refund and not self._is_reversal


def statements_url(place: Workplace, tenant_id: str) -> str:
    return "/m/bills" if place.base == "/m" else f"/console/tenants/{tenant_id}/statements"


def bill_payment_chip(state: str) -> Chip:
    """Return 交易状态 of a bill as a chip; a word that is new to us stands there as it came."""
    return _chip(_TRADE, state)


def bill_refund_chip(state: str) -> Chip:
    """Return 退款状态 of a bill, as `bill_payment_chip`."""
    return _chip(_REFUND, state)


def _chip(chips: Mapping[str, Chip], state: str) -> Chip:
    return chips.get(state) or Chip("mute", state)
