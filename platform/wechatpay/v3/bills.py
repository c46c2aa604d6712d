"""Bills by API v3: an address is asked for, then the file is fetched from there.

The address comes in a signed answer and lives five minutes; the file is unsigned by protocol and counts by
the hash that came with its address. Source: wechatpay-v3 5.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from types import MappingProxyType

import httpx

from wechatpay.bill_file import BillFile, failed, nothing_happened
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
from wechatpay.call import CallRecord, Stopwatch, answered
from wechatpay.credentials import InvalidCredentials, V3Key
from wechatpay.errors import BadField, Refused, WechatPayError, incomplete
from wechatpay.reading import Limits
from wechatpay.transport import JsonLine, StreamLine
from wechatpay.v3 import aead, exchange, oaep
from wechatpay.v3.auth import MerchantAuth
from wechatpay.v3.exchange import Question, Signer
from wechatpay.v3.fields import Fields
from wechatpay.v3.platform_keys import PlatformKey

TRADE, FUND, SUB_FUND = "v3.tradebill", "v3.fundflowbill", "v3.sub_fundflowbill"
DOWNLOAD = "v3.billdownload"
"""The operations, as records, metrics and explain_bills.toml call them."""

_HEADERS = MappingProxyType({"Accept": "*/*"})
_HASH = re.compile(r"[0-9A-Fa-f]{40}")
_ADDRESS = re.compile(r"https?://[0-9A-Za-z.\-:\[\]]+(/[!-\"$-~]{1,2000})")
_STALE = 400
_TOO_MANY = 429
_MAX_PARTS = 1000
_OF_THE_REQUEST = frozenset({"INVALID_REQUEST", "PARAM_ERROR"})
_OF_THE_NUMBER = re.compile(r"(?i)sub_?mch_?id|商户|受理关系")
_NO_STATEMENT = "NO_STATEMENT_EXIST"
_PROBLEMS = {
    "STATEMENT_CREATING": BillProblem.NOT_READY,
    "INVALID_REQUEST": BillProblem.TOO_OLD,
    "PARAM_ERROR": BillProblem.TOO_OLD,
    "NO_AUTH": BillProblem.NO_PERMISSION,
    "NOAUTH": BillProblem.NO_PERMISSION,
    "FREQUENCY_LIMITED": BillProblem.THROTTLED,
    "RATELIMIT_EXCEEDED": BillProblem.THROTTLED,
    "RATELIMIT_EXCEED": BillProblem.THROTTLED,
    "FREQUENCY_LIMIT_EXCEED": BillProblem.THROTTLED,
}


@dataclass(frozen=True, slots=True)
class _Part:
    """One file of a bill: where it is, its SHA-1 in lower-case hex, and what opens it, if it is encrypted."""

    target: str
    told: str
    sealing: tuple[bytes, bytes] | None = field(default=None, repr=False)
    """Key and nonce."""


@dataclass(slots=True)
class _Fetching:
    """One bill on its way."""

    signer: Signer
    question: Question
    file: BillFile
    parts: tuple[_Part, ...] = ()
    call: CallRecord = field(init=False)
    """The question about the address, as far as it got."""

    def __post_init__(self) -> None:
        self.call = self.question.record


@dataclass(frozen=True, slots=True)
class _Hashes:
    """SHA-1 of one part, as it came and as it was after decrypting."""

    came: str
    plain: str


class V3Bills:
    """See BillGateway. Questions go over `line`, files come over `files` and only from the gateway's own
    `hosts`: an address elsewhere is refused, whoever signed it.

    `now` and `noted` as for V3Gateway. Where WeChat told no code, the record of a failed call has our own
    short token in its place.
    """

    def __init__(
        self,
        line: JsonLine,
        files: StreamLine,
        hosts: Sequence[str],
        *,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
        noted: Callable[[V3Key, PlatformKey], None] = lambda _own, _theirs: None,
        limits: Limits = Limits(),  # noqa: B008 (immutable)
    ) -> None:
        self._line = line
        self._files = files
        self._hosts = tuple(httpx.URL(host) for host in hosts)
        self._now = now
        self._noted = noted
        self._limits = limits

    async def fetch(self, asker: BillAsker, wanted: BillWanted, sink: Sink) -> Fetched:
        """Ask for the address, then download. See BillGateway.fetch.

        Raises InvalidCredentials for an asker without an API certificate.
        """
        if wanted.account is Account.DEPOSIT and wanted.sub_mch_id is None:
            raise BillUnavailable(BillProblem.NOT_OFFERED)
        if not isinstance(asker.key, V3Key):
            raise InvalidCredentials("key", "an API v3 call is signed with an API certificate's key")
        fetching = _Fetching(Signer(asker.mch_id, asker.key, self._now), _question(wanted), BillFile(sink))
        watch = Stopwatch()
        try:
            check = await self._fetch(fetching)
        except Refused as refusal:
            call = watch.stop(refusal.call or fetching.call)
            if call.err_code == _NO_STATEMENT:
                return nothing_happened(call)
            raise BillUnavailable(_problem(call), call) from refusal
        except (WechatPayError, BillUnavailable) as error:
            call = watch.stop(error.call or fetching.call)
            begun, of_file = fetching.file.size > 0, bool(fetching.parts)
            raise failed(error, call, begun=begun, of_file=of_file) from error
        file = fetching.file
        told = " ".join(part.told for part in fetching.parts)
        return Fetched(
            empty=False,
            size=file.size,
            sha1=file.sha1,
            told=told,
            check=check,
            call=watch.stop(fetching.call),
        )

    async def _fetch(self, fetching: _Fetching) -> HashCheck:
        await self._find(fetching)
        hashes: list[_Hashes] = []
        renewed = False
        while len(hashes) < len(fetching.parts):
            try:
                hashes.append(await self._take(fetching, fetching.parts[len(hashes)]))
                renewed = False
            except Refused as refusal:
                if renewed or refusal.call is None or refusal.call.http_status != _STALE:
                    raise
                # An address lives five minutes, and parts before this one may have taken them.
                await self._find_again(fetching, len(hashes))
                renewed = True
        await fetching.file.finish()
        return _checked(fetching, hashes)

    async def _find(self, fetching: _Fetching) -> None:
        """Ask where the bill is."""
        answer = await exchange.ask(self._line, fetching.signer, fetching.question)
        self._noted(fetching.signer.key, answer.key)
        fetching.call = answer.call
        try:
            fetching.parts = self._parts(Fields(answer.fields), fetching)
        except BadField as error:
            raise incomplete(error, answer.call) from None

    async def _find_again(self, fetching: _Fetching, taken: int) -> None:
        before = fetching.parts
        await self._find(fetching)
        told = [part.told for part in fetching.parts]
        if len(told) != len(before) or told[:taken] != [part.told for part in before[:taken]]:
            raise BillUnavailable(BillProblem.INCOMPLETE)

    def _parts(self, fields: Fields, fetching: _Fetching) -> tuple[_Part, ...]:
        if fetching.question.operation != SUB_FUND:
            return (self._part(fields, fetching.call),)
        entries = fields.sections("download_bill_list")
        if not 1 <= len(entries) <= _MAX_PARTS or len(entries) != fields.number("download_bill_count"):
            raise fields.bad("download_bill_count")
        in_order = {entry.required("bill_sequence", entry.number): entry for entry in entries}
        if len(in_order) < len(entries):
            raise fields.bad("download_bill_list.bill_sequence")
        return tuple(
            replace(self._part(entry, fetching.call), sealing=_sealing(entry, fetching))
            for _sequence, entry in sorted(in_order.items())
        )

    def _part(self, fields: Fields, call: CallRecord) -> _Part:
        told = fields.required("hash_value", fields.text)
        if fields.text("hash_type") != "SHA1" or _HASH.fullmatch(told) is None:
            raise fields.bad("hash_value")
        target = self._own_target(fields.required("download_url", fields.text))
        if target is None:
            raise BillUnavailable(BillProblem.REFUSED, replace(call, err_code="foreign_address"))
        return _Part(target, told.lower())

    def _own_target(self, address: str) -> str | None:
        """Path and query of an address of the gateway's own, as they stand there; None for any other."""
        parts = _ADDRESS.fullmatch(address)
        if parts is None:
            return None
        try:
            told = httpx.URL(address)
        except httpx.InvalidURL:
            return None
        target = parts[1]
        for own in self._hosts:
            within = own.path.rstrip("/")
            same = (told.scheme, told.netloc) == (own.scheme, own.netloc)
            if same and target.startswith(f"{within}/"):
                return target.removeprefix(within)
        return None

    async def _take(self, fetching: _Fetching, part: _Part) -> _Hashes:
        """Download one part into the file."""
        call = CallRecord(DOWNLOAD, part.target.partition("?")[0], http_status=None, elapsed_ms=0)
        auth = MerchantAuth(fetching.signer.mch_id, fetching.signer.key, self._now)
        sealed = None if part.sealing is None else aead.SealedStream(*part.sealing)
        came, plain = hashlib.sha1(usedforsecurity=False), hashlib.sha1(usedforsecurity=False)
        async with self._files.stream(
            "GET", part.target, headers=_HEADERS, auth=auth, limits=self._limits
        ) as streamed:
            if streamed.head.status != 200:
                raise exchange.refusal(
                    streamed.head, answered(call, streamed.head.status, streamed.head.headers)
                )
            async for piece in streamed.pieces:
                came.update(piece)
                opened = piece if sealed is None else sealed.take(piece)
                plain.update(opened)
                await fetching.file.take(opened)
        try:
            if sealed is not None:
                sealed.finish()
        except aead.Forged:
            raise BillUnavailable(BillProblem.INCOMPLETE) from None
        return _Hashes(came.hexdigest(), plain.hexdigest())


def _question(wanted: BillWanted) -> Question:
    query = {"bill_date": wanted.day.isoformat()}
    if wanted.sub_mch_id is not None:
        query["sub_mchid"] = wanted.sub_mch_id.text
    if wanted.kind is BillKind.TRADE:
        query |= {"bill_type": "ALL", "tar_type": "GZIP"}
        return Question(TRADE, "GET", "/v3/bill/tradebill", query)
    query["account_type"] = str(wanted.account)
    if wanted.sub_mch_id is None:
        return Question(FUND, "GET", "/v3/bill/fundflowbill", {**query, "tar_type": "GZIP"})
    # Not packed: whether WeChat packs before it encrypts or after is documented nowhere.
    query["algorithm"] = aead.ALGORITHM
    return Question(SUB_FUND, "GET", "/v3/bill/sub-merchant-fundflowbill", query)


def _sealing(entry: Fields, fetching: _Fetching) -> tuple[bytes, bytes]:
    nonce = entry.required("nonce", entry.text).encode()
    key = oaep.opened(fetching.signer.key.private_key, entry.required("encrypt_key", entry.text))
    try:
        aead.SealedStream(key or b"", nonce)
    except ValueError:
        call = replace(fetching.call, err_code="undecryptable")
        raise BillUnavailable(BillProblem.INCOMPLETE, call) from None
    return key or b"", nonce


def _checked(fetching: _Fetching, hashes: Sequence[_Hashes]) -> HashCheck:
    """What the told hashes are of. Which it is for encrypted bills is documented nowhere."""
    found = HashCheck.TEXT
    for part, of in zip(fetching.parts, hashes, strict=True):
        text = fetching.file.sha1 if len(hashes) == 1 else of.plain
        if part.told == text:
            continue
        if part.told not in (of.came, of.plain):
            raise BillUnavailable(BillProblem.HASH_MISMATCH)
        found = HashCheck.FILE
    return found


def _problem(call: CallRecord) -> BillProblem:
    """What a refusal means. An address that went stale twice is as good as none."""
    if call.operation == DOWNLOAD and call.http_status == _STALE:
        return BillProblem.UNREACHABLE
    if call.http_status == _TOO_MANY:
        return BillProblem.THROTTLED
    if call.err_code in _OF_THE_REQUEST and _OF_THE_NUMBER.search(call.err_message or ""):
        return BillProblem.NO_PERMISSION
    return _PROBLEMS.get(call.err_code or "", BillProblem.REFUSED)
