"""Bills by API v3: an address in a signed answer, a file that counts by its hash (L02, G08)."""

from __future__ import annotations

import asyncio
import base64
import gzip
import hashlib
import json
from collections.abc import AsyncIterator, Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import date
from typing import Any

import pytest
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from tests.support.bill_texts import FUND_SAMPLE, SAMPLE
from tests.support.loopback import Loopback, Received, always, http, loopback
from tests.support.v2_counterpart import partner as v2_partner
from tests.support.v3_counterpart import (
    CERTIFICATE_SERIAL,
    NOW,
    VECTORS,
    Asked,
    ours,
    own_key,
    partner,
    read_request,
    signed_headers,
)

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
from wechatpay.credentials import InvalidCredentials, SignType
from wechatpay.errors import BadAnswerSignature
from wechatpay.identifiers import SubMchId
from wechatpay.reading import Limits
from wechatpay.transport import Transport
from wechatpay.v3.bills import V3Bills

DAY = date(2026, 11, 20)
TRADE = BillWanted(DAY, BillKind.TRADE)
FUND = BillWanted(DAY, BillKind.FUND, Account.OPERATION)
SUB_FUND = BillWanted(DAY, BillKind.FUND, Account.DEPOSIT, SubMchId("1900000200"))
NONCE, KEY = VECTORS["K"]["nonce"], VECTORS["K"]["key"]
TEXT: bytes = VECTORS["J"]["text"].encode()


def sha1(content: bytes) -> str:
    return hashlib.sha1(content, usedforsecurity=False).hexdigest()


def sealed(content: bytes, key: bytes = KEY.encode()) -> bytes:
    return AESGCM(key).encrypt(NONCE.encode(), content, b"")


def sealed_key(key: bytes = KEY.encode()) -> str:
    oaep = padding.OAEP(padding.MGF1(hashes.SHA1()), hashes.SHA1(), None)
    return base64.b64encode(ours().public_key().encrypt(key, oaep)).decode()


Answer = tuple[int, bytes]


@dataclass
class Desk:
    """The gateway: what it says about addresses, and the files by their token."""

    host: Loopback
    files: dict[str, bytes] = field(default_factory=dict)
    told: dict[str, Any] = field(default_factory=dict)
    refusal: tuple[int, str, str] | None = None
    asked: list[Asked] = field(default_factory=list)
    downloads: list[Asked] = field(default_factory=list)
    on_download: Callable[[str], Answer | None] = lambda _token: None
    unsigned: bool = False

    async def __call__(self, request: Received, writer: asyncio.StreamWriter) -> None:
        asked = read_request(request)
        if asked.target.startswith("/v3/billdownload/file?token="):
            self.downloads.append(asked)
            token = asked.target.partition("token=")[2]
            status, body = self.on_download(token) or (200, self.files[token])
            writer.write(http(body, status=f"{status} X", headers=("Request-ID: 08DD",)))
            return
        self.asked.append(asked)
        if self.refusal is not None:
            status, code, message = self.refusal
            writer.write(http(_json({"code": code, "message": message}), status=f"{status} X"))
            return
        body = _json(self.told)
        told = {} if self.unsigned else signed_headers(body, serial=CERTIFICATE_SERIAL)
        headers = tuple(f"{name}: {value}" for name, value in told.items())
        writer.write(http(body, headers=(*headers, "Request-ID: 08F7")))

    def serves(self, text: bytes, *, packed: bool = True, **changes: Any) -> None:
        """Have a bill whose hash is of its text."""
        self.files["t1"] = gzip.compress(text) if packed else text
        self.told = {**self.address("t1", sha1(text)), **changes}

    def serves_parts(self, *parts: bytes, hash_of: Callable[[bytes, bytes], str] | None = None) -> None:
        """Have a bill of a sub-merchant, in encrypted parts."""
        entries = []
        for number, part in enumerate(parts, 1):
            content = sealed(part)
            self.files[f"p{number}"] = content
            told = sha1(part) if hash_of is None else hash_of(part, content)
            entry = {**self.address(f"p{number}", told), "bill_sequence": number}
            entries.append({**entry, "encrypt_key": sealed_key(), "nonce": NONCE})
        self.told = {"download_bill_count": len(parts), "download_bill_list": entries[::-1]}

    def address(self, token: str, told: str) -> dict[str, Any]:
        url = f"{self.host.url}/v3/billdownload/file?token={token}"
        return {"hash_type": "SHA1", "hash_value": told, "download_url": url}


def _json(document: Mapping[str, Any]) -> bytes:
    return json.dumps(document, ensure_ascii=False).encode()


@dataclass
class Customer:
    bills: V3Bills

    async def fetch(self, wanted: BillWanted = TRADE) -> tuple[Fetched, bytes]:
        text = bytearray()

        async def sink(piece: bytes) -> None:
            text.extend(piece)

        fetched = await self.bills.fetch(asking(), wanted, sink)
        return fetched, bytes(text)

    async def refused(self, wanted: BillWanted = TRADE) -> BillUnavailable:
        with pytest.raises(BillUnavailable) as failure:
            await self.fetch(wanted)
        return failure.value


def asking() -> BillAsker:
    who = partner()
    return BillAsker(who.mch_id, who.appid, own_key(), SignType.HMAC_SHA256)


@pytest.fixture
async def desk() -> AsyncIterator[Desk]:
    async with loopback(always(b"")) as host:
        desk = Desk(host)
        host.answering = desk
        yield desk


@pytest.fixture
async def customer(desk: Desk) -> AsyncIterator[Customer]:
    transport = Transport(desk.host.url, read_timeout=1.0, deadline_s=2.0)
    limits = Limits(max_bytes=1_000_000, idle_s=1.0, deadline_s=2.0)
    yield Customer(V3Bills(transport, transport, transport.hosts, now=lambda: NOW, limits=limits))
    await transport.aclose()


async def test_J_the_hash_of_the_vector_is_that_of_the_unpacked_text(desk: Desk, customer: Customer) -> None:
    desk.files["t1"] = base64.b64decode(VECTORS["J"]["gzip"])
    desk.told = desk.address("t1", VECTORS["J"]["sha1"].upper())
    fetched, text = await customer.fetch()
    assert text == TEXT
    assert (fetched.sha1, fetched.told, fetched.check) == (
        VECTORS["J"]["sha1"],
        VECTORS["J"]["sha1"],
        HashCheck.TEXT,
    )
    assert (fetched.empty, fetched.size) == (False, len(TEXT))
    assert (fetched.call.operation, fetched.call.serial) == ("v3.tradebill", CERTIFICATE_SERIAL)
    assert fetched.call.request_id == "08F7"


async def test_both_requests_are_signed_and_the_file_is_not_verified(desk: Desk, customer: Customer) -> None:
    desk.serves(SAMPLE)
    await customer.fetch(replace(TRADE, sub_mch_id=SubMchId("1900000200")))
    assert [asked.target for asked in desk.asked] == [
        "/v3/bill/tradebill?bill_date=2026-11-20&sub_mchid=1900000200&bill_type=ALL&tar_type=GZIP"
    ]
    assert [asked.target for asked in desk.downloads] == ["/v3/billdownload/file?token=t1"]
    nonces = {asked.authorization["nonce_str"] for asked in (*desk.asked, *desk.downloads)}
    assert len(nonces) == 2


async def test_the_provider_s_own_fund_bill(desk: Desk, customer: Customer) -> None:
    desk.serves(FUND_SAMPLE, packed=False)
    fetched, text = await customer.fetch(FUND)
    assert text == FUND_SAMPLE
    assert fetched.call.operation == "v3.fundflowbill"
    assert desk.asked[0].target == (
        "/v3/bill/fundflowbill?bill_date=2026-11-20&account_type=OPERATION&tar_type=GZIP"
    )


async def test_K_a_sub_merchant_s_bill_is_opened_with_its_own_key(desk: Desk, customer: Customer) -> None:
    desk.files["p1"] = base64.b64decode(VECTORS["K"]["ciphertext"])
    assert desk.files["p1"] == sealed(TEXT)
    entry = {**desk.address("p1", sha1(TEXT)), "bill_sequence": 1}
    entry |= {"encrypt_key": sealed_key(), "nonce": NONCE}
    desk.told = {"download_bill_count": 1, "download_bill_list": [entry]}
    fetched, text = await customer.fetch(SUB_FUND)
    assert text == TEXT
    assert fetched.check is HashCheck.TEXT
    assert desk.asked[0].target == (
        "/v3/bill/sub-merchant-fundflowbill?bill_date=2026-11-20&sub_mchid=1900000200&account_type=DEPOSIT"
        "&algorithm=AEAD_AES_256_GCM"
    )


async def test_a_key_may_be_any_thirty_two_bytes(desk: Desk, customer: Customer) -> None:
    key = bytes(range(224, 256))
    desk.serves_parts(FUND_SAMPLE)
    desk.files["p1"] = sealed(FUND_SAMPLE, key)
    desk.told["download_bill_list"][0]["encrypt_key"] = sealed_key(key)
    assert (await customer.fetch(SUB_FUND))[1] == FUND_SAMPLE


@pytest.mark.parametrize("packed", [False, True])
async def test_parts_are_put_together_in_their_order(desk: Desk, customer: Customer, packed: bool) -> None:
    parts = [FUND_SAMPLE[:100], FUND_SAMPLE[100:101], FUND_SAMPLE[101:]]
    desk.serves_parts(*(gzip.compress(part) if packed else part for part in parts))
    fetched, text = await customer.fetch(SUB_FUND)
    assert text == FUND_SAMPLE
    assert fetched.sha1 == sha1(FUND_SAMPLE)
    assert len((fetched.told or "").split(" ")) == 3


async def test_a_stream_packed_before_it_was_cut_into_parts_is_one_stream(
    desk: Desk, customer: Customer
) -> None:
    packed = gzip.compress(FUND_SAMPLE)
    desk.serves_parts(packed[:50], packed[50:])
    assert (await customer.fetch(SUB_FUND))[1] == FUND_SAMPLE


async def test_the_hash_of_an_encrypted_file_may_be_of_what_came(desk: Desk, customer: Customer) -> None:
    desk.serves_parts(FUND_SAMPLE, hash_of=lambda _plain, came: sha1(came))
    fetched, text = await customer.fetch(SUB_FUND)
    assert (fetched.check, text) == (HashCheck.FILE, FUND_SAMPLE)


async def test_a_hash_of_the_packed_file_is_noted_as_one(desk: Desk, customer: Customer) -> None:
    desk.serves(SAMPLE)
    desk.told["hash_value"] = sha1(desk.files["t1"])
    assert (await customer.fetch())[0].check is HashCheck.FILE


@pytest.mark.parametrize("wanted", [TRADE, SUB_FUND])
async def test_L02_a_wrong_hash_makes_the_file_void(
    desk: Desk, customer: Customer, wanted: BillWanted
) -> None:
    desk.serves(SAMPLE)
    desk.told["hash_value"] = sha1(b"another")
    if wanted is SUB_FUND:
        desk.serves_parts(FUND_SAMPLE, hash_of=lambda _plain, _came: sha1(b"another"))
    failure = await customer.refused(wanted)
    assert failure.problem is BillProblem.HASH_MISMATCH
    assert failure.call is not None


@pytest.mark.parametrize(
    "damage",
    [
        pytest.param(lambda file: file[:-1], id="cut"),
        pytest.param(lambda file: bytes([file[0] ^ 1]) + file[1:], id="a bit of the text"),
        pytest.param(lambda file: file[:-1] + bytes([file[-1] ^ 1]), id="a bit of the tag"),
        pytest.param(lambda _file: b"short", id="shorter than a tag"),
        pytest.param(lambda _file: b"", id="nothing"),
        pytest.param(lambda file: file + b"x", id="more behind"),
    ],
)
async def test_an_encrypted_file_that_does_not_fit_its_tag_is_void(
    desk: Desk, customer: Customer, damage: Callable[[bytes], bytes]
) -> None:
    desk.serves_parts(FUND_SAMPLE)
    desk.files["p1"] = damage(desk.files["p1"])
    assert (await customer.refused(SUB_FUND)).problem is BillProblem.INCOMPLETE


@pytest.mark.parametrize("key", ["bm90IGEga2V5", "***", sealed_key(b"too short")])
async def test_a_key_that_does_not_open_is_said_before_anything_is_fetched(
    desk: Desk, customer: Customer, key: str
) -> None:
    desk.serves_parts(FUND_SAMPLE)
    desk.told["download_bill_list"][0]["encrypt_key"] = key
    failure = await customer.refused(SUB_FUND)
    assert failure.problem is BillProblem.INCOMPLETE
    assert failure.call is not None
    assert failure.call.err_code == "undecryptable"
    assert desk.downloads == []


@pytest.mark.parametrize("code", ["NO_STATEMENT_EXIST"])
@pytest.mark.parametrize("status", [400, 404])
async def test_L02_a_day_without_a_statement_is_an_empty_bill(
    desk: Desk, customer: Customer, status: int, code: str
) -> None:
    desk.refusal = (status, code, "账单文件不存在")
    for wanted in (TRADE, FUND, SUB_FUND):
        fetched, text = await customer.fetch(wanted)
        assert (fetched.empty, fetched.size, fetched.sha1, text) == (True, 0, None, b"")
        assert fetched.call.err_code == code
    assert desk.downloads == []


@pytest.mark.parametrize(
    ("status", "code", "message", "problem"),
    [
        (400, "STATEMENT_CREATING", "账单生成中", BillProblem.NOT_READY),
        (400, "INVALID_REQUEST", "日期无效", BillProblem.TOO_OLD),
        (400, "PARAM_ERROR", "bill_date 格式错误", BillProblem.TOO_OLD),
        (400, "PARAM_ERROR", "sub_mchid 无效", BillProblem.NO_PERMISSION),
        (403, "NO_AUTH", "商户未开通权限", BillProblem.NO_PERMISSION),
        (429, "FREQUENCY_LIMITED", "频率超限", BillProblem.THROTTLED),
        (429, "RATELIMIT_EXCEEDED", "频率超限", BillProblem.THROTTLED),
        (500, "SYSTEM_ERROR", "系统错误", BillProblem.UNREACHABLE),
        (401, "SIGN_ERROR", "签名错误", BillProblem.REFUSED),
    ],
)
async def test_L02_a_refusal_says_what_is_the_matter(
    desk: Desk, customer: Customer, status: int, code: str, message: str, problem: BillProblem
) -> None:
    desk.refusal = (status, code, message)
    failure = await customer.refused()
    assert failure.problem is problem
    assert failure.call is not None
    assert (failure.call.err_code, failure.call.err_message) == (code, message)
    assert (failure.call.http_status, desk.downloads) == (status, [])


async def test_T2_an_address_in_an_unsigned_answer_is_not_used(desk: Desk, customer: Customer) -> None:
    desk.serves(SAMPLE)
    desk.unsigned = True
    failure = await customer.refused()
    assert failure.problem is BillProblem.UNREACHABLE
    assert isinstance(failure.__cause__, BadAnswerSignature)
    assert desk.downloads == []


@pytest.mark.parametrize(
    "address",
    [
        "http://169.254.169.254/v3/billdownload/file?token=t1",
        "{own}@evil.example/v3/billdownload/file?token=t1",
        "{own}.evil.example/v3/billdownload/file?token=t1",
        "https://127.0.0.1:{port}/v3/billdownload/file?token=t1",
        "http://127.0.0.1/v3/billdownload/file?token=t1",
        "http://user:pass@127.0.0.1:{port}/v3/x?token=t1",
        "//127.0.0.1:{port}/v3/billdownload/file",
        "{own}/v3/billdownload/file?token=t1#x",
        "{own}/v3/billdownload/file?token=t1 x",
        "{own}",
        "file:///etc/passwd",
    ],
)
async def test_an_address_elsewhere_is_refused_whoever_signed_it(
    desk: Desk, customer: Customer, address: str
) -> None:
    desk.serves(SAMPLE)
    desk.told["download_url"] = address.format(own=desk.host.url, port=desk.host.port)
    failure = await customer.refused()
    assert failure.problem is BillProblem.REFUSED
    assert failure.call is not None
    assert failure.call.err_code == "foreign_address"
    assert len(desk.host.received) == 1


@pytest.mark.parametrize(
    "changes",
    [
        {"hash_type": "SM3"},
        {"hash_value": "abc"},
        {"hash_value": None},
        {"download_url": ""},
        {"download_url": 7},
        pytest.param({"padding": "x" * 2_000_000}, id="G08-two-megabytes"),
    ],
)
async def test_an_answer_without_what_it_must_have_is_none(
    desk: Desk, customer: Customer, changes: dict[str, Any]
) -> None:
    desk.serves(SAMPLE, **changes)
    assert (await customer.refused()).problem is BillProblem.UNREACHABLE


@pytest.mark.parametrize("count", [0, 2, None, "1"])
async def test_parts_that_are_not_as_many_as_told_are_none(
    desk: Desk, customer: Customer, count: object
) -> None:
    desk.serves_parts(FUND_SAMPLE)
    desk.told["download_bill_count"] = count
    assert (await customer.refused(SUB_FUND)).problem is BillProblem.UNREACHABLE


async def test_two_parts_of_one_number_are_none(desk: Desk, customer: Customer) -> None:
    desk.serves_parts(FUND_SAMPLE, FUND_SAMPLE)
    for entry in desk.told["download_bill_list"]:
        entry["bill_sequence"] = 1
    assert (await customer.refused(SUB_FUND)).problem is BillProblem.UNREACHABLE


def stale(*tokens: str) -> Callable[[str], Answer | None]:
    """Refuse the first download of each of these."""
    left = list(tokens)

    def refuse(token: str) -> Answer | None:
        if token not in left:
            return None
        left.remove(token)
        return 400, _json({"code": "INVALID_REQUEST", "message": "账单下载地址已失效"})

    return refuse


async def test_L02_a_stale_address_is_asked_for_once_more(desk: Desk, customer: Customer) -> None:
    desk.serves(SAMPLE)
    desk.on_download = stale("t1")
    assert (await customer.fetch())[1] == SAMPLE
    assert (len(desk.asked), len(desk.downloads)) == (2, 2)


async def test_L02_an_address_that_is_stale_twice_is_left_for_later(desk: Desk, customer: Customer) -> None:
    desk.serves(SAMPLE)
    desk.on_download = stale("t1", "t1")
    failure = await customer.refused()
    assert failure.problem is BillProblem.UNREACHABLE
    assert failure.call is not None
    assert (failure.call.operation, failure.call.url_path) == ("v3.billdownload", "/v3/billdownload/file")
    assert (len(desk.asked), len(desk.downloads)) == (2, 2)


async def test_parts_whose_addresses_lived_out_meanwhile_go_on_from_there(
    desk: Desk, customer: Customer
) -> None:
    desk.serves_parts(FUND_SAMPLE[:100], FUND_SAMPLE[100:])
    desk.on_download = stale("p2")
    assert (await customer.fetch(SUB_FUND))[1] == FUND_SAMPLE
    assert [asked.target[-2:] for asked in desk.downloads] == ["p1", "p2", "p2"]


async def test_parts_that_are_others_the_second_time_are_not_mixed(desk: Desk, customer: Customer) -> None:
    desk.serves_parts(FUND_SAMPLE[:100], FUND_SAMPLE[100:])
    refuse = stale("p2")

    def change(token: str) -> Answer | None:
        answer = refuse(token)
        if answer is not None:
            desk.serves_parts(FUND_SAMPLE[:90], FUND_SAMPLE[90:])
        return answer

    desk.on_download = change
    assert (await customer.refused(SUB_FUND)).problem is BillProblem.INCOMPLETE


@pytest.mark.parametrize(
    ("answer", "problem"),
    [
        pytest.param((403, b'{"code":"NO_AUTH","message":"x"}'), BillProblem.NO_PERMISSION, id="another's"),
        pytest.param((429, b'{"code":"FREQUENCY_LIMITED","message":"x"}'), BillProblem.THROTTLED, id="429"),
        pytest.param((429, b""), BillProblem.THROTTLED, id="429 and no word"),
        pytest.param((500, b'{"code":"SYSTEM_ERROR","message":"x"}'), BillProblem.UNREACHABLE, id="500"),
        pytest.param((502, b"<html/>"), BillProblem.UNREACHABLE, id="502"),
        pytest.param((302, b""), BillProblem.UNREACHABLE, id="a redirect"),
        pytest.param((200, b"<html>busy</html>"), BillProblem.HASH_MISMATCH, id="a page"),
        pytest.param((200, gzip.compress(SAMPLE)[:-5]), BillProblem.INCOMPLETE, id="a packed file cut"),
        pytest.param((200, b"x" * 1_000_001), BillProblem.TOO_LARGE, id="more than we take"),
    ],
)
async def test_G08_whatever_else_comes_from_the_address_is_no_bill(
    desk: Desk, customer: Customer, answer: Answer, problem: BillProblem
) -> None:
    desk.serves(SAMPLE)
    desk.on_download = lambda _token: answer
    assert (await customer.refused()).problem is problem


async def test_what_v3_has_not_is_not_asked_for(desk: Desk, customer: Customer) -> None:
    failure = await customer.refused(BillWanted(DAY, BillKind.FUND, Account.DEPOSIT))
    assert (failure.problem, failure.call) == (BillProblem.NOT_OFFERED, None)
    assert desk.host.received == []


async def test_a_key_of_another_api_version_is_refused(customer: Customer) -> None:
    async def sink(_piece: bytes) -> None: ...

    with pytest.raises(InvalidCredentials):
        await customer.bills.fetch(replace(asking(), key=v2_partner().key), TRADE, sink)


async def test_C6_no_record_holds_a_token_or_a_signature(desk: Desk, customer: Customer) -> None:
    desk.serves(SAMPLE)
    desk.files["t1"] = b""
    failure = await customer.refused()
    assert "token" not in repr(failure.call)
    assert "t1" not in str(failure)
    assert "WECHATPAY2" not in repr((failure, failure.call, failure.__cause__))
