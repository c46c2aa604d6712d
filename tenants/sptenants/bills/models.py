"""Tables of bills: the bill, its file in pieces, and its lines.

`tenant_id` is None where nobody of ours owns the row: a provider's whole bill, and lines of numbers that
are no sub-merchant here. No tenant's scope ever sees those (failure catalogue L05).
"""

from __future__ import annotations

from datetime import date, datetime
from typing import Any

from sqlalchemy import BigInteger, CheckConstraint, ForeignKeyConstraint, Index, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from spcore.db.base import TENANT_OWNED, Model
from sptenants.bills.states import BillState
from wechatpay.bills import BillKind

_STATES = ", ".join(f"'{state}'" for state in BillState)
_KINDS = ", ".join(f"'{kind}'" for kind in BillKind)
_DUE = "next_at IS NOT NULL"
_DOWNLOADED = "state = 'downloaded'"


class Bill(Model):
    """One bill of one Beijing day. Fetched again, it is a new edition; the old counts until that is whole."""

    __tablename__ = "bills"
    __table_args__ = (
        ForeignKeyConstraint(["provider_id"], ["service_providers.id"]),
        ForeignKeyConstraint(["provider_id", "tenant_id"], ["tenants.provider_id", "tenants.id"]),
        UniqueConstraint("provider_id", "bill_date", "kind", "account", "sub_mch_id"),
        CheckConstraint(f"state IN ({_STATES})", name="state"),
        CheckConstraint(f"kind IN ({_KINDS})", name="kind"),
        CheckConstraint("(kind = 'fund') = (account <> '')", name="fund_has_its_account"),
        CheckConstraint("(sub_mch_id = '') = (tenant_id IS NULL)", name="sub_merchant_is_a_tenant"),
        Index("ix_bills_next_at", "next_at", postgresql_where=_DUE, sqlite_where=_DUE),
        Index("ix_bills_bill_date", "bill_date"),
        Index("ix_bills_downloaded", "bill_date", postgresql_where=_DOWNLOADED, sqlite_where=_DOWNLOADED),
        Index("ix_bills_tenant_id_bill_date", "tenant_id", "bill_date"),
        {"info": TENANT_OWNED},
    )

    id: Mapped[str] = mapped_column(primary_key=True)
    provider_id: Mapped[str]
    tenant_id: Mapped[str | None]
    bill_date: Mapped[date]
    """The day in Beijing."""
    kind: Mapped[str]
    account: Mapped[str] = mapped_column(default="")
    sub_mch_id: Mapped[str] = mapped_column(default="")
    """Empty for a bill of the whole provider."""
    requested_by: Mapped[str]
    """`schedule`, or the name of the person or command that asked."""
    api_version: Mapped[str | None]
    """By which it was last asked for."""
    state: Mapped[str] = mapped_column(default=BillState.WAITING.value)
    problem: Mapped[str | None]
    """A `BillProblem`, `malformed` or `summary_mismatch`; None when nothing is in the way."""
    problem_facts: Mapped[dict[str, Any] | None]
    """`{"code","message","http_status","request_id"}` of WeChat's refusal, or where the file is at fault."""
    attempts: Mapped[int] = mapped_column(default=0)
    """How often it was asked for since somebody wanted it."""
    next_at: Mapped[datetime | None]
    """When a worker takes the next step with it; None when there is none."""
    leased_by: Mapped[str | None]
    leased_until: Mapped[datetime | None]
    edition: Mapped[int] = mapped_column(default=0)
    """The edition that counts; 0 as long as there is none."""
    loaded_edition: Mapped[int] = mapped_column(default=0)
    """The newest edition whose lines are all in the tables."""
    empty: Mapped[bool] = mapped_column(default=False)
    """WeChat says that nothing happened that day."""
    size: Mapped[int] = mapped_column(BigInteger, default=0)
    """Bytes of text."""
    sha1: Mapped[str | None]
    sha1_told: Mapped[str | None]
    hash_check: Mapped[str | None]
    lines: Mapped[int] = mapped_column(default=0)
    columns: Mapped[list[str] | None]
    """Names in the header, as they came."""
    unknown_columns: Mapped[list[str] | None]
    summary: Mapped[dict[str, Any] | None]
    read_lines: Mapped[int] = mapped_column(default=0)
    read_offset: Mapped[int] = mapped_column(BigInteger, default=0)
    """Up to which byte of the text the lines are in the tables."""
    matched_to: Mapped[str | None]
    """Where comparing goes on when it was interrupted; None before and after."""
    asked_at: Mapped[datetime | None]
    downloaded_at: Mapped[datetime | None]
    matched_at: Mapped[datetime | None]
    created_at: Mapped[datetime]
    updated_at: Mapped[datetime]


class BillPart(Model):
    """A piece of a bill's text, gzip of its own, as downloaded."""

    __tablename__ = "bill_parts"
    __table_args__ = (
        ForeignKeyConstraint(["bill_id"], ["bills.id"], ondelete="CASCADE"),
        {"info": TENANT_OWNED},
    )

    bill_id: Mapped[str] = mapped_column(primary_key=True)
    edition: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    number: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    provider_id: Mapped[str]
    tenant_id: Mapped[str | None]
    offset: Mapped[int] = mapped_column(BigInteger)
    """Of its first byte in the text."""
    content: Mapped[bytes]


class BillLine(Model):
    """One line of a trade bill; the fields are those of `wechatpay.bills.TradeLine`."""

    __tablename__ = "bill_lines"
    __table_args__ = (
        ForeignKeyConstraint(["bill_id"], ["bills.id"], ondelete="CASCADE"),
        Index("ix_bill_lines_provider_id_bill_date_out_trade_no", "provider_id", "bill_date", "out_trade_no"),
        Index("ix_bill_lines_tenant_id_bill_date_number", "tenant_id", "bill_date", "number"),
        {"info": TENANT_OWNED},
    )

    bill_id: Mapped[str] = mapped_column(primary_key=True)
    edition: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    number: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    provider_id: Mapped[str]
    tenant_id: Mapped[str | None]
    bill_date: Mapped[date]
    at: Mapped[datetime]
    mch_id: Mapped[str]
    sub_mch_id: Mapped[str | None]
    transaction_id: Mapped[str | None]
    out_trade_no: Mapped[str]
    """Empty when the bill names none."""
    trade_type: Mapped[str]
    state: Mapped[str]
    currency: Mapped[str]
    total: Mapped[int] = mapped_column(BigInteger)
    settled: Mapped[int] = mapped_column(BigInteger)
    refund_id: Mapped[str | None]
    out_refund_no: Mapped[str | None]
    refund_amount: Mapped[int] = mapped_column(BigInteger)
    refund_applied: Mapped[int] = mapped_column(BigInteger)
    refund_state: Mapped[str | None]
    fee: Mapped[int] = mapped_column(BigInteger)
    """Thousandths of a fen."""
    rate: Mapped[int | None]
    """Millionths."""
    extra: Mapped[dict[str, Any]]
    """`appid`, `payer` (masked), `description`, and the other columns by their name in the header."""


class FundEntry(Model):
    """One line of a fund bill; the fields are those of `wechatpay.bills.FundLine`."""

    __tablename__ = "fund_entries"
    __table_args__ = (
        ForeignKeyConstraint(["bill_id"], ["bills.id"], ondelete="CASCADE"),
        Index("ix_fund_entries_provider_id_bill_date_business_no", "provider_id", "bill_date", "business_no"),
        {"info": TENANT_OWNED},
    )

    bill_id: Mapped[str] = mapped_column(primary_key=True)
    edition: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    number: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    provider_id: Mapped[str]
    tenant_id: Mapped[str | None]
    bill_date: Mapped[date]
    at: Mapped[datetime]
    business_no: Mapped[str]
    flow_no: Mapped[str]
    name: Mapped[str]
    type: Mapped[str]
    amount: Mapped[int] = mapped_column(BigInteger)
    balance: Mapped[int] = mapped_column(BigInteger)
    applicant: Mapped[str]
    note: Mapped[str]
    voucher: Mapped[str]
    extra: Mapped[dict[str, Any]]
