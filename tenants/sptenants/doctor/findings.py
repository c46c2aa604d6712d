"""What may be found about each item: how bad it is, why, who acts and how, in both languages."""

from __future__ import annotations

from dataclasses import dataclass

from spcore.errors import Text
from sptenants.doctor.rows import Level

FAIL, WARN, UNCHECKED = Level.FAIL, Level.WARN, Level.UNCHECKED
SOON_DAYS = 30
SKEW_WARN_S, SKEW_FAIL_S = 60, 300
SLOW_MS = 2_000


@dataclass(frozen=True, slots=True)
class Finding:
    """One answer other than "all is well"."""

    level: Level
    who: str
    cause: Text
    repair: Text


def finding(level: Level, who: str, cause: tuple[str, str], repair: tuple[str, str]) -> Finding:
    return Finding(level, who, Text(*cause), Text(*repair))


ASKED_LATER = finding(
    UNCHECKED,
    "provider",
    ("还没有检查。", "Not checked yet."),
    ("运行一次体检。", "Run the doctor."),
)
HELD_UP = finding(
    UNCHECKED,
    "provider",
    ("前面的检查没有通过，因此没有询问微信。", "WeChat was not asked, for a check before this one failed."),
    ("先处理前面未通过的项目，再重新检查。", "Settle what failed above, then check again."),
)
NO_SUBJECT = finding(
    UNCHECKED,
    "provider",
    ("还没有特约商户，无法向微信询问。", "There is no sub-merchant yet to ask WeChat about."),
    ("接入第一个特约商户后重新检查。", "Onboard the first sub-merchant, then check again."),
)
GENERAL = {"asked_later": ASKED_LATER, "held_up": HELD_UP, "no_subject": NO_SUBJECT}
"""Findings that any item may have."""
