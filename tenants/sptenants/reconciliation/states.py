"""Kinds and states of what comparing finds."""

from __future__ import annotations

from enum import StrEnum


class DifferenceKind(StrEnum):
    """The six classes; `DifferenceDetail` says what exactly."""

    MISSING_HERE = "missing_here"
    """微信有我方无."""
    MISSING_THERE = "missing_there"
    """我方有微信无."""
    AMOUNT = "amount"
    STATE = "state"
    REFUND = "refund"
    FEE = "fee"


class DifferenceDetail(StrEnum):
    """What exactly differs."""

    PAYMENT_UNKNOWN = "payment_unknown"
    """A payment in the bill under a number that nobody here made or that was lost."""
    UNKNOWN_SUB_MERCHANT = "unknown_sub_merchant"
    """A line of a sub-merchant number that is no tenant of this provider's."""
    OTHER_PROVIDER = "other_provider"
    """A line of another provider's number; nothing of it is shown to a tenant (L05)."""
    OTHER_TENANT = "other_tenant"
    """The number is ours, but the bill has it under another sub-merchant."""
    REPEATED_LINE = "repeated_line"
    """The same payment or refund stands in the bill twice."""
    PAYMENT_ABSENT = "payment_absent"
    """Paid here and in no bill, its day's and the next."""
    AMOUNT = "amount"
    TRANSACTION = "transaction"
    """The same number with another transaction of WeChat's: paid twice."""
    STATE = "state"
    """Paid in the bill and not here, or reversed in the bill and paid here."""
    REFUND_UNKNOWN = "refund_unknown"
    REFUND_ABSENT = "refund_absent"
    REFUND_AMOUNT = "refund_amount"
    REFUND_STATE = "refund_state"
    FEE = "fee"
    """The fee is not what the line's own rate makes of its amount."""
    RATE = "rate"
    """The rate of a tenant's lines is not the agreed one: one difference a day and rate, not one a line."""


KIND_OF = {
    DifferenceDetail.PAYMENT_UNKNOWN: DifferenceKind.MISSING_HERE,
    DifferenceDetail.UNKNOWN_SUB_MERCHANT: DifferenceKind.MISSING_HERE,
    DifferenceDetail.OTHER_PROVIDER: DifferenceKind.MISSING_HERE,
    DifferenceDetail.OTHER_TENANT: DifferenceKind.MISSING_HERE,
    DifferenceDetail.REPEATED_LINE: DifferenceKind.MISSING_HERE,
    DifferenceDetail.PAYMENT_ABSENT: DifferenceKind.MISSING_THERE,
    DifferenceDetail.AMOUNT: DifferenceKind.AMOUNT,
    DifferenceDetail.TRANSACTION: DifferenceKind.STATE,
    DifferenceDetail.STATE: DifferenceKind.STATE,
    DifferenceDetail.REFUND_UNKNOWN: DifferenceKind.REFUND,
    DifferenceDetail.REFUND_ABSENT: DifferenceKind.REFUND,
    DifferenceDetail.REFUND_AMOUNT: DifferenceKind.REFUND,
    DifferenceDetail.REFUND_STATE: DifferenceKind.REFUND,
    DifferenceDetail.FEE: DifferenceKind.FEE,
    DifferenceDetail.RATE: DifferenceKind.FEE,
}


class DifferenceState(StrEnum):
    OPEN = "open"
    RESOLVED = "resolved"


class Resolution(StrEnum):
    """How a difference ended."""

    HEALED = "healed"
    """WeChat was asked and our books put right, or both sides found to agree."""
    NEXT_BILL = "next_bill"
    """A later bill, or a later edition of this one, has it as we have it."""
    PERSON = "person"
    """A person closed it with a note."""


class Suspended(StrEnum):
    """Why something waits for a later bill instead of being a difference."""

    MIDNIGHT = "midnight"
    """Paid or accepted so close to midnight that it may stand in the neighbouring day's bill."""
    REFUND_SETTLING = "refund_settling"
    """A refund that WeChat has accepted and nobody has seen the end of."""


class SuspenseState(StrEnum):
    WAITING = "waiting"
    CLEARED = "cleared"
    EXPIRED = "expired"
    """No later bill had it; it is a difference now."""


class StatementState(StrEnum):
    """`open` as long as comparing or healing of its day is under way."""

    OPEN = "open"
    BALANCED = "balanced"
    DIFFERENT = "different"
