"""One signed question and its answer, checked in the one right order.

HTTP and XML, `return_code`, signature, identity echo, `result_code`: only what passed all of them
is handed on (wechatpay-v2 1.1; failure catalogue T2, C1, C2, G03-G05, G08, G13).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from wechatpay.call import CallRecord, Stopwatch, answered, safe_message
from wechatpay.credentials import Credentials, SignType, V2Key
from wechatpay.errors import (
    BadAnswerSignature,
    EchoMismatch,
    InvalidRequest,
    Refused,
    UnknownOutcome,
    WechatPayError,
)
from wechatpay.explain import explain
from wechatpay.transport import Line, RawAnswer
from wechatpay.v2 import envelope, signing

_IDENTITY = ("appid", "mch_id", "sub_mch_id", "sub_appid")
RETURN_FAIL = "FAIL"


@dataclass(frozen=True, slots=True)
class Question:
    """What is asked: the operation's name in explain.toml, its path, its own fields.

    `echoed` names those of the fields that the answer repeats and that must then be equal;
    `expected` are values of a successful answer that were not sent under that name. `deadline_s`
    (seconds) and `repeatable` are those of Line.post_xml. `max_elements` bounds the answer.
    """

    operation: str
    path: str
    fields: Mapping[str, str] = field(repr=False)
    echoed: tuple[str, ...] = ()
    expected: Mapping[str, str] = field(default_factory=dict)
    deadline_s: float | None = None
    repeatable: bool = True
    max_elements: int = envelope.MAX_ELEMENTS

    @property
    def record(self) -> CallRecord:
        """The record of a call that has not got anywhere yet."""
        return CallRecord(self.operation, self.path, http_status=None, elapsed_ms=0)


@dataclass(frozen=True, slots=True)
class Answer:
    """The fields of a signed SUCCESS/SUCCESS answer to exactly our question."""

    fields: Mapping[str, str] = field(repr=False)
    call: CallRecord


async def ask(line: Line, credentials: Credentials, question: Question) -> Answer:
    """Send one signed request. Raises NotSent, UnknownOutcome, Refused, each with its `call`;
    InvalidRequest before anything was sent."""
    sent = {**question.fields, **credentials.identity()}
    body = signed_body(question.path, sent, credentials.v2_key, credentials.sign_type)
    watch = Stopwatch()
    record = question.record
    try:
        raw = await line.post_xml(
            question.path, body, deadline_s=question.deadline_s, repeatable=question.repeatable
        )
    except WechatPayError as error:
        error.call = watch.stop(record)
        raise
    record = answered(replace(record, elapsed_ms=raw.elapsed_ms), raw.status, raw.headers)
    try:
        fields = _readable(raw, question.max_elements)
        record = _with_codes(record, fields)
        _check_return_code(fields)
        _check_signature(fields, credentials)
        _check_echo(fields, {**sent, **question.expected}, (*question.echoed, *question.expected))
        _check_result_code(fields, question.operation)
    except WechatPayError as error:
        error.call = record
        raise
    return Answer(fields, record)


def signed_body(path: str, fields: Mapping[str, str], key: V2Key, sign_type: SignType) -> bytes:
    """The body of one request. Raises InvalidRequest for what cannot be sent or signed."""
    try:
        return envelope.build(signing.signed(path, fields, key, sign_type))
    except envelope.UnsendableValue as error:
        raise InvalidRequest(
            error.field, "含有微信不接受的字符", "holds characters that WeChat does not take"
        ) from None
    except signing.SignTypeNotAllowed as error:
        raise InvalidRequest(
            "sign_type", f"该接口不支持 {error.sign_type.value}", f"{path} does not take this signature type"
        ) from None


def _readable(raw: RawAnswer, max_elements: int) -> dict[str, str]:
    if raw.status != 200:
        raise UnknownOutcome(f"http_{raw.status}")
    try:
        return envelope.parse(raw.body, max_elements=max_elements)
    except envelope.MalformedXml:
        raise UnknownOutcome("malformed") from None


def _with_codes(record: CallRecord, fields: Mapping[str, str]) -> CallRecord:
    message = fields.get("err_code_des") or fields.get("return_msg", "")
    return replace(
        record,
        return_code=safe_message(fields.get("return_code", "")) or None,
        result_code=safe_message(fields.get("result_code", "")) or None,
        err_code=safe_message(fields.get("err_code", "")) or None,
        err_message=None if message == "OK" else safe_message(message) or None,
    )


def _check_return_code(fields: Mapping[str, str]) -> None:
    code = fields.get("return_code")
    if code == "FAIL":
        # Unsigned, so anybody on the way could have said it: never definitive (rule P5).
        raise Refused(
            RETURN_FAIL, safe_message(fields.get("return_msg", "")), level="return", definitive=False
        )
    if code != "SUCCESS":
        raise UnknownOutcome("malformed")


def _check_signature(fields: Mapping[str, str], credentials: Credentials) -> None:
    claimed = fields.get("sign_type")
    if claimed and claimed != credentials.sign_type.value:
        raise BadAnswerSignature
    if not signing.verify(fields, credentials.v2_key, credentials.sign_type):
        raise BadAnswerSignature


def _check_echo(fields: Mapping[str, str], sent: Mapping[str, str], echoed: tuple[str, ...]) -> None:
    """Compare whatever the answer says about us with what we sent.

    `appid` and `mch_id` are in every signed answer; the rest must be in a successful one. A
    `sub_appid` may come back unasked (wechatpay-v2 2.3), or be left out.
    """
    must_be_there = {"appid", "mch_id"}
    if fields.get("result_code") == "SUCCESS":
        must_be_there |= {"sub_mch_id", *echoed} & sent.keys()
    for name in (*_IDENTITY, *echoed):
        received = fields.get(name) or None
        if received is None and name not in must_be_there:
            continue
        if name == "sub_appid" and name not in sent and "sub_mch_id" in sent:
            continue
        if received != sent.get(name):
            raise EchoMismatch(name)


def _check_result_code(fields: Mapping[str, str], operation: str) -> None:
    result, code = fields.get("result_code"), fields.get("err_code", "")
    if result == "SUCCESS":
        return
    if result != "FAIL" or not code:
        raise UnknownOutcome("malformed")
    message = fields.get("err_code_des", "")
    known = explain(operation, code, message)
    outcome = known.outcome if known else None
    if outcome == "unknown":
        raise UnknownOutcome(code)
    raise Refused(code, safe_message(message), level="result", definitive=outcome == "refused")
