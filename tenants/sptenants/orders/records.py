"""Orders and attempts as the rest of the program reads them: immutable values, no secrets."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Literal

from sptenants.orders.models import Attempt, Order
from sptenants.orders.states import OPEN, AttemptState, OrderStatus
from sptenants.orders.versions import API_V3
from wechatpay.gateway import TradeType
from wechatpay.money import Fen
from wechatpay.pay_params import Cashier

RefundStatus = Literal["none", "partial", "full"]
PaidBy = Literal["notify", "query"]

_CASHIERS: dict[str, Cashier] = {
    "miniprogram": "miniprogram",
    "official_account": "official_account",
    "app": "app",
}

UNCLEAR_AFTER = timedelta(seconds=60)
"""An order whose creation at WeChat is unknown for longer than this needs a person's look."""


@dataclass(frozen=True, slots=True)
class OrderRecord:
    """One order. Amounts are fen, times aware UTC; `mode` is its provider's (`test` or `live`)."""

    id: str
    provider_id: str
    tenant_id: str
    mode: str
    merchant_order_no: str
    out_trade_no: str | None
    transaction_id: str | None
    status: OrderStatus
    anomaly: str | None
    amount: Fen
    refunded_amount: Fen
    refunding_amount: Fen
    currency: str
    description: str
    trade_type: str
    sub_appid: str | None
    openid: str | None = field(repr=False)
    source: str
    created_by: str
    attach: str | None
    metadata: dict[str, Any]
    profit_sharing: bool
    fingerprint: str = field(repr=False)
    fingerprints: dict[str, Any] = field(repr=False)
    created_at: datetime
    updated_at: datetime
    expires_at: datetime
    paid_at: datetime | None
    paid_by: PaidBy | None
    close_requested_at: datetime | None
    closed_at: datetime | None
    failure: dict[str, Any] | None
    event_sequence: int
    next_check_at: datetime | None
    checks: int
    state_since: datetime
    asked_at: datetime | None
    leased_by: str | None
    leased_until: datetime | None
    silence_due_at: datetime | None = None

    @classmethod
    def of(cls, row: Order, mode: str) -> OrderRecord:
        return cls(
            id=row.id,
            provider_id=row.provider_id,
            tenant_id=row.tenant_id,
            mode=mode,
            merchant_order_no=row.merchant_order_no,
            out_trade_no=row.out_trade_no,
            transaction_id=row.transaction_id,
            status=OrderStatus(row.status),
            anomaly=row.anomaly,
            amount=Fen(row.amount),
            refunded_amount=Fen(row.refunded_amount),
            refunding_amount=Fen(row.refunding_amount),
            currency=row.currency,
            description=row.description,
            trade_type=row.trade_type,
            sub_appid=row.sub_appid,
            openid=row.openid,
            source=row.source,
            created_by=row.created_by,
            attach=row.attach,
            metadata=row.details,
            profit_sharing=row.profit_sharing,
            fingerprint=row.fingerprint,
            fingerprints=row.fingerprints,
            created_at=row.created_at,
            updated_at=row.updated_at,
            expires_at=row.expires_at,
            paid_at=row.paid_at,
            paid_by="notify" if row.paid_by == "notify" else "query" if row.paid_by == "query" else None,
            close_requested_at=row.close_requested_at,
            closed_at=row.closed_at,
            failure=row.failure,
            event_sequence=row.event_sequence,
            next_check_at=row.next_check_at,
            checks=row.checks,
            state_since=row.state_since,
            asked_at=row.asked_at,
            leased_by=row.leased_by,
            leased_until=row.leased_until,
            silence_due_at=row.silence_due_at,
        )

    @property
    def refund_status(self) -> RefundStatus:
        """Derived beside the state: a refunded order stays `paid` (console-and-api-design section 6)."""
        if self.refunded_amount.value == 0:
            return "none"
        return "full" if self.refunded_amount == self.amount else "partial"

    @property
    def is_open(self) -> bool:
        return self.status in OPEN

    def is_running(self, now: datetime) -> bool:
        """Whether another call is at work on this order at this moment (its lease holds)."""
        return self.leased_until is not None and self.leased_until > now

    def is_payable(self, now: datetime) -> bool:
        """Whether payment parameters may still be handed out: pending, in time, no close asked for."""
        return (
            self.status is OrderStatus.PENDING and now < self.expires_at and self.close_requested_at is None
        )

    def needs_attention(self, now: datetime) -> bool:
        """Whether it belongs under 需处理: money and intent differ, or creation is unknown for too long."""
        if self.anomaly is not None:
            return True
        return self.status is OrderStatus.SUBMITTING and now - self.state_since > UNCLEAR_AFTER

    @property
    def by_code(self) -> bool:
        """Whether a payment code pays it: then it is reversed where others are closed (wechatpay-v2 4.2)."""
        return self.trade_type == TradeType.MICROPAY


@dataclass(frozen=True, slots=True)
class AttemptRecord:
    """One order at WeChat, with the identities and versions it was made with."""

    out_trade_no: str
    order_id: str
    number: int
    state: AttemptState
    amount: Fen
    trade_type: str
    api_version: str
    sign_type: str
    key_version: int
    kind: str
    mch_id: str
    appid: str
    sub_mch_id: str | None
    sub_appid: str | None
    request: dict[str, Any] = field(repr=False)
    prepay_id: str | None
    prepay_at: datetime | None
    code_url: str | None
    h5_url: str | None
    cashier: Cashier | None
    absent_since: datetime | None
    repeats: int
    transaction_id: str | None
    created_at: datetime

    @classmethod
    def of(cls, row: Attempt) -> AttemptRecord:
        return cls(
            out_trade_no=row.out_trade_no,
            order_id=row.order_id,
            number=row.number,
            state=AttemptState(row.state),
            amount=Fen(row.amount),
            trade_type=row.trade_type,
            api_version=row.api_version,
            sign_type=row.sign_type,
            key_version=row.key_version,
            kind=row.kind,
            mch_id=row.mch_id,
            appid=row.appid,
            sub_mch_id=row.sub_mch_id,
            sub_appid=row.sub_appid,
            request=row.request,
            prepay_id=row.prepay_id,
            prepay_at=row.prepay_at,
            code_url=row.code_url,
            h5_url=row.h5_url,
            cashier=_CASHIERS[row.cashier] if row.cashier else None,
            absent_since=row.absent_since,
            repeats=row.repeats,
            transaction_id=row.transaction_id,
            created_at=row.created_at,
        )

    @property
    def by_code(self) -> bool:
        """Whether a payment code pays it; see `OrderRecord.by_code`."""
        return self.trade_type == TradeType.MICROPAY

    @property
    def cashier_sign_type(self) -> str:
        """How payment parameters of it are signed: `sign_type` is v2's, v3 has one way (wechatpay-v3 2.4)."""
        return "RSA" if self.api_version == API_V3 else self.sign_type


def mask_openid(openid: str | None) -> str | None:
    """Return the first five and last four characters; a short one is hidden whole (section 7)."""
    if openid is None:
        return None
    return f"{openid[:5]}****{openid[-4:]}" if len(openid) >= 14 else "****"
