"""Bills by API v2: a file or XML, told apart by the first bytes, whole or void (L02, G08)."""

from __future__ import annotations

import asyncio
import gzip
import hashlib
from collections.abc import AsyncIterator
from dataclasses import dataclass, field, replace
from datetime import date

import pytest
import xmltodict
from tests.support.bill_texts import FUND_SAMPLE, SAMPLE
from tests.support.certificates import client_certificate
from tests.support.loopback import Answering, Loopback, Received, always, http, loopback
from tests.support.v2_counterpart import SECRET, partner, signature, xml
from tests.support.v3_counterpart import own_key

from wechatpay.bills import (
    Account,
    BillAsker,
    BillKind,
    BillProblem,
    BillUnavailable,
    BillWanted,
    Fetched,
    HashCheck,
)
from wechatpay.credentials import ClientCertificate, InvalidCredentials, SignType
from wechatpay.identifiers import SubMchId
from wechatpay.reading import Limits
from wechatpay.transport import StreamLine, Transport
from wechatpay.v2.bills import V2Bills

DAY = date(2026, 11, 21)
TRADE = BillWanted(DAY, BillKind.TRADE)
FUND = BillWanted(DAY, BillKind.FUND, Account.BASIC)
PACKED = gzip.compress(SAMPLE)


@dataclass
class Streams:
    """Lets every certificate use one line, and remembers which were shown."""

    line: StreamLine
    shown: list[ClientCertificate] = field(default_factory=list)

    async def streams_for_certificate(self, certificate: ClientCertificate) -> StreamLine:
        self.shown.append(certificate)
        return self.line


@dataclass
class Desk:
    """A gateway under test and the host that it asks."""

    host: Loopback
    bills: V2Bills
    streams: Streams

    async def fetch(
        self, wanted: BillWanted = TRADE, asker: BillAsker | None = None
    ) -> tuple[Fetched, bytes]:
        text = bytearray()

        async def sink(piece: bytes) -> None:
            text.extend(piece)

        fetched = await self.bills.fetch(asker or asking(), wanted, sink)
        return fetched, bytes(text)

    async def refused(
        self, answering: Answering | bytes, wanted: BillWanted = TRADE, asker: BillAsker | None = None
    ) -> BillUnavailable:
        self.host.answering = always(answering) if isinstance(answering, bytes) else answering
        with pytest.raises(BillUnavailable) as failure:
            await self.fetch(wanted, asker)
        return failure.value

    @property
    def sent(self) -> dict[str, str]:
        fields: dict[str, str] = xmltodict.parse(self.host.received[-1].body)["xml"]
        return fields


def asking(
    sign_type: SignType = SignType.HMAC_SHA256, certificate: ClientCertificate | None = None
) -> BillAsker:
    who = partner()
    return BillAsker(who.mch_id, who.appid, who.key, sign_type, certificate)


@pytest.fixture
async def desk() -> AsyncIterator[Desk]:
    async with loopback(always(http(PACKED))) as host:
        transport = Transport(host.url)
        streams = Streams(transport)
        limits = Limits(max_bytes=1_000_000, idle_s=1.0, deadline_s=2.0)
        yield Desk(host, V2Bills(transport, streams, limits), streams)
        await transport.aclose()


@pytest.mark.parametrize(
    "body",
    [
        pytest.param(PACKED, id="gzip"),
        pytest.param(SAMPLE, id="plain although gzip was asked for"),
        pytest.param(gzip.compress(SAMPLE[:100]) + gzip.compress(SAMPLE[100:]), id="two gzip streams"),
    ],
)
async def test_a_trade_bill_comes_whole_and_unpacked(desk: Desk, body: bytes) -> None:
    desk.host.answering = always(http(body, headers=("Request-ID: 08F7",)))
    fetched, text = await desk.fetch()
    assert text == SAMPLE
    assert (fetched.empty, fetched.size, fetched.check, fetched.told) == (
        False,
        len(SAMPLE),
        HashCheck.UNTOLD,
        None,
    )
    assert fetched.sha1 == hashlib.sha1(SAMPLE, usedforsecurity=False).hexdigest()
    assert (fetched.call.operation, fetched.call.http_status) == ("downloadbill", 200)
    assert fetched.call.request_id == "08F7"


async def test_a_byte_order_mark_is_part_of_the_text(desk: Desk) -> None:
    desk.host.answering = always(http(b"\xef\xbb\xbf" + SAMPLE))
    assert (await desk.fetch())[1] == b"\xef\xbb\xbf" + SAMPLE


@pytest.mark.parametrize("sign_type", list(SignType))
async def test_C6_a_trade_bill_is_asked_for_with_md5_whatever_orders_are_signed_with(
    desk: Desk, sign_type: SignType
) -> None:
    await desk.fetch(replace(TRADE, sub_mch_id=SubMchId("1900000200")), asking(sign_type))
    sent = desk.sent
    assert sent.pop("sign") == signature(sent, SignType.MD5)
    assert sent.pop("nonce_str")
    assert sent == {
        "appid": "wx1111aaaa2222bbbb",
        "mch_id": "1900000109",
        "sub_mch_id": "1900000200",
        "bill_date": "20261121",
        "bill_type": "ALL",
        "tar_type": "GZIP",
    }
    assert desk.streams.shown == []


@pytest.mark.parametrize("sign_type", list(SignType))
async def test_a_fund_bill_shows_the_certificate_and_is_signed_by_hmac(
    desk: Desk, sign_type: SignType
) -> None:
    desk.host.answering = always(http(gzip.compress(FUND_SAMPLE)))
    certificate = client_certificate("1900000109")
    _fetched, text = await desk.fetch(FUND, asking(sign_type, certificate))
    assert text == FUND_SAMPLE
    sent = desk.sent
    assert sent["sign"] == signature(sent, SignType.HMAC_SHA256)
    assert (sent["account_type"], sent["sign_type"], sent["bill_date"]) == (
        "Basic",
        "HMAC-SHA256",
        "20261121",
    )
    assert "bill_type" not in sent
    assert desk.streams.shown == [certificate]
    assert desk.host.received[-1].target == "/pay/downloadfundflow"


async def test_F09_another_provider_s_certificate_is_not_shown(desk: Desk) -> None:
    for certificate, code in (
        (None, "no_certificate"),
        (client_certificate("1900000110"), "foreign_certificate"),
    ):
        failure = await desk.refused(http(PACKED), FUND, asking(certificate=certificate))
        assert failure.problem is BillProblem.REFUSED
        assert failure.call is not None
        assert failure.call.err_code == code
    assert desk.host.received == []


@pytest.mark.parametrize(
    "wanted",
    [
        BillWanted(DAY, BillKind.FUND, Account.BASIC, SubMchId("1900000200")),
        BillWanted(DAY, BillKind.FUND, Account.DEPOSIT),
    ],
)
async def test_what_v2_has_not_is_not_asked_for(desk: Desk, wanted: BillWanted) -> None:
    failure = await desk.refused(http(PACKED), wanted)
    assert (failure.problem, failure.call) == (BillProblem.NOT_OFFERED, None)
    assert desk.host.received == []


async def test_a_key_of_another_api_version_is_refused(desk: Desk) -> None:
    with pytest.raises(InvalidCredentials):
        await desk.fetch(asker=replace(asking(), key=own_key()))


def told(code: str, message: str, **more: str) -> bytes:
    return http(xml({"return_code": "FAIL", "return_msg": message, "error_code": code, **more}))


@pytest.mark.parametrize("message", ["No Bill Exist", "NO Bill Exist", "no bill exist "])
async def test_L02_a_day_without_trades_is_an_empty_bill(desk: Desk, message: str) -> None:
    for answer in (
        told("20002", message),
        http(b"\xef\xbb\xbf" + told("20002", message).split(b"\r\n\r\n")[1]),
    ):
        desk.host.answering = always(answer)
        fetched, text = await desk.fetch()
        assert (fetched.empty, fetched.size, fetched.sha1, text) == (True, 0, None, b"")
        assert fetched.call.err_code == "20002"


@pytest.mark.parametrize(
    ("code", "message", "problem"),
    [
        ("20002", "Bill Creating", BillProblem.NOT_READY),
        ("20001", "invalid bill_date", BillProblem.TOO_OLD),
        ("20001", "SIGN ERROR", BillProblem.REFUSED),
        ("20001", "invalid bill_type", BillProblem.REFUSED),
        ("20002", "something new", BillProblem.REFUSED),
        ("20003", "system error", BillProblem.UNREACHABLE),
        ("100", "system error", BillProblem.UNREACHABLE),
        ("20100", "CompressGZip Error", BillProblem.UNREACHABLE),
        ("20007", "", BillProblem.NO_PERMISSION),
        ("", "system error", BillProblem.UNREACHABLE),
        ("", "", BillProblem.REFUSED),
        ("FREQUENCY_LIMITED", "频率限制", BillProblem.THROTTLED),
    ],
)
async def test_L02_a_refusal_says_what_is_the_matter(
    desk: Desk, code: str, message: str, problem: BillProblem
) -> None:
    failure = await desk.refused(told(code, message))
    assert failure.problem is problem
    assert failure.call is not None
    assert (failure.call.err_code, failure.call.err_message) == (code or None, message or None)
    assert failure.call.return_code == "FAIL"


@pytest.mark.parametrize(
    ("code", "message", "problem"),
    [
        ("SYSTEMERROR", "系统错误", BillProblem.UNREACHABLE),
        ("BILL_CREATING", "账单生成中", BillProblem.NOT_READY),
        ("PARAM_ERROR", "bill_date无效", BillProblem.TOO_OLD),
        ("NOAUTH", "无权限", BillProblem.NO_PERMISSION),
        ("CERT_ERROR", "证书错误", BillProblem.REFUSED),
    ],
)
async def test_L02_a_fund_bill_s_refusal_has_its_code_elsewhere(
    desk: Desk, code: str, message: str, problem: BillProblem
) -> None:
    fields = {"return_code": "SUCCESS", "result_code": "FAIL", "err_code": code, "err_code_des": message}
    asker = asking(certificate=client_certificate("1900000109"))
    failure = await desk.refused(http(xml(fields)), FUND, asker)
    assert failure.problem is problem
    fields |= {"err_code": "NO_BILL_EXIST", "err_code_des": "账单不存在"}
    desk.host.answering = always(http(xml(fields)))
    assert (await desk.fetch(FUND, asker))[0].empty


@pytest.mark.parametrize(
    ("answer", "problem"),
    [
        pytest.param(http(b"<html>busy</html>"), BillProblem.UNREACHABLE, id="a page"),
        pytest.param(http(b"{}" * 20), BillProblem.UNREACHABLE, id="JSON"),
        pytest.param(http(gzip.compress(b"<html>busy</html>")), BillProblem.UNREACHABLE, id="a packed page"),
        pytest.param(http(xml({"return_code": "SUCCESS"})), BillProblem.UNREACHABLE, id="nothing said"),
        pytest.param(http(b"<xml>" + b"x" * 200_000), BillProblem.UNREACHABLE, id="endless XML"),
        pytest.param(http(b"", status="302 Found"), BillProblem.UNREACHABLE, id="a redirect"),
        pytest.param(http(b"", status="502 Bad"), BillProblem.UNREACHABLE, id="502"),
        pytest.param(http(b"", status="429 Slow"), BillProblem.THROTTLED, id="429"),
        pytest.param(
            http(PACKED, headers=("Content-Encoding: gzip",)), BillProblem.UNREACHABLE, id="encoded"
        ),
        pytest.param(http(b""), BillProblem.INCOMPLETE, id="nothing"),
        pytest.param(http(PACKED[:-9]), BillProblem.INCOMPLETE, id="gzip without its end"),
        pytest.param(http(PACKED[:-8] + b"00000000"), BillProblem.INCOMPLETE, id="a wrong checksum"),
        pytest.param(http(PACKED + b"more"), BillProblem.INCOMPLETE, id="more behind"),
        pytest.param(http(gzip.compress(SAMPLE[:-40])), BillProblem.INCOMPLETE, id="no summary"),
        pytest.param(http(b"x" * 1_000_001), BillProblem.TOO_LARGE, id="more than we take"),
    ],
)
async def test_G08_L02_whatever_else_comes_is_no_bill(
    desk: Desk, answer: bytes, problem: BillProblem
) -> None:
    failure = await desk.refused(answer)
    assert failure.problem is problem
    assert failure.call is not None
    assert SECRET not in repr(failure.call)


async def test_G08_a_bomb_of_two_hundred_megabytes_is_given_up_at_its_first_bytes(desk: Desk) -> None:
    taken = 0

    async def sink(piece: bytes) -> None:
        nonlocal taken
        taken += len(piece)

    desk.host.answering = always(http(gzip.compress(b"\0" * 200_000_000)))
    with pytest.raises(BillUnavailable):
        await desk.bills.fetch(asking(), TRADE, sink)
    assert taken == 0


async def test_L02_a_file_cut_at_any_byte_is_never_a_bill(desk: Desk) -> None:
    cut_at, answer = 0, http(gzip.compress(SAMPLE))

    async def cut(_request: Received, writer: asyncio.StreamWriter) -> None:
        writer.write(answer[:cut_at])
        await writer.drain()
        writer.close()

    for cut_at in range(0, len(answer), 7):  # noqa: B007 (the server above reads it)
        failure = await desk.refused(cut)
        assert failure.problem in {BillProblem.UNREACHABLE, BillProblem.INCOMPLETE}


async def test_L02_a_text_that_ends_early_is_never_a_bill(desk: Desk) -> None:
    """Without a length nor a hash only its summary says that a text is whole."""
    body = b""

    async def until_closed(_request: Received, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n" + body)
        writer.close()

    for end in range(0, SAMPLE.rindex(b",`"), 23):
        body = SAMPLE[:end]
        assert (await desk.refused(until_closed)).problem is BillProblem.INCOMPLETE, end


async def test_G06_a_drip_ends_in_time(desk: Desk) -> None:
    async def drip(_request: Received, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n")
        for byte in SAMPLE:
            writer.write(bytes([byte]))
            await writer.drain()
            await asyncio.sleep(0.02)

    failure = await desk.refused(drip)
    assert failure.problem is BillProblem.UNREACHABLE
    assert failure.call is not None
    assert failure.call.err_code == "timeout"
    assert 1900 < failure.call.elapsed_ms < 6000


async def test_a_sink_that_fails_is_not_taken_for_wechat(desk: Desk) -> None:
    async def full(_piece: bytes) -> None:
        raise OSError("the disk is full")

    with pytest.raises(OSError, match="disk is full"):
        await desk.bills.fetch(asking(), TRADE, full)
