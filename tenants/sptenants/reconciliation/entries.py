"""What is compared, and what comes of it: lines of a bill, our rows, differences, what waits.

Values only; `matching.py` makes the findings and `repository.py` stores them.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import Any, Literal, TypeAlias

from sptenants.reconciliation.states import KIND_OF, DifferenceDetail, DifferenceKind, Suspended
from sptenants.refunds.states import RefundStatus

Kind: TypeAlias = Literal["payment", "refund"]
Key: TypeAlias = tuple[Kind, str]
"""A payment by its `out_trade_no`, or a refund by its `out_refund_no`."""

REVOKED = "REVOKED"


@dataclass(frozen=True, slots=True)
class Line:
    """What is compared of a bill's line; the fields are those of `wechatpay.bills.TradeLine`.

    `tenant_id` is whose `sub_mch_id` it is, None for nobody's here.
    """

    number: int
    tenant_id: str | None
    mch_id: str
    sub_mch_id: str | None
    transaction_id: str | None
    out_trade_no: str
    state: str
    currency: str
    total: int
    settled: int
    refund_id: str | None
    out_refund_no: str | None
    refund_amount: int
    refund_applied: int
    refund_state: str | None
    fee: int
    rate: int | None

    @property
    def is_reversal(self) -> bool:
        """A payment code's order was taken back; its payment stands in the bill as well."""
        return self.state == REVOKED

    @property
    def is_refund(self) -> bool:
        return not self.is_reversal and (self.out_refund_no is not None or self.refund_id is not None)

    @property
    def paid(self) -> int:
        """Fen that this line adds to the payments of the day; below zero for a reversal."""
        if self.is_refund:
            return 0
        if self.is_reversal:
            return -(self.total or self.refund_applied or self.refund_amount)
        return self.total

    @property
    def amount(self) -> int:
        """Fen that the line is about, without direction."""
        return self.refund_applied if self.is_refund else abs(self.paid)

    @property
    def refund_no(self) -> str:
        """A refund's number, or WeChat's where the bill has none of ours; empty for what is no refund."""
        return (self.out_refund_no or self.refund_id or "") if self.is_refund else ""


@dataclass(frozen=True, slots=True)
class OurPayment:
    """An order at WeChat as our books have it: one attempt. `amount` is fen.

    `paid_at` is WeChat's time of the payment, of a second payment too; None as long as nobody paid under
    this very number.
    """

    out_trade_no: str
    tenant_id: str
    order_id: str
    status: str
    amount: int
    transaction_id: str | None
    paid_at: datetime | None


@dataclass(frozen=True, slots=True)
class OurRefund:
    """A refund as our books have it. `amount` is fen; `accepted_at` is by our clock, thus never too early."""

    out_refund_no: str
    out_trade_no: str
    tenant_id: str
    order_id: str
    id: str
    amount: int
    status: RefundStatus
    created_at: datetime
    accepted_at: datetime | None


def mark_of(detail: DifferenceDetail, tenant_id: str | None, name: str) -> str:
    """Return what makes a difference the same one when it is found again; numbers are unique in a tenant."""
    return f"{detail}:{tenant_id or ''}:{name}"


@dataclass(frozen=True, slots=True)
class Finding:
    """One difference. Amounts are fen, of fees thousandths of a fen; None where a side has nothing."""

    detail: DifferenceDetail
    bill_date: date
    tenant_id: str | None
    name: str
    """What is different of its detail: the number, line or rate that it is about."""
    ours: int | None = None
    theirs: int | None = None
    out_trade_no: str | None = None
    out_refund_no: str | None = None
    transaction_id: str | None = None
    order_id: str | None = None
    refund_id: str | None = None
    facts: Mapping[str, Any] = field(default_factory=dict)

    @property
    def kind(self) -> DifferenceKind:
        return KIND_OF[self.detail]

    @property
    def mark(self) -> str:
        return mark_of(self.detail, self.tenant_id, self.name)


@dataclass(frozen=True, slots=True)
class Suspension:
    """A payment or refund of ours that the bill of `bill_date` has not, or not to its end.

    `ended_on` is the day of the bill that has it; None while one until `until_date` is waited for.
    """

    kind: Kind
    number: str
    out_trade_no: str
    tenant_id: str
    order_id: str
    refund_id: str | None
    bill_date: date
    until_date: date
    reason: Suspended
    amount: int
    at: datetime
    ended_on: date | None = None


@dataclass(frozen=True, slots=True)
class Matching:
    """What comparing came to.

    `reversed` are tenants and numbers whose payment an earlier bill has and this one takes back, while our
    books never had it.
    """

    findings: tuple[Finding, ...] = ()
    suspensions: tuple[Suspension, ...] = ()
    reversed: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, slots=True)
class Day:
    """Which bill is compared, and what its neighbours say.

    `elsewhere` tells of payments and refunds that other days' bills have; `loaded` are the neighbouring days
    of which there is a bill to look into.
    """

    bill_date: date
    mch_id: str
    elsewhere: Mapping[Key, Collection[date]] = field(default_factory=dict)
    loaded: frozenset[date] = frozenset()
