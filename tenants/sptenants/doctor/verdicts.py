"""What a check comes to before it is put into words, and the calls that prove it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from spcore.errors import Text
from sptenants.doctor.findings import GENERAL, Finding
from sptenants.doctor.items import BY_CODE
from sptenants.doctor.rows import DoctorRow, Level
from wechatpay.call import CallRecord
from wechatpay.errors import WechatPayError

WHOLE = ""
"""The part of an item that is about no single binding."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """One item of one subject: all is well without `reason`, else the finding of that name.

    `part` is the id of the binding it is about, `facts` what the words need; never a secret.
    """

    code: str
    reason: str | None = None
    facts: Mapping[str, Any] = field(default_factory=dict)
    part: str = WHOLE

    @property
    def finding(self) -> Finding | None:
        return finding_of(self.code, self.reason)

    @property
    def level(self) -> Level:
        found = self.finding
        return Level.PASS if found is None else found.level


def finding_of(code: str, reason: str | None) -> Finding | None:
    """Return the finding's words; None when all is well."""
    if reason is None:
        return None
    return BY_CODE[code].findings.get(reason) or GENERAL[reason]


def row_of(
    verdict: Verdict, *, about: str | None, checked_at: datetime | None, run_id: str | None
) -> DoctorRow:
    """Put a verdict into words. `about` is the appid of its binding."""
    found = verdict.finding
    return DoctorRow(
        code=verdict.code,
        level=verdict.level,
        title=BY_CODE[verdict.code].title,
        cause=_filled(found.cause, verdict.facts) if found else None,
        repair=_filled(found.repair, verdict.facts) if found else None,
        who=found.who if found else "provider",
        checked_at=checked_at,
        evidence_id=run_id,
        binding_id=verdict.part or None,
        about=about,
    )


def _filled(text: Text, facts: Mapping[str, Any]) -> Text:
    told = _Told({name: "" if value is None else str(value) for name, value in facts.items()})
    return Text(text.zh.format_map(told).strip(), text.en.format_map(told).strip())


class _Told(dict[str, str]):
    """Facts by name; one that an older release did not write down is left out of the sentence."""

    def __missing__(self, _name: str) -> str:
        return "–"


@dataclass(slots=True)
class Calls:
    """The evidence of a run: every call it made, as far as it may be kept."""

    made: list[dict[str, Any]] = field(default_factory=list)

    def note(self, call: CallRecord | None, error: WechatPayError | None = None, part: str = WHOLE) -> None:
        if call is None:
            return
        kept = {
            "operation": call.operation,
            "http_status": call.http_status,
            "return_code": call.return_code,
            "err_code": call.err_code,
            "message": call.err_message,
            "request_id": call.request_id,
            "elapsed_ms": call.elapsed_ms,
            "error": getattr(error, "reason", None),
            "binding_id": part or None,
        }
        self.made.append({name: value for name, value in kept.items() if value is not None})
