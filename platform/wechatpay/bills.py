"""Bills of WeChat Pay: which there are, how they are asked for, and what stands in them.

Both API versions serve the same files; one file of a provider holds the orders of both (wechatpay-v2 4.8,
4.9; wechatpay-v3 5).
"""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from datetime import date, datetime
from enum import StrEnum
from typing import Protocol, TypeAlias

from wechatpay.call import CallRecord
from wechatpay.credentials import ClientCertificate, SigningKey, SignType
from wechatpay.identifiers import AppId, MchId, SubMchId

MILLIFEN = 1000
"""Fees are written with five decimals of a yuan: thousandths of a fen."""

_RATE = re.compile(r"([0-9]{1,2})(?:\.([0-9]{1,4}))?%")


class BillKind(StrEnum):
    """`trade`: payments and refunds; `fund`: what moved on an account."""

    TRADE = "trade"
    FUND = "fund"


class Account(StrEnum):
    """Whose balance a fund bill is about. DEPOSIT exists for sub-merchants only (wechatpay-v3 5.5)."""

    BASIC = "BASIC"
    OPERATION = "OPERATION"
    FEES = "FEES"
    DEPOSIT = "DEPOSIT"


@dataclass(frozen=True, slots=True)
class BillWanted:
    """One bill of one day of Beijing time; `account` for fund bills alone.

    Without `sub_mch_id` a trade bill holds all sub-merchants of the provider, and a fund bill is about the
    provider's own account. Raises ValueError when account and kind do not go together.
    """

    day: date
    kind: BillKind
    account: Account | None = None
    sub_mch_id: SubMchId | None = None

    def __post_init__(self) -> None:
        if (self.kind is BillKind.FUND) is (self.account is None):
            raise ValueError("a fund bill names its account, a trade bill has none")


@dataclass(frozen=True, slots=True)
class BillAsker:
    """Who asks. `key` is of the API version that is asked; `certificate` is for v2's fund bill alone.

    For a sub-merchant's fund bill `key` also opens what is encrypted for our API certificate.
    """

    mch_id: MchId
    appid: AppId
    key: SigningKey = field(repr=False)
    sign_type: SignType
    certificate: ClientCertificate | None = field(default=None, repr=False)


class HashCheck(StrEnum):
    """What a told hash was found to be of. API v2 tells none."""

    TEXT = "text"
    FILE = "file"
    """Of the bytes as downloaded: undocumented, met with encrypted bills (wechatpay-v3 5.5)."""
    UNTOLD = "untold"


@dataclass(frozen=True, slots=True)
class Fetched:
    """A bill that is complete. `empty`: WeChat says that nothing happened that day, and no byte came.

    `size` counts bytes of unpacked text, `sha1` is of the same, in hex.
    """

    empty: bool
    size: int
    sha1: str | None
    told: str | None
    check: HashCheck
    call: CallRecord


class BillProblem(StrEnum):
    """Why there is no bill; the value is the word in the database and on pages."""

    NOT_READY = "not_ready"
    """WeChat is still making it: from 09:00 of the next day, safely after 10:00."""
    TOO_OLD = "too_old"
    """Before the last three months, or not a day that is over: WeChat serves no such date."""
    NO_PERMISSION = "no_permission"
    """The number is not ours, or the product permission is missing."""
    HASH_MISMATCH = "hash_mismatch"
    INCOMPLETE = "incomplete"
    """The file ended early or cannot be unpacked."""
    TOO_LARGE = "too_large"
    THROTTLED = "throttled"
    REFUSED = "refused"
    """Any other refusal; the call's record says which."""
    UNREACHABLE = "unreachable"
    """No usable answer: asked again."""
    NOT_OFFERED = "not_offered"
    """The API version has no such bill: v2 none of a sub-merchant's funds."""


class BillUnavailable(Exception):
    """There is no bill, for this reason. `call` records the question that failed, when one was sent."""

    def __init__(self, problem: BillProblem, call: CallRecord | None = None) -> None:
        super().__init__(problem.value)
        self.problem = problem
        self.call = call


Sink: TypeAlias = Callable[[bytes], Awaitable[None]]
"""Takes a bill's text as it comes, unpacked; nothing of it counts before `fetch` returned."""


class BillGateway(Protocol):
    """What the features ask of WeChat about bills."""

    async def fetch(self, asker: BillAsker, wanted: BillWanted, sink: Sink) -> Fetched:
        """Download one bill into `sink`. Raises BillUnavailable; what the sink got is void then."""
        ...


@dataclass(frozen=True, slots=True, order=True)
class Rate:
    """A fee rate in millionths: 0.60 % is 6000."""

    value: int

    @classmethod
    def parse(cls, text: str) -> Rate:
        """Read `0.60%`, as bills and people write it. Raises ValueError for anything else."""
        parts = _RATE.fullmatch(text)
        if parts is None:
            raise ValueError("a rate is written like 0.60%, with at most four decimals")
        return cls(int(parts[1]) * 10_000 + int((parts[2] or "").ljust(4, "0")))

    @property
    def text(self) -> str:
        """`0.60%`: two decimals at least, more where they are needed."""
        whole, rest = divmod(self.value, 10_000)
        return f"{whole}.{f'{rest:04d}'.rstrip('0').ljust(2, '0')}%"


@dataclass(frozen=True, slots=True)
class TradeLine:
    """One line of a trade bill. Amounts are fen; `fee` is thousandths of a fen, below zero when given back.

    `number` counts data lines from 1. `total` is 订单金额, in older layouts 总金额: compare it with the
    order, not `settled` (应结订单金额). `refund_applied` is 申请退款金额, or 退款金额 in layouts without it.
    Ids that the bill writes as `0` or leaves empty are None, and so is a `rate` that cannot be read. `payer`
    is masked. A refund's state is that of the day on which it was accepted (wechatpay-v3 5.4). `extra` has
    the columns that have no field here, unknown ones too, by their name in the header.
    """

    number: int
    at: datetime
    mch_id: str
    sub_mch_id: str | None
    appid: str
    transaction_id: str | None
    out_trade_no: str | None
    payer: str
    trade_type: str
    state: str
    """SUCCESS, REFUND or REVOKED."""
    currency: str
    total: int
    settled: int
    refund_id: str | None
    out_refund_no: str | None
    refund_amount: int
    refund_applied: int
    refund_state: str | None
    """SUCCESS, PROCESSING, FAIL or CHANGE: not the API's words."""
    fee: int
    rate: Rate | None
    description: str
    extra: Mapping[str, str]

    @property
    def is_refund(self) -> bool:
        return self.out_refund_no is not None or self.refund_id is not None


@dataclass(frozen=True, slots=True)
class FundLine:
    """One line of a fund bill. `amount` is fen, below zero when it left; `balance` is what is left."""

    number: int
    at: datetime
    business_no: str
    """微信支付业务单号: the transaction or the refund of WeChat's that it is about."""
    flow_no: str
    name: str
    type: str
    amount: int
    balance: int
    applicant: str
    note: str
    voucher: str
    extra: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class TradeSummary:
    """The summary line of a trade bill: fen, `fee` thousandths of one; None for a column that is missing."""

    lines: int
    settled: int | None
    refunded: int | None
    fee: int | None
    total: int | None
    refund_applied: int | None


@dataclass(frozen=True, slots=True)
class FundSummary:
    """The summary line of a fund bill: lines and sums in fen, by direction."""

    lines: int
    income_lines: int
    income: int
    expense_lines: int
    expense: int


class MalformedBill(Exception):
    """A bill that cannot be read; nothing of it counts. `line` is the line of the file, from 1."""

    def __init__(self, reason: str, line: int) -> None:
        super().__init__(f"{reason} (line {line})")
        self.reason = reason
        self.line = line
