"""Our side of API v3 against the strict simulator, in each of its ways to be verified (F03, K03, K04)."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Any
from urllib.parse import urlsplit

import httpx
import pytest
from tests.support.questions import new_order, refund_of
from tests.support.simulated import (
    APPID,
    COFFEE,
    COFFEE_APP,
    MCH_ID,
    MERCHANT,
    MERCHANT_APP,
    PAYER,
    PHONE_APP,
)
from tests.support.simulated_v3 import V3_KEY, Identity, document, identity, key_of
from tests.support.visitor import site_environment

from spapp.gateways import Gateways
from spcore.clock import SystemClock
from spcore.providers.models import KeyKind
from spcore.settings import Settings
from spsim.serve import Running, running
from wechatpay import pay_params
from wechatpay.credentials import (
    ApiV3Key,
    Credentials,
    MerchantCredentials,
    PartnerCredentials,
    ProviderKind,
    SignType,
    V3Key,
)
from wechatpay.errors import BadAnswerSignature, Refused, UnknownOutcome
from wechatpay.gateway import (
    Gateway,
    H5Scene,
    H5Type,
    NewOrder,
    RefundState,
    RefundStatus,
    TradeState,
    TradeType,
)
from wechatpay.identifiers import AppId, MchId, OpenId, OutRefundNo, OutTradeNo, SubMchId
from wechatpay.money import Fen
from wechatpay.v3 import certificates, echo
from wechatpay.v3.platform_keys import PlatformKey, PlatformKeys

WAYS = ("public_key", "certificate", "both")


@dataclass
class World:
    """A simulator that knows both providers, and our gateways to it."""

    where: Running
    own: dict[str, Identity]
    gateways: Gateways
    issued: dict[str, dict[str, Any]] = field(default_factory=dict)
    noted: list[tuple[object, ...]] = field(default_factory=list)

    def note(self, *met: object) -> None:
        self.noted.append(met)

    def verified_by(self, way: str) -> None:
        """Let the providers be verified so, and learn what WeChat hands out for it."""
        answer = self.control("providers", **document(self.own, verification=way))
        self.issued = {provider["mch_id"]: provider for provider in answer["providers"]}

    def control(self, path: str, /, **told: Any) -> Any:
        response = httpx.post(f"{self.where.url}/_sim/{path}", json=told, trust_env=False, timeout=30)
        assert response.is_success, response.text
        return response.json()

    def platform(self, mch_id: str = MCH_ID) -> PlatformKeys:
        told = self.issued[mch_id]
        keys = [PlatformKey(key["id"], key_of(key["pem"])) for key in told["wechatpay_public_keys"]]
        return PlatformKeys(
            [
                *(PlatformKey(one["serial"], key_of(one["pem"])) for one in told["platform_certificates"]),
                *keys,
            ]
        )

    def key(self, mch_id: str = MCH_ID, platform: PlatformKeys | None = None) -> V3Key:
        mine = self.own[mch_id]
        return V3Key(1, mine.serial, mine.key, self.platform(mch_id) if platform is None else platform)

    def provider(self, sub_appid: str | None = COFFEE_APP) -> PartnerCredentials:
        return PartnerCredentials(
            ProviderKind.ORDINARY,
            MchId(MCH_ID),
            AppId(APPID),
            SubMchId(COFFEE),
            AppId(sub_appid) if sub_appid else None,
            self.key(),
            SignType.HMAC_SHA256,
        )

    def merchant(self) -> MerchantCredentials:
        return MerchantCredentials(MchId(MERCHANT), AppId(MERCHANT_APP), self.key(MERCHANT), SignType.MD5)

    @property
    def gateway(self) -> Gateway:
        return self.gateways.of("test", "v3", "prv_1")

    def pays(self, number: str, **told: Any) -> None:
        self.control("pay", out_trade_no=number, openid=PAYER, **told)

    async def settled(self, credentials: Credentials, refund_no: str) -> RefundState:
        """What became of a refund once the simulator has decided it."""
        async with asyncio.timeout(10):
            while True:
                state = await self.gateway.query_refund(credentials, OutRefundNo(refund_no))
                if state.status is not RefundStatus.PROCESSING:
                    return state
                await asyncio.sleep(0.05)


@pytest.fixture(scope="module")
def own() -> dict[str, Identity]:
    return {mch_id: identity(mch_id) for mch_id in (MCH_ID, MERCHANT)}


@pytest.fixture(scope="module")
def where() -> Iterator[Running]:
    with running() as started:
        yield started


@asynccontextmanager
async def opened(where: Running, own: dict[str, Identity], way: str) -> AsyncIterator[World]:
    environment = site_environment("sqlite+aiosqlite:///:memory:") | {
        "WXSP_SIMULATOR_URL": where.url,
        "WXSP_SIMULATOR_TLS_URL": where.tls_url,
    }
    noted: list[tuple[object, ...]] = []

    class Noting:
        def note(self, *met: object) -> None:
            noted.append(met)

    gateways = Gateways(Settings.from_env(environment), SystemClock(), Noting())
    world = World(where, own, gateways, noted=noted)
    world.verified_by(way)
    yield world
    await gateways.close()


@pytest.fixture(params=WAYS)
async def any_way(
    where: Running, own: dict[str, Identity], request: pytest.FixtureRequest
) -> AsyncIterator[World]:
    async with opened(where, own, request.param) as world:
        yield world


@pytest.fixture
async def world(where: Running, own: dict[str, Identity]) -> AsyncIterator[World]:
    async with opened(where, own, "public_key") as world:
        yield world


def order(number: str, trade_type: TradeType = TradeType.JSAPI, **more: Any) -> NewOrder:
    return new_order(number, trade_type, **more)


async def test_an_order_is_paid_given_back_and_another_closed(
    any_way: World, request: pytest.FixtureRequest
) -> None:
    world, gateway, way = any_way, any_way.gateway, request.node.callspec.params["any_way"]
    credentials, number = world.provider(), f"V3-{way[:4]}-000001"
    with pytest.raises(Refused) as absent:
        await gateway.query(credentials, OutTradeNo(number))
    assert (absent.value.code, absent.value.level) == ("ORDERNOTEXIST", "result")

    mine = order(number)
    first = await gateway.place(credentials, mine)
    again = await gateway.place(credentials, mine)
    assert first.prepay_id is not None
    assert again.prepay_id is not None
    unpaid = await gateway.query(credentials, OutTradeNo(number))
    assert (unpaid.trade_state, unpaid.transaction_id) == (TradeState.NOTPAY, None)

    params = pay_params.sign("miniprogram", credentials, again.prepay_id, datetime.now(UTC))
    world.control("pay", prepay_id=again.prepay_id.text, openid=PAYER, pay_params=params)
    paid = await gateway.query(credentials, OutTradeNo(number))
    assert (paid.trade_state, paid.total_fee) == (TradeState.SUCCESS, Fen(1280))
    assert paid.sub_openid == OpenId(PAYER)
    with pytest.raises(Refused) as done:
        await gateway.place(credentials, mine)
    assert done.value.code == "ORDERPAID"
    with pytest.raises(Refused) as too_late:
        await gateway.close(credentials, OutTradeNo(number))
    assert too_late.value.code == "ORDERPAID"

    accepted = await gateway.refund(credentials, None, refund_of(number, f"RF-{number}"))  # type: ignore[arg-type]
    state = await world.settled(credentials, f"RF-{number}")
    assert (state.status, state.amount, state.refund_id) == (
        RefundStatus.SUCCESS,
        Fen(300),
        accepted.refund_id,
    )
    assert (await gateway.query(credentials, OutTradeNo(number))).trade_state is TradeState.REFUND

    other = OutTradeNo(f"V3-{way[:4]}-000002")
    await gateway.place(credentials, order(other.text))
    for _ in range(2):
        closed = await gateway.close(credentials, other)
    assert closed.call.http_status == 204
    assert (await gateway.query(credentials, other)).trade_state is TradeState.CLOSED
    kinds = {met[2] for met in world.noted if met[1] == "answer"}
    wanted = KeyKind.PLATFORM_CERTIFICATE if way == "certificate" else KeyKind.WECHATPAY_PUBLIC_KEY
    assert wanted in kinds


async def test_S2_05_every_way_to_pay_is_taken_by_the_gateway(world: World) -> None:
    gateway = world.gateway
    native = await gateway.place(world.provider(), order("V3-WAY-00001", TradeType.NATIVE))
    assert (native.code_url or "").startswith("weixin://")
    scene = H5Scene(H5Type.WAP, "https://m.example.com", "晨曦&咖啡")
    h5 = await gateway.place(world.provider(), order("V3-WAY-00002", TradeType.H5, scene=scene))
    assert h5.h5_url is not None
    async with httpx.AsyncClient(trust_env=False) as browser:
        assert (await browser.get(f"{world.where.url}{urlsplit(h5.h5_url).path}")).status_code == 200
    phone = world.provider(PHONE_APP)
    app = await gateway.place(phone, order("V3-WAY-00003", TradeType.APP))
    assert app.prepay_id is not None
    params = pay_params.sign("app", phone, app.prepay_id, datetime.now(UTC))
    world.control("pay", prepay_id=app.prepay_id.text, openid=PAYER, pay_params=params)
    assert (await gateway.query(phone, OutTradeNo("V3-WAY-00003"))).trade_state is TradeState.SUCCESS


async def test_a_plain_merchant_s_order_takes_the_direct_way(world: World) -> None:
    credentials, number = world.merchant(), "V3-DIRECT-001"
    placed = await world.gateway.place(credentials, order(number, TradeType.NATIVE))
    assert placed.call.url_path == "/v3/pay/transactions/native"
    world.pays(number)
    assert (await world.gateway.query(credentials, OutTradeNo(number))).sub_mch_id is None
    await world.gateway.refund(credentials, None, refund_of(number, "RF-DIRECT-01"))  # type: ignore[arg-type]
    assert (await world.settled(credentials, "RF-DIRECT-01")).status is RefundStatus.SUCCESS


async def test_F03_the_same_number_with_another_amount_is_no_second_refund(world: World) -> None:
    credentials, number = world.provider(), "V3-F03-00001"
    await world.gateway.place(credentials, order(number))
    world.pays(number)
    with pytest.raises(Refused) as absent:
        await world.gateway.query_refund(credentials, OutRefundNo("RF-F03"))
    assert (absent.value.code, absent.value.level) == ("REFUNDNOTEXIST", "result")
    await world.gateway.refund(credentials, None, refund_of(number, "RF-F03"))  # type: ignore[arg-type]
    with pytest.raises(UnknownOutcome):
        await world.gateway.refund(credentials, None, refund_of(number, "RF-F03", 301))  # type: ignore[arg-type]
    assert (await world.gateway.query_refund(credentials, OutRefundNo("RF-F03"))).amount == Fen(300)


async def test_another_order_under_the_same_number_stays_open(world: World) -> None:
    await world.gateway.place(world.provider(), order("V3-SAME-0001"))
    with pytest.raises(UnknownOutcome):
        await world.gateway.place(world.provider(), order("V3-SAME-0001", amount=Fen(1)))


async def test_K04_an_answer_by_a_key_that_we_lack_leaves_it_open(world: World) -> None:
    world.verified_by("certificate")
    own = V3Key(1, world.own[MCH_ID].serial, world.own[MCH_ID].key, PlatformKeys())
    credentials = replace(world.provider(), key=own)
    with pytest.raises(BadAnswerSignature) as failure:
        await world.gateway.place(credentials, order("V3-LACK-0001"))
    assert failure.value.fault == "unknown_serial"
    issued = world.issued[MCH_ID]["platform_certificates"]
    assert failure.value.serial in {one["serial"] for one in issued}


@pytest.mark.parametrize("way", ["certificate", "both"])
async def test_K03_the_first_platform_certificates_come_by_the_api_v3_key_alone(
    world: World, way: str
) -> None:
    world.verified_by(way)
    line, own = world.gateways.line("test", "prv_1"), world.key(platform=PlatformKeys())
    keys = (ApiV3Key(1, V3_KEY),)
    found = await certificates.fetch(line, MchId(MCH_ID), own, keys, datetime.now(UTC))
    issued = world.issued[MCH_ID]["platform_certificates"]
    assert {one.serial for one in found} == {one["serial"] for one in issued}
    assert {one.pem.decode().strip() for one in found} == {one["pem"].strip() for one in issued}


async def test_who_has_a_public_key_alone_gets_no_certificates(world: World) -> None:
    line, keys = world.gateways.line("test", "prv_1"), (ApiV3Key(1, V3_KEY),)
    with pytest.raises(Refused) as refusal:
        await certificates.fetch(line, MchId(MCH_ID), world.key(), keys, datetime.now(UTC))
    assert refusal.value.code == "RESOURCE_NOT_EXISTS"


async def test_the_security_echo_comes_back_in_every_way(any_way: World) -> None:
    line = any_way.gateways.line("test", "prv_1")
    call = await echo.ask(line, MchId(MCH_ID), any_way.key(), "ech_01JD", None, datetime.now(UTC))
    assert (call.operation, call.http_status) == ("v3.echo", 200)
    assert call.serial in {key.serial for key in any_way.platform()}
