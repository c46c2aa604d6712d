"""The record of one call to WeChat: what may be stored, logged and shown."""

from __future__ import annotations

import re
import time
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

# Signatures, keys, openids and session keys are long unbroken runs; order numbers of WeChat are
# digits only and useful to an operator.
_LONG_RUN = re.compile(r"(?![0-9]+(?![0-9A-Za-z_+/=-]))[0-9A-Za-z_+/=-]{26,}")
_PAYMENT_CODE = re.compile(r"(?<![0-9A-Za-z])1[0-5][0-9]{16}(?![0-9A-Za-z])")
_MAX_MESSAGE = 256


@dataclass(frozen=True, slots=True)
class CallRecord:
    """One call and what came of it. Holds no key, no signature, no openid and no payment
    code.

    `elapsed_ms` is wall time in milliseconds over all hosts tried. `http_status` and the fields
    after it are None as far as the answer did not get there; `request_id` is WeChat's own, and
    `server_time` what its host says the time is. `serial` is the key of WeChat's that an answer of
    API v3 was verified with.
    """

    operation: str
    url_path: str
    http_status: int | None
    elapsed_ms: int
    request_id: str | None = None
    return_code: str | None = None
    result_code: str | None = None
    err_code: str | None = None
    err_message: str | None = None
    server_time: datetime | None = None
    serial: str | None = None


class Stopwatch:
    """Wall time of one call, from when this was made."""

    def __init__(self) -> None:
        self._started = time.monotonic()

    def stop(self, call: CallRecord) -> CallRecord:
        """The record with the time that has gone by."""
        return replace(call, elapsed_ms=round((time.monotonic() - self._started) * 1000))


def answered(call: CallRecord, status: int, headers: Mapping[str, str]) -> CallRecord:
    """The record with what the head of an answer says; header names are lower case."""
    return replace(
        call,
        http_status=status,
        request_id=safe_message(headers.get("request-id", "")) or None,
        server_time=time_told(headers.get("date")),
    )


def time_told(date_header: str | None) -> datetime | None:
    """Read an HTTP `Date`; None when there is none, or none that can be read."""
    try:
        told = parsedate_to_datetime(date_header) if date_header else None
    except ValueError:
        return None
    return told.astimezone(UTC) if told is not None and told.tzinfo is not None else None


def safe_message(text: str) -> str:
    """WeChat's own words, fit for records: it quotes values of ours, so long tokens and payment codes
    are masked."""
    return _PAYMENT_CODE.sub("***", _LONG_RUN.sub("***", text))[:_MAX_MESSAGE]
