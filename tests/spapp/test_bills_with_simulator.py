"""Our side of bills against the strict simulator, by both generations (L01 to L06, G06, G08, F09; B-19)."""

from __future__ import annotations

import hashlib
from collections.abc import AsyncIterator, Iterator, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any

import httpx
import pytest
from cryptography.hazmat.primitives import serialization
from tests.support.simulated import APPID, COFFEE, KEY, MCH_ID, MERCHANT, blind, order, signature, xml
from tests.support.simulated_bills import BEIJING
from tests.support.simulated_v3 import Identity, document, identity, key_of
from tests.support.visitor import site_environment

from spapp.gateways import Gateways
from spapp.web import metrics
from spcore.clock import SystemClock
from spcore.settings import Settings
from spsim.serve import Running, running
from wechatpay.bill_text import BillReader
from wechatpay.bills import (
    Account,
    BillAsker,
    BillKind,
    BillProblem,
    BillUnavailable,
    BillWanted,
    Fetched,
    FundLine,
    HashCheck,
    TradeLine,
)
from wechatpay.credentials import ClientCertificate, SignType, V2Key, V3Key
from wechatpay.identifiers import AppId, MchId, SubMchId
from wechatpay.v3.platform_keys import PlatformKey, PlatformKeys

NUMBERS = ["T0000001", "T0000002", "T0000003"]
BOTH = pytest.mark.parametrize("api", ["v2", "v3"])


AS_AT_FIRST: dict[str, Any] = {
    **dict.fromkeys(("bom", "old_names", "extra_column"), False),
    "not_ready": 0,
    "split_parts": 1,
    "hash_of": "text",
    "sub_merchant_funds": True,
    "damage": None,
}


@dataclass
class Books:
    """A simulator at ten o'clock after a day with three payments and a refund, and WeChat's keys."""

    where: Running
    own: dict[str, Identity]
    public_keys: list[dict[str, str]]
    day: date


@dataclass
class House:
    """The simulator, and our gateways to it."""

    books: Books
    gateways: Gateways

    def control(self, path: str, /, **told: Any) -> Any:
        response = httpx.post(
            f"{self.books.where.url}/_sim/{path}", json=told, trust_env=False, verify=blind()
        )
        assert response.is_success, response.text
        return response.json()

    def start_over(self) -> None:
        """Take back what another test changed."""
        httpx.delete(f"{self.books.where.url}/_sim/faults", trust_env=False, verify=blind())
        self.control("bills", **AS_AT_FIRST)

    def asker(self, api: str) -> BillAsker:
        mine = self.books.own[MCH_ID]
        pem = mine.key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
        keys = [PlatformKey(key["id"], key_of(key["pem"])) for key in self.books.public_keys]
        return BillAsker(
            MchId(MCH_ID),
            AppId(APPID),
            V2Key(1, KEY) if api == "v2" else V3Key(1, mine.serial, mine.key, PlatformKeys(keys)),
            SignType.HMAC_SHA256,
            ClientCertificate(1, mine.serial, mine.pem.encode(), pem) if api == "v2" else None,
        )

    async def fetch(self, api: str, wanted: BillWanted) -> tuple[Fetched, bytes]:
        text = bytearray()

        async def sink(piece: bytes) -> None:
            text.extend(piece)

        gateway = self.gateways.bills("test", api, "prv_1")
        return await gateway.fetch(self.asker(api), wanted, sink), bytes(text)

    async def problem(self, api: str, wanted: BillWanted | None = None) -> BillProblem:
        with pytest.raises(BillUnavailable) as unavailable:
            await self.fetch(api, wanted or self.trade())
        return unavailable.value.problem

    async def lines(self, api: str, wanted: BillWanted) -> Sequence[Any]:
        """Fetch and read a bill, whose summary and hash must be right."""
        fetched, text = await self.fetch(api, wanted)
        assert (fetched.size, fetched.sha1) == (len(text), hashlib.sha1(text).hexdigest())
        assert fetched.check is (HashCheck.UNTOLD if api == "v2" else HashCheck.TEXT)
        reader = BillReader(wanted.kind)
        lines = reader.feed(text)
        assert reader.finish().lines == len(lines)
        return lines

    def trade(self, back: int = 0, sub_mch_id: str | None = None) -> BillWanted:
        day = self.books.day - timedelta(days=back)
        return BillWanted(day, BillKind.TRADE, sub_mch_id=SubMchId(sub_mch_id) if sub_mch_id else None)

    def fund(self, sub_mch_id: str | None = None) -> BillWanted:
        named = SubMchId(sub_mch_id) if sub_mch_id else None
        return BillWanted(self.books.day, BillKind.FUND, Account.BASIC, named)


@pytest.fixture(scope="module")
def books(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Books]:
    """Make the books of a day of which the bill is ready."""
    database = tmp_path_factory.mktemp("bills") / "books.db"
    own = {mch_id: identity(mch_id) for mch_id in (MCH_ID, MERCHANT)}
    with (
        running(database) as where,
        httpx.Client(base_url=where.url, trust_env=False, verify=blind()) as http,
    ):

        def control(path: str, **told: Any) -> Any:
            return http.post(f"/_sim/{path}", json=told).raise_for_status().json()

        issued = control("providers", **document(own))["providers"][0]
        now = datetime.fromisoformat(http.get("/_sim/clock").json()["now"]).astimezone(BEIJING)
        noon = now.replace(hour=12, minute=0, second=0) + timedelta(days=1)
        control("clock", advance_s=(noon - now).total_seconds())
        for number in NUMBERS:
            made = order(number, total_fee="100000", body="米饭,大份")
            http.post("/pay/unifiedorder", content=xml(made | {"sign": signature(made)})).raise_for_status()
            control("pay", out_trade_no=number)
        control("settlement", auto=False)
        control("refunds", out_trade_no=NUMBERS[0], amount=500, out_refund_no="R0000001")
        control("clock", advance_s=22.5 * 3600)
        yield Books(where, own, issued["wechatpay_public_keys"], noon.date())


@pytest.fixture
async def house(books: Books) -> AsyncIterator[House]:
    class Deaf:
        def note(self, *_met: object) -> None:
            """Nobody asks what was met."""

    environment = site_environment("sqlite+aiosqlite:///:memory:") | {
        "WXSP_SIMULATOR_URL": books.where.url,
        "WXSP_SIMULATOR_TLS_URL": books.where.tls_url,
    }
    gateways = Gateways(Settings.from_env(environment), SystemClock(), Deaf())
    house = House(books, gateways)
    house.start_over()
    yield house
    await gateways.close()


@BOTH
async def test_B19_the_trade_bill_is_read_to_the_fen(house: House, api: str) -> None:
    for wanted in (house.trade(), house.trade(sub_mch_id=COFFEE)):
        lines: Sequence[TradeLine] = await house.lines(api, wanted)
        assert [line.out_trade_no for line in lines] == [*NUMBERS, NUMBERS[0]]
        assert [line.state for line in lines] == ["SUCCESS"] * 3 + ["REFUND"]
        assert [(line.total, line.fee) for line in lines[:3]] == [(100_000, 600_000)] * 3
        refund = lines[3]
        assert (refund.refund_applied, refund.refund_state, refund.fee) == (500, "PROCESSING", -3000)
        assert {line.mch_id for line in lines} == {MCH_ID}
        assert {line.sub_mch_id for line in lines} == {COFFEE}


@BOTH
async def test_L02_every_layout_is_read(house: House, api: str) -> None:
    expected = [(line.out_trade_no, line.total) for line in await house.lines(api, house.trade())]
    house.control("bills", old_names=True, bom=True, extra_column=True)
    lines: Sequence[TradeLine] = await house.lines(api, house.trade())
    assert [(line.out_trade_no, line.total) for line in lines] == expected
    assert {line.extra["门店编号"] for line in lines} == {"S001"}


@BOTH
async def test_the_own_fund_bill_is_read(house: House, api: str) -> None:
    (line,) = await house.lines(api, house.fund())
    assert isinstance(line, FundLine)
    assert (line.name, line.amount, line.balance) == ("服务商佣金", 179, 179)


@pytest.mark.parametrize("parts", [1, 3])
async def test_a_sub_merchants_fund_bill_is_opened(house: House, parts: int) -> None:
    house.control("bills", split_parts=parts)
    fetched, text = await house.fetch("v3", house.fund(COFFEE))
    reader = BillReader(BillKind.FUND)
    lines = reader.feed(text)
    assert (reader.finish().lines, fetched.size) == (8, len(text))
    assert sum(line.amount for line in lines if isinstance(line, FundLine)) == 297_703
    house.control("bills", hash_of="file")
    assert (await house.fetch("v3", house.fund(COFFEE)))[0].check is HashCheck.FILE
    assert await house.problem("v2", house.fund(COFFEE)) is BillProblem.NOT_OFFERED
    house.control("bills", sub_merchant_funds=False)
    assert await house.problem("v3", house.fund(COFFEE)) is BillProblem.NO_PERMISSION


@BOTH
async def test_L01_why_there_is_no_bill(house: House, api: str) -> None:
    empty, text = await house.fetch(api, house.trade(1))
    assert (empty.empty, empty.size, text) == (True, 0, b"")
    assert await house.problem(api, house.trade(-1)) is BillProblem.TOO_OLD
    assert await house.problem(api, house.trade(120)) is BillProblem.TOO_OLD
    assert await house.problem(api, house.trade(sub_mch_id="1699999999")) is BillProblem.NO_PERMISSION
    house.control("bills", not_ready=1)
    assert await house.problem(api) is BillProblem.NOT_READY
    assert len(await house.lines(api, house.trade())) == 4


@BOTH
@pytest.mark.parametrize("damage", ["truncated", "corrupt_gzip", "html", "wrong_hash"])
async def test_L03_a_damaged_file_is_never_taken_for_a_bill(house: House, api: str, damage: str) -> None:
    house.control("bills", damage=damage, damage_times=1)
    if (api, damage) != ("v2", "wrong_hash"):
        assert await house.problem(api) in {
            BillProblem.INCOMPLETE,
            BillProblem.HASH_MISMATCH,
            BillProblem.UNREACHABLE,
        }
    assert len(await house.lines(api, house.trade())) == 4


FAULTS = [
    ("drop_before_effect", {}, BillProblem.UNREACHABLE),
    ("drop_answer_after_effect", {}, BillProblem.UNREACHABLE),
    ("error_without_effect", {}, BillProblem.UNREACHABLE),
    ("http_502_html", {}, BillProblem.UNREACHABLE),
    ("redirect", {}, BillProblem.UNREACHABLE),
    ("empty_body", {}, BillProblem.UNREACHABLE),
    ("frequency_limited", {}, BillProblem.THROTTLED),
]


@BOTH
@pytest.mark.parametrize(("kind", "params", "problem"), FAULTS, ids=[each[0] for each in FAULTS])
async def test_G_a_fault_of_the_gateway_is_named_and_passes(
    house: House, api: str, kind: str, params: dict[str, Any], problem: BillProblem
) -> None:
    paths = {"v2": ("/pay/downloadbill",), "v3": ("/v3/bill/tradebill", "/v3/billdownload/file")}[api]
    for path in paths:
        house.control("faults", path=path, kind=kind, **params)
        # A file that ends early is found out by its hash or its end.
        found_out = {BillProblem.INCOMPLETE, BillProblem.HASH_MISMATCH}
        assert await house.problem(api) in {problem, *found_out}, path
    assert len(await house.lines(api, house.trade())) == 4


async def test_an_api_version_this_release_does_not_speak_has_no_bills(house: House) -> None:
    assert house.gateways.bills("test", "v3", "prv_1") is house.gateways.bills("test", "v3", "prv_1")
    with pytest.raises(ValueError, match="not spoken"):
        house.gateways.bills("test", "v4", "prv_1")


async def test_every_bill_is_counted_by_its_operation_and_outcome(house: House) -> None:
    def counted() -> tuple[float, float]:
        calls = metrics.WECHAT_CALLS
        ok, refused = calls.labels("v3.tradebill", "ok"), calls.labels("downloadbill", "refused")
        return ok._value.get(), refused._value.get()

    before = counted()
    await house.fetch("v3", house.trade())
    await house.problem("v2", house.trade(120))
    assert counted() == (before[0] + 1, before[1] + 1)
