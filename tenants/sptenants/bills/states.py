"""Where a bill stands, and who reads which (console-and-api-design section 6)."""

from __future__ import annotations

from enum import StrEnum

from wechatpay.bills import BillProblem


class BillState(StrEnum):
    """A bill on its way: `downloaded` is complete and checked, but not compared yet."""

    WAITING = "waiting"
    DOWNLOADED = "downloaded"
    BALANCED = "balanced"
    DIFFERENT = "different"
    FAILED = "failed"


TAKEN = (BillState.DOWNLOADED, BillState.BALANCED, BillState.DIFFERENT)
"""States in which a file is there."""


class OwnProblem(StrEnum):
    """What is in a bill's way beside what WeChat says; the value is the word in the database and on pages."""

    MALFORMED = "malformed"
    """The file cannot be read; its lines count for nothing."""
    SUMMARY_MISMATCH = "summary_mismatch"
    """The bill's own summary line is not the sum of its lines."""
    BALANCE_MISMATCH = "balance_mismatch"
    """In a fund bill a line does not go on from the balance of the one before."""
    PROVIDER_NOT_READY = "provider_not_ready"
    """The provider lacks the key or certificate that asking for this bill needs."""


Problem = BillProblem | OwnProblem


def problem_of(word: str | None) -> Problem | None:
    """Return the problem that is stored as `word`."""
    if word is None:
        return None
    return OwnProblem(word) if word in frozenset(OwnProblem) else BillProblem(word)
