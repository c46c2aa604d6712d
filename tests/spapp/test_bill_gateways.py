"""Bills from end to end: our gateways ask the simulator, our reader reads what it serves (L02, L03, F09)."""

from __future__ import annotations

import shutil
from collections.abc import AsyncIterator
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest
from cryptography.hazmat.primitives import serialization
from tests.support.simulated import (
    APPID,
    COFFEE,
    KEY,
    MCH_ID,
    MERCHANT,
    MERCHANT_APP,
    OTHER_KEY,
    PAYER,
    Desk,
    desk_at,
    merchant_order,
    order,
)
from tests.support.simulated_bills import now
from tests.support.simulated_v3 import Identity, document, identity, key_of
from tests.support.visitor import site_environment

from spapp.gateways import Gateways
from spapp.web import metrics
from spcore.clock import SystemClock
from spcore.settings import Settings
from spsim.app import create_simulator
from spsim.serve import running, serving
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

NUMBERS = ("BILL-000001", "BILL-000002")
VERSIONS = ("v2", "v3")


@pytest.fixture(scope="module")
def own() -> dict[str, Identity]:
    """The API certificate of each provider."""
    return {mch_id: identity(mch_id) for mch_id in (MCH_ID, MERCHANT)}


@dataclass
class Customer:
    """The providers of the simulator, by both API versions."""

    desk: Desk
    gateways: Gateways
    own: dict[str, Identity]
    platform: PlatformKeys
    day: date

    def asker(self, version: str, mch_id: str) -> BillAsker:
        own = self.own[mch_id]
        pem = own.key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
        certificate = ClientCertificate(1, own.serial, own.pem.encode(), pem)
        v2_key, appid = (KEY, APPID) if mch_id == MCH_ID else (OTHER_KEY, MERCHANT_APP)
        v3_key = V3Key(1, own.serial, own.key, self.platform)
        key = V2Key(1, v2_key) if version == "v2" else v3_key
        return BillAsker(MchId(mch_id), AppId(appid), key, SignType.HMAC_SHA256, certificate)

    async def fetch(
        self, version: str, wanted: BillWanted, mch_id: str = MCH_ID
    ) -> tuple[Fetched, list[Any]]:
        """Fetch a bill and read it to its end."""
        reader = BillReader(wanted.kind)
        lines: list[Any] = []

        async def sink(text: bytes) -> None:
            lines.extend(reader.feed(text))

        gateway = self.gateways.bills("test", version, "prv_1")
        fetched = await gateway.fetch(self.asker(version, mch_id), wanted, sink)
        if not fetched.empty:
            reader.finish()
        return fetched, lines

    async def problem(self, version: str, wanted: BillWanted) -> BillProblem:
        with pytest.raises(BillUnavailable) as failure:
            await self.fetch(version, wanted)
        assert failure.value.call is not None
        return failure.value.problem

    @property
    def trade(self) -> BillWanted:
        return BillWanted(self.day, BillKind.TRADE)

    @property
    def fund(self) -> BillWanted:
        return BillWanted(self.day, BillKind.FUND, Account.BASIC)


@pytest.fixture(scope="module")
def registered(
    own: dict[str, Identity], tmp_path_factory: pytest.TempPathFactory
) -> tuple[Path, PlatformKeys]:
    """Books that know the providers, made once as their keys take time, and WeChat's public keys."""
    database = tmp_path_factory.mktemp("bills") / "books.db"
    with running(database) as where, httpx.Client(base_url=where.url, trust_env=False) as http:
        told = http.post("/_sim/providers", json=document(own)).raise_for_status().json()
        rules = {"open_days": True, "sub_merchant_funds": True}
        http.post("/_sim/bills", json=rules).raise_for_status()
    keys = [key for provider in told["providers"] for key in provider["wechatpay_public_keys"]]
    return database, PlatformKeys(PlatformKey(key["id"], key_of(key["pem"]), None, None) for key in keys)


@pytest.fixture
async def customer(
    own: dict[str, Identity], registered: tuple[Path, PlatformKeys], tmp_path: Path
) -> AsyncIterator[Customer]:
    books, platform = shutil.copy(registered[0], tmp_path), registered[1]
    async with serving(create_simulator(books)) as where, desk_at(where) as desk:
        environment = {
            **site_environment("sqlite+aiosqlite:///:memory:"),
            "WXSP_SIMULATOR_URL": where.url,
            "WXSP_SIMULATOR_TLS_URL": where.tls_url,
        }
        gateways = Gateways(Settings.from_env(environment), SystemClock(), _Nobody())
        yield Customer(desk, gateways, own, platform, (await now(desk)).date())
        await gateways.close()


class _Nobody:
    def note(self, *_use: object) -> None: ...


async def sells(customer: Customer) -> None:
    """Have two orders paid."""
    for number in NUMBERS:
        await customer.desk.create(order(number, body="米饭,大份"))
        await customer.desk.control("pay", out_trade_no=number, openid=PAYER)


@pytest.mark.parametrize("version", VERSIONS)
async def test_a_trade_bill_is_fetched_and_read(customer: Customer, version: str) -> None:
    await sells(customer)
    for wanted in (customer.trade, replace(customer.trade, sub_mch_id=SubMchId(COFFEE))):
        fetched, lines = await customer.fetch(version, wanted)
        assert [line.out_trade_no for line in lines] == list(NUMBERS)
        assert all(isinstance(line, TradeLine) for line in lines)
        assert {line.sub_mch_id for line in lines} == {COFFEE}
        assert fetched.check is (HashCheck.UNTOLD if version == "v2" else HashCheck.TEXT)
        assert abs((lines[0].at - datetime.now(UTC)).total_seconds()) < 600


@pytest.mark.parametrize("version", VERSIONS)
async def test_L02_days_without_a_bill_each_say_why(customer: Customer, version: str) -> None:
    fetched, lines = await customer.fetch(version, customer.trade)
    assert (fetched.empty, lines) == (True, [])
    old = replace(customer.trade, day=customer.day - timedelta(days=200))
    assert await customer.problem(version, old) is BillProblem.TOO_OLD
    foreign = replace(customer.trade, sub_mch_id=SubMchId("1600000999"))
    assert await customer.problem(version, foreign) is BillProblem.NO_PERMISSION
    await customer.desk.control("bills", open_days=False, ready_at="23:59")
    yesterday = replace(customer.trade, day=customer.day - timedelta(days=1))
    assert await customer.problem(version, yesterday) is BillProblem.NOT_READY


@pytest.mark.parametrize("version", VERSIONS)
async def test_L03_every_layout_reads_the_same(customer: Customer, version: str) -> None:
    await sells(customer)
    _fetched, plain = await customer.fetch(version, customer.trade)
    for layout in ("bom", "old_names", "extra_column"):
        await customer.desk.control("bills", **{layout: True})
        _fetched, lines = await customer.fetch(version, customer.trade)
        assert [replace(line, extra={}) for line in lines] == [replace(line, extra={}) for line in plain]


@pytest.mark.parametrize(
    ("damage", "by_v2", "by_v3"),
    [
        ("wrong_hash", None, BillProblem.HASH_MISMATCH),
        ("truncated", BillProblem.INCOMPLETE, BillProblem.HASH_MISMATCH),
        ("corrupt_gzip", BillProblem.INCOMPLETE, BillProblem.INCOMPLETE),
        ("html", BillProblem.UNREACHABLE, BillProblem.HASH_MISMATCH),
    ],
)
async def test_L02_G08_a_damaged_file_is_void_and_the_next_one_good(
    customer: Customer, damage: str, by_v2: BillProblem | None, by_v3: BillProblem
) -> None:
    await sells(customer)
    for version, problem in zip(VERSIONS, (by_v2, by_v3), strict=True):
        if problem is None:
            continue
        await customer.desk.control("bills", damage=damage, damage_times=1)
        assert await customer.problem(version, customer.trade) in {problem, BillProblem.INCOMPLETE}
        assert len((await customer.fetch(version, customer.trade))[1]) == 2


@pytest.mark.parametrize("version", VERSIONS)
async def test_F09_a_fund_bill_is_fetched_with_the_provider_s_own_certificate(
    customer: Customer, version: str
) -> None:
    await customer.desk.create(merchant_order("BILL-000003"), OTHER_KEY)
    await customer.desk.control("pay", out_trade_no="BILL-000003", openid="oMerchantUser_1")
    fetched, lines = await customer.fetch(version, customer.fund, MERCHANT)
    assert all(isinstance(line, FundLine) for line in lines)
    assert sum(line.amount for line in lines) == lines[-1].balance
    assert fetched.call.operation == ("downloadfundflow" if version == "v2" else "v3.fundflowbill")
    assert (await customer.fetch(version, customer.fund))[0].empty


@pytest.mark.parametrize(("hash_of", "check"), [("text", HashCheck.TEXT), ("file", HashCheck.FILE)])
async def test_a_sub_merchant_s_fund_bill_comes_in_encrypted_parts(
    customer: Customer, hash_of: str, check: HashCheck
) -> None:
    await sells(customer)
    await customer.desk.control("bills", split_parts=3, hash_of=hash_of)
    fetched, lines = await customer.fetch("v3", replace(customer.fund, sub_mch_id=SubMchId(COFFEE)))
    assert fetched.check is check
    assert sum(line.amount for line in lines) == lines[-1].balance
    assert {line.business_no for line in lines if line.amount > 0}


async def test_an_api_version_this_release_does_not_speak_has_no_bills(customer: Customer) -> None:
    assert customer.gateways.bills("test", "v3", "prv_1") is customer.gateways.bills("test", "v3", "prv_1")
    with pytest.raises(ValueError, match="not spoken"):
        customer.gateways.bills("test", "v4", "prv_1")


async def test_every_bill_is_counted_by_its_operation_and_outcome(customer: Customer) -> None:
    def counted(api: str, result: str) -> float:
        return metrics.WECHAT_CALLS.labels(api, result)._value.get()

    before = counted("v3.tradebill", "ok"), counted("downloadbill", "refused")
    await customer.fetch("v3", customer.trade)
    await customer.problem("v2", replace(customer.trade, day=customer.day - timedelta(days=200)))
    assert (counted("v3.tradebill", "ok"), counted("downloadbill", "refused")) == (
        before[0] + 1,
        before[1] + 1,
    )
