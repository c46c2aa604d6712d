"""What can come of a call or a message, as facts. None of them knows HTTP answers of ours."""

from __future__ import annotations

from typing import Literal

from wechatpay.call import CallRecord

SignatureFault = Literal[
    "missing_header",
    "signature_type",
    "stale_timestamp",
    "unknown_serial",
    "probe",
    "bad_signature",
]
"""Why a message of API v3 is not believed to be WeChat's (wechatpay-v3 1.3, 1.4)."""


class WechatPayError(Exception):
    """Base of everything this package raises about a call; `call` is its record once there is one."""

    def __init__(self, message: str) -> None:
        super().__init__(message)
        self.call: CallRecord | None = None


class NotSent(WechatPayError):
    """Not one byte of the request left: repeating it at once is safe (failure catalogue G01)."""

    def __init__(self, reason: str) -> None:
        super().__init__(f"not sent: {reason}")
        self.reason = reason


class UnknownOutcome(WechatPayError):
    """The request may have taken effect. Ask again with the same number; never with a new one.

    `reason` is a short token: "timeout", "cut", "http_502", "oversized", "malformed", "SYSTEMERROR" ...
    Source: failure catalogue T2, G02-G05, G08.
    """

    def __init__(self, reason: str) -> None:
        super().__init__(f"outcome unknown: {reason}")
        self.reason = reason


class BadAnswerSignature(UnknownOutcome):
    """An answer that claims success and is not signed as it must be: nothing in it may be believed.

    For an answer of API v3 `fault` says what is wrong, and `serial` which key it names: one that is unknown
    here may be a new certificate of WeChat's.
    """

    def __init__(self, fault: SignatureFault = "bad_signature", serial: str | None = None) -> None:
        super().__init__("bad_signature")
        self.fault = fault
        self.serial = serial


class EchoMismatch(UnknownOutcome):
    """A signed answer about somebody or something else than what was asked (G05, G13)."""

    def __init__(self, field: str) -> None:
        super().__init__("echo_mismatch")
        self.field = field


class Refused(WechatPayError):
    """WeChat said no.

    `code` is its `err_code`, or "FAIL" at the return level, where only a text exists. `level` is
    "return" (unsigned) or "result" (signed). A refusal by API v3 is unsigned by protocol and comes from a
    host that TLS vouches for; one with a code counts as "result", and `code` is in v2's spelling.
    `definitive` is true only for a refusal at the result level that is listed as final in explain*.toml;
    everything else must be settled by a query (rule P5).
    """

    def __init__(
        self, code: str, message: str, level: Literal["return", "result"], *, definitive: bool
    ) -> None:
        super().__init__(f"refused at {level} level: {code}")
        self.code = code
        self.message = message
        self.level = level
        self.definitive = definitive


class InvalidRequest(WechatPayError, ValueError):
    """A value that WeChat would refuse, found before anything was sent. Texts in both languages."""

    def __init__(self, field: str, zh: str, en: str) -> None:
        super().__init__(f"{field}: {en}")
        self.field = field
        self.zh = zh
        self.en = en


class BadField(ValueError):
    """A field of a message that is missing or not in its form. Holds the name, never the value."""

    def __init__(self, field: str) -> None:
        super().__init__(f"{field}: missing or malformed")
        self.field = field


def incomplete(error: BadField, call: CallRecord) -> UnknownOutcome:
    """What to raise for a signed answer that lacks something it must have."""
    outcome = UnknownOutcome(f"answer_without_{error.field}")
    outcome.call = call
    return outcome


NotificationFault = (
    Literal[
        "too_large",
        "not_utf8",
        "doctype",
        "malformed",
        "duplicate_field",
        "return_fail",
        "missing_sign",
        "missing_field",
        "sign_type_mismatch",
        "bad_signature",
        "undecryptable",
    ]
    | SignatureFault
)
"""Why a notification is not believed; stable tokens for journals and metrics."""


class NotificationRejected(WechatPayError):
    """A notification that must not change anything. `field` names the culprit when there is one.

    `serial` is the key that a message of API v3 says it was signed with, as far as it can be one.
    """

    def __init__(
        self, reason: NotificationFault, field: str | None = None, *, serial: str | None = None
    ) -> None:
        super().__init__(f"notification rejected: {reason}" + (f" ({field})" if field else ""))
        self.reason = reason
        self.field = field
        self.serial = serial
