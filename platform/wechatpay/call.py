"""The record of one call to WeChat: what may be stored, logged and shown."""

from __future__ import annotations

import re
from dataclasses import dataclass

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
    after it are None as far as the answer did not get there; `request_id` is WeChat's own.
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


def safe_message(text: str) -> str:
    """WeChat's own words, fit for records: it quotes values of ours, so long tokens and payment codes
    are masked."""
    return _PAYMENT_CODE.sub("***", _LONG_RUN.sub("***", text))[:_MAX_MESSAGE]
