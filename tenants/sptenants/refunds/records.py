"""Refunds as the rest of the program reads them: immutable values, no secrets."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from spcore.db.scope import TenantScope
from sptenants.refunds.models import Refund
from sptenants.refunds.states import FINAL, Approval, Purpose, RefundStatus
from wechatpay.money import Fen


@dataclass(frozen=True, slots=True)
class RefundRecord:
    """One refund. Amounts are fen, times aware UTC; `mode` is its provider's (`test` or `live`)."""

    id: str
    provider_id: str
    tenant_id: str
    mode: str
    order_id: str
    out_trade_no: str
    transaction_id: str
    out_refund_no: str
    merchant_refund_no: str | None
    amount: Fen
    total: Fen
    reason: str | None
    request: dict[str, Any] = field(repr=False)
    status: RefundStatus
    purpose: Purpose
    source: str
    approval: Approval
    created_by: str
    created_by_id: str | None
    approved_by: str | None
    wechat_refund_id: str | None
    recv_account: str | None
    failure: dict[str, Any] | None
    short: bool
    checks: int
    next_check_at: datetime | None
    asked_at: datetime | None
    state_since: datetime
    leased_by: str | None
    leased_until: datetime | None
    created_at: datetime
    updated_at: datetime
    accepted_at: datetime | None
    succeeded_at: datetime | None

    @classmethod
    def of(cls, row: Refund, mode: str) -> RefundRecord:
        return cls(
            id=row.id,
            provider_id=row.provider_id,
            tenant_id=row.tenant_id,
            mode=mode,
            order_id=row.order_id,
            out_trade_no=row.out_trade_no,
            transaction_id=row.transaction_id,
            out_refund_no=row.out_refund_no,
            merchant_refund_no=row.merchant_refund_no,
            amount=Fen(row.amount),
            total=Fen(row.total),
            reason=row.reason,
            request=row.request,
            status=RefundStatus(row.status),
            purpose=Purpose(row.purpose),
            source=row.source,
            approval=Approval(row.approval),
            created_by=row.created_by,
            created_by_id=row.created_by_id,
            approved_by=row.approved_by,
            wechat_refund_id=row.wechat_refund_id,
            recv_account=row.recv_account,
            failure=row.failure,
            short=row.short,
            checks=row.checks,
            next_check_at=row.next_check_at,
            asked_at=row.asked_at,
            state_since=row.state_since,
            leased_by=row.leased_by,
            leased_until=row.leased_until,
            created_at=row.created_at,
            updated_at=row.updated_at,
            accepted_at=row.accepted_at,
            succeeded_at=row.succeeded_at,
        )

    @property
    def scope(self) -> TenantScope:
        return TenantScope(self.provider_id, self.tenant_id)

    @property
    def is_final(self) -> bool:
        return self.status in FINAL

    def is_running(self, now: datetime) -> bool:
        """Whether somebody is at work on it at this moment (its lease holds)."""
        return self.leased_until is not None and self.leased_until > now
