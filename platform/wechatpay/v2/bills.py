"""Bills by API v2: downloadbill and downloadfundflow.

The answer is a file, or XML when there is none; its first bytes say which, and neither is signed. No hash is
told, so that a file counts when it is whole. Source: wechatpay-v2 4.8, 4.9.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from types import MappingProxyType
from typing import Protocol

from wechatpay import mutual_tls
from wechatpay.bill_file import BillFile, Unvouched, failed, nothing_happened
from wechatpay.bills import (
    Account,
    BillAsker,
    BillKind,
    BillProblem,
    BillUnavailable,
    BillWanted,
    Fetched,
    HashCheck,
    Sink,
)
from wechatpay.call import CallRecord, Stopwatch, answered, safe_message
from wechatpay.credentials import ClientCertificate, InvalidCredentials, V2Key
from wechatpay.errors import NotSent, UnknownOutcome, WechatPayError
from wechatpay.reading import Limits
from wechatpay.transport import Streamed, StreamLine
from wechatpay.v2 import envelope, exchange, signing

_BOM = b"\xef\xbb\xbf"
_ENOUGH = 16
"""Bytes by which XML and a bill are told apart."""
_HEADERS = MappingProxyType({"Content-Type": "text/xml; charset=utf-8"})
_ACCOUNTS = {Account.BASIC: "Basic", Account.OPERATION: "Operation", Account.FEES: "Fees"}
_PROBLEMS = {
    "20007": BillProblem.NO_PERMISSION,
    "NOAUTH": BillProblem.NO_PERMISSION,
    "BILL_CREATING": BillProblem.NOT_READY,
    "FREQUENCY_LIMITED": BillProblem.THROTTLED,
    "FREQUENCE_LIMITED": BillProblem.THROTTLED,
    "20003": BillProblem.UNREACHABLE,
    "100": BillProblem.UNREACHABLE,
    "20100": BillProblem.UNREACHABLE,
    "SYSTEMERROR": BillProblem.UNREACHABLE,
}
_TOLD_IN_WORDS = {
    "bill creating": BillProblem.NOT_READY,
    "bill_date": BillProblem.TOO_OLD,
    "system error": BillProblem.UNREACHABLE,
    "sub_mch_id": BillProblem.NO_PERMISSION,
    "受理关系": BillProblem.NO_PERMISSION,
}
_NOTHING_HAPPENED = ("no bill exist", "no_bill_exist", "账单不存在")


class SecureStreams(Protocol):
    """Connections that show a client certificate and bring files."""

    async def streams_for_certificate(self, certificate: ClientCertificate) -> StreamLine:
        """The line that shows `certificate`. Raises as v2.gateway.SecureLines.for_certificate."""
        ...


@dataclass(frozen=True, slots=True)
class _Question:
    """What is asked: the operation as records and explain_bills.toml call it, its path, its own fields."""

    operation: str
    path: str
    fields: Mapping[str, str] = field(repr=False)


class V2Bills:
    """See BillGateway. Trade bills go over `line`, fund bills over `secure`.

    Where WeChat told no code, the record of a failed call has our own short token in its place.
    """

    def __init__(
        self,
        line: StreamLine,
        secure: SecureStreams,
        limits: Limits = Limits(),  # noqa: B008 (immutable)
    ) -> None:
        self._line = line
        self._secure = secure
        self._limits = limits

    async def fetch(self, asker: BillAsker, wanted: BillWanted, sink: Sink) -> Fetched:
        """downloadbill or downloadfundflow. See BillGateway.fetch.

        Raises InvalidCredentials for an asker without an API v2 key.
        """
        if wanted.kind is BillKind.FUND and (wanted.sub_mch_id or wanted.account not in _ACCOUNTS):
            raise BillUnavailable(BillProblem.NOT_OFFERED)
        question, watch = _question(asker, wanted), Stopwatch()
        body = _signed_body(asker, question)
        call = CallRecord(question.operation, question.path, http_status=None, elapsed_ms=0)
        text = Unvouched(wanted.kind, sink)
        file = BillFile(text)
        try:
            line = self._line if wanted.kind is BillKind.TRADE else await self._showing_certificate(asker)
            async with line.stream(
                "POST", question.path, body, headers=_HEADERS, limits=self._limits
            ) as streamed:
                call = answered(call, streamed.head.status, streamed.head.headers)
                told = await _read(streamed, file)
            if told is not None:
                call = _with_codes(call, told)
                _check_refusal(call)
                return nothing_happened(watch.stop(call))
            await file.finish()
            text.check_end()
        except (WechatPayError, BillUnavailable) as error:
            raise failed(error, watch.stop(call), begun=file.size > 0) from error
        return Fetched(
            empty=False,
            size=file.size,
            sha1=file.sha1,
            told=None,
            check=HashCheck.UNTOLD,
            call=watch.stop(call),
        )

    async def _showing_certificate(self, asker: BillAsker) -> StreamLine:
        """The connections of the asker's certificate; another provider's is not even tried (F09)."""
        certificate = asker.certificate
        if certificate is None:
            raise NotSent("no_certificate")
        try:
            if mutual_tls.owner_of(certificate.cert_pem) != asker.mch_id.text:
                raise NotSent("foreign_certificate")
            return await self._secure.streams_for_certificate(certificate)
        except mutual_tls.UnusableCertificate:
            raise NotSent("unusable_certificate") from None


def _question(asker: BillAsker, wanted: BillWanted) -> _Question:
    fields = {
        "appid": asker.appid.text,
        "mch_id": asker.mch_id.text,
        "bill_date": f"{wanted.day:%Y%m%d}",
        "tar_type": "GZIP",
    }
    if wanted.account is not None:
        fields["account_type"] = _ACCOUNTS[wanted.account]
        return _Question("downloadfundflow", "/pay/downloadfundflow", fields)
    if wanted.sub_mch_id is not None:
        fields["sub_mch_id"] = wanted.sub_mch_id.text
    return _Question("downloadbill", "/pay/downloadbill", {**fields, "bill_type": "ALL"})


def _signed_body(asker: BillAsker, question: _Question) -> bytes:
    if not isinstance(asker.key, V2Key):
        raise InvalidCredentials("key", "an API v2 call is signed with an API v2 key")
    # Either bill takes one signature type alone, whatever the provider's orders are signed with.
    sign_type = signing.accepted(question.path, asker.sign_type)
    return exchange.signed_body(question.path, question.fields, asker.key, sign_type)


async def _read(streamed: Streamed, file: BillFile) -> dict[str, str] | None:
    """Take the file in; return the fields of the XML that came in its place, None when none did."""
    if streamed.head.status != 200:
        raise UnknownOutcome(f"http_{streamed.head.status}")
    head, pieces = b"", streamed.pieces
    async for piece in pieces:
        head += piece
        if len(head) >= _ENOUGH:
            break
    if not head.removeprefix(_BOM).lstrip().startswith(b"<"):
        await file.take(head)
        async for piece in pieces:
            await file.take(piece)
        return None
    async for piece in pieces:
        head += piece
        if len(head) > envelope.MAX_BYTES:
            break
    try:
        return envelope.parse(head)
    except envelope.MalformedXml:
        raise UnknownOutcome("malformed") from None


def _with_codes(call: CallRecord, told: Mapping[str, str]) -> CallRecord:
    """`error_code` is what a trade bill calls it, where the answers of every other call have `err_code`."""
    code = told.get("error_code") or told.get("err_code", "")
    message = told.get("err_code_des") or told.get("return_msg", "")
    return replace(
        call,
        return_code=safe_message(told.get("return_code", "")) or None,
        result_code=safe_message(told.get("result_code", "")) or None,
        err_code=safe_message(code) or None,
        err_message=safe_message(message) or None,
    )


def _check_refusal(call: CallRecord) -> None:
    """Return only for the refusal that says that nothing happened that day.

    One number stands for several things, so that the text decides where WeChat has one (wechatpay-v2 4.8).
    """
    if "FAIL" not in (call.return_code, call.result_code):
        raise UnknownOutcome("malformed")
    code, words = call.err_code or "", (call.err_message or "").casefold()
    if any(text in words or text == code.casefold() for text in _NOTHING_HAPPENED):
        return
    for text, problem in _TOLD_IN_WORDS.items():
        if text in words:
            raise BillUnavailable(problem)
    raise BillUnavailable(_PROBLEMS.get(code, BillProblem.REFUSED))
