"""The table of refunds: one row is one refund number at WeChat, for ever."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import CheckConstraint, ForeignKeyConstraint, Index, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from spcore.db.base import TENANT_OWNED, Model, TenantOwned
from sptenants.refunds.states import Approval, Purpose, RefundStatus

_STATUSES = ", ".join(f"'{status}'" for status in RefundStatus)
_PURPOSES = ", ".join(f"'{purpose}'" for purpose in Purpose)
_APPROVALS = ", ".join(f"'{approval}'" for approval in Approval)
_LIVE_DUPLICATE = "purpose = 'duplicate' AND status NOT IN ('rejected', 'closed')"


class Refund(TenantOwned, Model):
    """A refund of an order, or of a second payment of it. Its number is made once and never changes (F03)."""

    __tablename__ = "refunds"
    __table_args__ = (
        ForeignKeyConstraint(["provider_id", "tenant_id"], ["tenants.provider_id", "tenants.id"]),
        ForeignKeyConstraint(["tenant_id", "order_id"], ["orders.tenant_id", "orders.id"]),
        ForeignKeyConstraint(
            ["tenant_id", "out_trade_no"], ["order_attempts.tenant_id", "order_attempts.out_trade_no"]
        ),
        UniqueConstraint("tenant_id", "merchant_refund_no"),
        UniqueConstraint("tenant_id", "out_refund_no"),
        CheckConstraint(f"status IN ({_STATUSES})", name="status"),
        CheckConstraint(f"purpose IN ({_PURPOSES})", name="purpose"),
        CheckConstraint(f"approval IN ({_APPROVALS})", name="approval"),
        CheckConstraint("source IN ('api_key', 'console', 'policy', 'wechat')", name="source"),
        CheckConstraint("amount BETWEEN 1 AND 999999999 AND amount <= total", name="amount"),
        CheckConstraint("(status = 'succeeded') = (succeeded_at IS NOT NULL)", name="success_has_its_time"),
        CheckConstraint("approval <> 'waiting' OR status = 'requested'", name="waits_before_it_is_sent"),
        CheckConstraint(
            "status IN ('succeeded', 'rejected', 'closed') OR approval = 'waiting'"
            " OR next_check_at IS NOT NULL",
            name="open_has_its_next_look",
        ),
        # Numbers found at WeChat were made by others, and are theirs to keep apart.
        Index(
            "uq_refunds_our_numbers",
            "out_refund_no",
            unique=True,
            postgresql_where="source <> 'wechat'",
            sqlite_where="source <> 'wechat'",
        ),
        Index(
            "uq_refunds_one_in_flight",
            "tenant_id",
            "transaction_id",
            unique=True,
            postgresql_where="status = 'submitting'",
            sqlite_where="status = 'submitting'",
        ),
        Index(
            "uq_refunds_one_duplicate",
            "tenant_id",
            "transaction_id",
            unique=True,
            postgresql_where=_LIVE_DUPLICATE,
            sqlite_where=_LIVE_DUPLICATE,
        ),
        Index("ix_refunds_id", "id"),
        Index("ix_refunds_merchant_refund_no", "merchant_refund_no"),
        Index("ix_refunds_out_refund_no", "out_refund_no"),
        Index("ix_refunds_wechat_refund_id", "wechat_refund_id"),
        Index("ix_refunds_provider_id_id", "provider_id", "id"),
        Index("ix_refunds_provider_id_status_id", "provider_id", "status", "id"),
        Index(
            "ix_refunds_provider_id_accepted_at",
            "provider_id",
            "accepted_at",
            postgresql_where="accepted_at IS NOT NULL",
            sqlite_where="accepted_at IS NOT NULL",
        ),
        Index("ix_refunds_tenant_id_order_id", "tenant_id", "order_id"),
        Index("ix_refunds_tenant_id_status_id", "tenant_id", "status", "id"),
        Index(
            "ix_refunds_next_check_at",
            "next_check_at",
            postgresql_where="next_check_at IS NOT NULL",
            sqlite_where="next_check_at IS NOT NULL",
        ),
        {"info": TENANT_OWNED},
    )

    id: Mapped[str] = mapped_column(primary_key=True)
    order_id: Mapped[str]
    out_trade_no: Mapped[str]
    """Of the attempt that was paid: its identities, algorithm and API version are the refund's too."""
    transaction_id: Mapped[str]
    out_refund_no: Mapped[str]
    """Ours, made once; of a refund found at WeChat, the number it has there."""
    merchant_refund_no: Mapped[str | None]
    amount: Mapped[int]
    """Fen, as everywhere."""
    total: Mapped[int]
    """What was paid under `transaction_id`, fen."""
    reason: Mapped[str | None]
    request: Mapped[dict[str, Any]]
    """What is sent, for byte-equal repeats under the same number (R3); empty when others sent it."""
    status: Mapped[str]
    purpose: Mapped[str]
    source: Mapped[str]
    approval: Mapped[str]
    created_by: Mapped[str]
    """Name of the key or person that asked, for the timeline."""
    created_by_id: Mapped[str | None]
    """Id of that key or person: a second person must be another one (F07)."""
    approved_by: Mapped[str | None]
    """Who approved or declined."""
    wechat_refund_id: Mapped[str | None]
    recv_account: Mapped[str | None]
    """Where the money went, in WeChat's words, such as `支付用户零钱`."""
    failure: Mapped[dict[str, Any] | None]
    """`{"api","code","message","definitive","http_status","request_id"}` of the last refusal."""
    short: Mapped[bool] = mapped_column(default=False)
    """WeChat last said NOTENOUGH: the merchant's balance does not cover it (F06)."""
    checks: Mapped[int] = mapped_column(default=0)
    """Queries answered since the current state was entered."""
    next_check_at: Mapped[datetime | None]
    """When healing looks next; None only when final, or while a second person is waited for (INV 10)."""
    asked_at: Mapped[datetime | None]
    """Last query on somebody's request; the next is due three seconds later."""
    state_since: Mapped[datetime]
    leased_by: Mapped[str | None]
    leased_until: Mapped[datetime | None]
    created_at: Mapped[datetime]
    updated_at: Mapped[datetime]
    accepted_at: Mapped[datetime | None]
    """When WeChat accepted it, or was first seen to have it."""
    succeeded_at: Mapped[datetime | None]
    """WeChat's own time of success."""
