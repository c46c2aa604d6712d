"""Differences and daily statements as the rest of the program reads them: immutable values, no secrets."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import Any

from sptenants.reconciliation.states import (
    DifferenceDetail,
    DifferenceKind,
    DifferenceState,
    Resolution,
    StatementState,
)
from wechatpay.bills import MILLIFEN
from wechatpay.money import Fen


@dataclass(frozen=True, slots=True)
class DifferenceRecord:
    """One thing in which our books and a bill differ.

    `ours` and `theirs` are fen, of a fee thousandths of a fen; None where that side has nothing.
    `tenant_id` is None when no tenant is concerned: nobody but the service provider and the platform sees it.
    """

    id: str
    provider_id: str
    provider_name: str
    tenant_id: str | None
    tenant_name: str | None
    bill_id: str
    bill_date: date
    kind: DifferenceKind
    detail: DifferenceDetail
    mark: str
    out_trade_no: str | None
    out_refund_no: str | None
    transaction_id: str | None
    order_id: str | None
    refund_id: str | None
    ours: int | None
    theirs: int | None
    facts: Mapping[str, Any] = field(repr=False)
    cause: str | None
    """A code of `causes.CauseCode`; None before anybody has looked."""
    cause_facts: Mapping[str, Any] = field(repr=False)
    state: DifferenceState
    resolution: Resolution | None
    resolved_by: str | None
    resolved_at: datetime | None
    note: str | None
    tries: int
    next_at: datetime | None
    found_at: datetime
    updated_at: datetime

    @property
    def is_open(self) -> bool:
        return self.state is DifferenceState.OPEN

    @property
    def is_fee(self) -> bool:
        """Whether its amounts are thousandths of a fen."""
        return self.kind is DifferenceKind.FEE

    @property
    def gap(self) -> int:
        """What the bill has more than our books, in the unit of both sides; a missing side counts as 0."""
        return (self.theirs or 0) - (self.ours or 0)

    @property
    def number(self) -> str | None:
        """The number that people know it by: the refund's, else the payment's, else WeChat's."""
        return self.out_refund_no or self.out_trade_no or self.transaction_id


@dataclass(frozen=True, slots=True)
class DifferenceFilter:
    """What to show. Days are those of the bill, both included; `number` is one of the three, exactly."""

    state: DifferenceState | None = None
    kind: DifferenceKind | None = None
    tenant_id: str | None = None
    provider_id: str | None = None
    order_id: str | None = None
    number: str | None = None
    first: date | None = None
    last: date | None = None


@dataclass(frozen=True, slots=True)
class StatementRecord:
    """The day of one tenant, both sides. Amounts are fen; `bill_fee` is thousandths of a fen."""

    id: str
    provider_id: str
    provider_name: str
    tenant_id: str
    tenant_name: str
    sub_mch_id: str | None
    mode: str
    day: date
    state: StatementState
    paid_count: int
    paid_amount: Fen
    refunded_count: int
    refunded_amount: Fen
    bill_paid_count: int
    bill_paid_amount: Fen
    bill_refunded_count: int
    bill_refunded_amount: Fen
    bill_settled_amount: int
    bill_fee: int
    suspended_count: int
    suspended_amount: Fen
    differences: int
    open_differences: int
    proof: Mapping[str, Any] = field(repr=False)
    digest: str
    made_at: datetime
    updated_at: datetime

    @property
    def net(self) -> int:
        """Fen that came in by our books; below zero when more was refunded than paid."""
        return self.paid_amount.value - self.refunded_amount.value

    @property
    def bill_net(self) -> int:
        """Fen that came in by the bill."""
        return self.bill_paid_amount.value - self.bill_refunded_amount.value

    @property
    def gap(self) -> int:
        """Fen that the bill has more than our books."""
        return self.bill_net - self.net

    @property
    def to_settle(self) -> int:
        """What is left after the fee by the bill, in thousandths of a fen."""
        return self.bill_net * MILLIFEN - self.bill_fee


@dataclass(frozen=True, slots=True)
class StatementFilter:
    """What to show. Days are both included."""

    state: StatementState | None = None
    tenant_id: str | None = None
    provider_id: str | None = None
    first: date | None = None
    last: date | None = None


@dataclass(frozen=True, slots=True)
class ProviderDay:
    """A service provider's day: its tenants' statements summed up. Amounts as in StatementRecord.

    `open_differences` counts those of nobody too, which no statement has.
    """

    provider_id: str
    day: date
    statements: int = 0
    balanced: int = 0
    different: int = 0
    paid_count: int = 0
    paid_amount: int = 0
    refunded_count: int = 0
    refunded_amount: int = 0
    bill_paid_count: int = 0
    bill_paid_amount: int = 0
    bill_refunded_count: int = 0
    bill_refunded_amount: int = 0
    bill_fee: int = 0
    suspended_count: int = 0
    open_differences: int = 0

    @property
    def state(self) -> StatementState:
        """`balanced` when every statement is and no difference is open, those of nobody included."""
        if self.open_differences or self.different:
            return StatementState.DIFFERENT
        return StatementState.BALANCED if self.balanced == self.statements else StatementState.OPEN
