"""Bills and their lines as the rest of the program sees them: immutable values, no session behind them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

from spcore.db.scope import ProviderScope
from spcore.providers.profile import ProviderProfile
from sptenants.bills.models import Bill, BillLine
from sptenants.bills.states import BillState
from wechatpay.bills import Account, BillKind, BillWanted, HashCheck, Rate
from wechatpay.identifiers import SubMchId


@dataclass(frozen=True, slots=True)
class BillRecord:
    """One bill of one Beijing day. `tenant_id` and `sub_mch_id` are None for a provider's whole bill.

    `edition` is the file that counts, `loaded_edition` the one whose lines are in the tables: lines are read
    by `(id, loaded_edition)` and never by the id alone. `problem` may stand beside a file that was fetched
    before: it says why there is no newer one, or what does not fit in it. `summary` has `told` (the bill's
    own summary line) and `counted` (the sums of its lines), each by the names of `TradeSummary` or
    `FundSummary`, and for a plain merchant's fund bill `payments`; None before the lines are loaded.
    """

    id: str
    provider: ProviderProfile
    tenant_id: str | None
    tenant_name: str | None
    day: date
    kind: BillKind
    account: Account | None
    sub_mch_id: str | None
    requested_by: str
    api_version: str | None
    state: BillState
    problem: str | None
    problem_facts: Mapping[str, Any] | None
    attempts: int
    next_at: datetime | None
    edition: int
    loaded_edition: int
    empty: bool
    size: int
    sha1: str | None
    sha1_told: str | None
    hash_check: HashCheck | None
    lines: int
    columns: Sequence[str]
    unknown_columns: Sequence[str]
    summary: Mapping[str, Any] | None
    read_lines: int
    read_offset: int
    matched_to: str | None
    asked_at: datetime | None
    downloaded_at: datetime | None
    matched_at: datetime | None
    created_at: datetime
    updated_at: datetime

    @classmethod
    def of(cls, row: Bill, provider: ProviderProfile, tenant_name: str | None) -> BillRecord:
        return cls(
            id=row.id,
            provider=provider,
            tenant_id=row.tenant_id,
            tenant_name=tenant_name,
            day=row.bill_date,
            kind=BillKind(row.kind),
            account=Account(row.account) if row.account else None,
            sub_mch_id=row.sub_mch_id or None,
            requested_by=row.requested_by,
            api_version=row.api_version,
            state=BillState(row.state),
            problem=row.problem,
            problem_facts=row.problem_facts,
            attempts=row.attempts,
            next_at=row.next_at,
            edition=row.edition,
            loaded_edition=row.loaded_edition,
            empty=row.empty,
            size=row.size,
            sha1=row.sha1,
            sha1_told=row.sha1_told,
            hash_check=HashCheck(row.hash_check) if row.hash_check else None,
            lines=row.lines,
            columns=tuple(row.columns or ()),
            unknown_columns=tuple(row.unknown_columns or ()),
            summary=row.summary,
            read_lines=row.read_lines,
            read_offset=row.read_offset,
            matched_to=row.matched_to,
            asked_at=row.asked_at,
            downloaded_at=row.downloaded_at,
            matched_at=row.matched_at,
            created_at=row.created_at,
            updated_at=row.updated_at,
        )

    @property
    def provider_id(self) -> str:
        return self.provider.id

    @property
    def scope(self) -> ProviderScope:
        """In which everything of this bill is written."""
        return ProviderScope(self.provider.id)

    @property
    def wanted(self) -> BillWanted:
        """What WeChat is asked for."""
        sub_mch_id = None if self.sub_mch_id is None else SubMchId(self.sub_mch_id)
        return BillWanted(self.day, self.kind, self.account, sub_mch_id)

    @property
    def is_loaded(self) -> bool:
        """Say whether all lines of the file that counts are in the tables."""
        return self.edition > 0 and self.loaded_edition == self.edition


@dataclass(frozen=True, slots=True)
class LineRecord:
    """One stored line of a trade bill: `wechatpay.bills.TradeLine` with its bill and owner. Amounts are fen,
    `fee` thousandths of one. `tenant_id` is None for a number that is nobody's here."""

    bill_id: str
    number: int
    tenant_id: str | None
    day: date
    at: datetime
    mch_id: str
    sub_mch_id: str | None
    transaction_id: str | None
    out_trade_no: str
    trade_type: str
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
    rate: Rate | None
    extra: Mapping[str, Any]

    @classmethod
    def of(cls, row: BillLine) -> LineRecord:
        return cls(
            bill_id=row.bill_id,
            number=row.number,
            tenant_id=row.tenant_id,
            day=row.bill_date,
            at=row.at,
            mch_id=row.mch_id,
            sub_mch_id=row.sub_mch_id,
            transaction_id=row.transaction_id,
            out_trade_no=row.out_trade_no,
            trade_type=row.trade_type,
            state=row.state,
            currency=row.currency,
            total=row.total,
            settled=row.settled,
            refund_id=row.refund_id,
            out_refund_no=row.out_refund_no,
            refund_amount=row.refund_amount,
            refund_applied=row.refund_applied,
            refund_state=row.refund_state,
            fee=row.fee,
            rate=None if row.rate is None else Rate(row.rate),
            extra=row.extra,
        )

    @property
    def is_refund(self) -> bool:
        return self.out_refund_no is not None or self.refund_id is not None


@dataclass(frozen=True, slots=True)
class DayOfBills:
    """A Beijing day with its bills: the whole bills of a provider first."""

    day: date
    bills: Sequence[BillRecord]

    @property
    def id(self) -> str:
        """What the cursor of a page of days is made of."""
        return self.day.isoformat()


@dataclass(frozen=True, slots=True)
class BillFilter:
    """Which bills a list shows; None does not narrow. Both days are included."""

    first_day: date | None = None
    last_day: date | None = None
    provider_id: str | None = None
    kind: BillKind | None = None
    state: BillState | None = None
