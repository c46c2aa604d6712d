"""One signed question of API v3 and its answer, checked in the one right order.

Status, then for a success signature and identity echo; a refusal is unsigned by protocol and read as it is
(wechatpay-v3 1.1, 1.3, 1.8, 1.9; failure catalogue T2, G03-G05, G08, G13, N09).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any
from urllib.parse import urlencode

from wechatpay.call import CallRecord, Stopwatch, answered, safe_message
from wechatpay.credentials import V3Key
from wechatpay.errors import BadAnswerSignature, EchoMismatch, Refused, UnknownOutcome, WechatPayError
from wechatpay.explain import explain
from wechatpay.identifiers import MchId
from wechatpay.transport import JsonLine, RawAnswer
from wechatpay.v3 import document, verification
from wechatpay.v3.auth import MerchantAuth
from wechatpay.v3.codes import port_code
from wechatpay.v3.platform_keys import PlatformKey, PlatformKeys

_REFUND = "v3.refund"
_TOO_MANY = 429


@dataclass(frozen=True, slots=True)
class Signer:
    """Who asks, and what time it is: `mch_id` is the provider's own number or a plain merchant's."""

    mch_id: MchId
    key: V3Key
    now: Callable[[], datetime]


@dataclass(frozen=True, slots=True)
class Question:
    """What is asked: the operation's name in explain_v3.toml, method, path, query, body.

    `expected` are top-level texts that a successful answer must hold, `if_told` those it may leave out but
    not contradict. `empty`: a success is an answer without content. `encrypting_for` is the key that fields
    of the body are encrypted for.
    """

    operation: str
    method: str
    path: str
    query: Mapping[str, str] = field(default_factory=dict)
    body: Mapping[str, Any] | None = field(default=None, repr=False)
    expected: Mapping[str, str] = field(default_factory=dict)
    if_told: Mapping[str, str] = field(default_factory=dict)
    empty: bool = False
    encrypting_for: PlatformKey | None = None

    @property
    def record(self) -> CallRecord:
        """The record of a call that has not got anywhere yet."""
        return CallRecord(self.operation, self.path, http_status=None, elapsed_ms=0)

    @property
    def target(self) -> str:
        """Path and query as they are signed and sent."""
        return f"{self.path}?{urlencode(self.query)}" if self.query else self.path


@dataclass(frozen=True, slots=True)
class Answer:
    """The document of a verified answer to exactly our question; none for one without content."""

    fields: Mapping[str, Any] = field(repr=False)
    call: CallRecord
    key: PlatformKey


async def ask(line: JsonLine, signer: Signer, question: Question) -> Answer:
    """Send one signed request. Raises NotSent, UnknownOutcome, Refused, each with its `call`;
    InvalidRequest before anything was sent."""
    raw, record = await send(line, signer, question)
    try:
        key = _verified(raw, signer.key.platform, signer.now())
        record = replace(record, serial=key.serial)
        return Answer(_told(raw, question), record, key)
    except WechatPayError as error:
        error.call = record
        raise


async def send(line: JsonLine, signer: Signer, question: Question) -> tuple[RawAnswer, CallRecord]:
    """Send one signed request; return a success that nobody has verified yet. Raises as `ask`."""
    body = b"" if question.body is None else document.build(question.body)
    watch = Stopwatch()
    record = question.record
    try:
        raw = await line.send_json(
            question.method,
            question.target,
            body,
            auth=MerchantAuth(signer.mch_id, signer.key, signer.now),
            headers=_headers(signer, question),
        )
    except WechatPayError as error:
        error.call = watch.stop(record)
        raise
    record = answered(replace(record, elapsed_ms=raw.elapsed_ms), raw.status, raw.headers)
    if raw.status not in {200, 204}:
        raise refusal(raw, record)
    return raw, record


def _headers(signer: Signer, question: Question) -> dict[str, str]:
    """Which of WeChat's keys is meant: the one encrypted for, else the public key the answer is to be signed
    with; a certificate is what signs by default (wechatpay-v3 1.6)."""
    key = question.encrypting_for or signer.key.platform.preferred(signer.now())
    if key is None or (question.encrypting_for is None and not key.is_public_key):
        return {}
    return {"Wechatpay-Serial": key.serial}


def refusal(raw: RawAnswer, record: CallRecord) -> WechatPayError:
    """What an answer other than 200 and 204 means, with its record: only a readable refusal is one."""
    outcome = _refusal(raw, record.operation)
    words = safe_message(_message(raw)) or None
    outcome.call = replace(record, err_code=raw.told_code, err_message=words)
    return outcome


def _refusal(raw: RawAnswer, operation: str) -> WechatPayError:
    code = raw.told_code
    if code is None:
        return UnknownOutcome(f"http_{raw.status}")
    message = _message(raw)
    known = explain(operation, code, message)
    outcome = known.outcome if known else None
    # A refund that was refused for its frequency may have been taken on (wechatpay-v3 1.9).
    throttled = raw.status == _TOO_MANY and operation == _REFUND
    in_doubt = throttled or (raw.status >= 500 and not raw.blames_caller)
    if in_doubt or outcome == "unknown":
        return UnknownOutcome(code)
    return Refused(
        port_code(operation, code), safe_message(message), level="result", definitive=outcome == "refused"
    )


def _message(raw: RawAnswer) -> str:
    """WeChat's own words beside a code, "" without one."""
    if raw.told_code is None:
        return ""
    message = document.parse(raw.body).get("message")
    return message if isinstance(message, str) else ""


def _verified(raw: RawAnswer, keys: PlatformKeys, now: datetime) -> PlatformKey:
    try:
        return verification.verify(raw.headers, raw.body, keys, now)
    except verification.Unverified as unverified:
        raise BadAnswerSignature(unverified.reason, unverified.serial) from None


def _told(raw: RawAnswer, question: Question) -> dict[str, Any]:
    if question.empty:
        return {}
    try:
        fields = document.parse(raw.body)
    except document.MalformedJson:
        raise UnknownOutcome("malformed") from None
    for name, value in question.expected.items():
        if fields.get(name) != value:
            raise EchoMismatch(name)
    for name, value in question.if_told.items():
        if fields.get(name) not in (None, "", value):
            raise EchoMismatch(name)
    return fields
