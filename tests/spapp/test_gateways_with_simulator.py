"""Our side of payment codes, refunds and client certificates against the strict simulator (F09, G13, R1)."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from copy import deepcopy
from datetime import UTC, datetime
from typing import Any
from urllib.parse import urlsplit

import httpx
import pytest
from tests.support.certificates import client_certificate
from tests.support.questions import new_order, refund_of
from tests.support.simulated import APPID, COFFEE, COFFEE_APP, KEY, MCH_ID, PAYER, PHONE_APP, PROVIDERS
from tests.support.visitor import site_environment

from spapp.gateways import Gateways
from spcore.clock import SystemClock
from spcore.settings import Settings
from spsim.serve import Running, running
from wechatpay.credentials import PartnerCredentials, ProviderKind, SignType, V2Key
from wechatpay.errors import Refused, UnknownOutcome, WechatPayError
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
from wechatpay.identifiers import AppId, AuthCode, MchId, OutRefundNo, OutTradeNo, SubMchId
from wechatpay.money import Fen
from wechatpay.v2 import pay_params

OURS = client_certificate(MCH_ID)


def credentials(sub_appid: str = COFFEE_APP) -> PartnerCredentials:
    return PartnerCredentials(
        ProviderKind.ORDINARY,
        MchId(MCH_ID),
        AppId(APPID),
        SubMchId(COFFEE),
        AppId(sub_appid),
        V2Key(1, KEY),
        SignType.HMAC_SHA256,
    )


def order(number: str, trade_type: TradeType = TradeType.MICROPAY, **more: Any) -> NewOrder:
    return new_order(number, trade_type, **more)


@pytest.fixture(scope="module")
def where() -> Iterator[Running]:
    providers = deepcopy(PROVIDERS)
    providers["providers"][0] |= {
        "client_cert_pem": OURS.cert_pem.decode(),
        "client_key_pem": OURS.key_pem.decode(),
    }
    with running() as started, httpx.Client(trust_env=False) as http:
        http.post(f"{started.url}/_sim/providers", json=providers).raise_for_status()
        yield started


class KeysMet:
    """Nobody asks for them here."""

    def note(self, *_met: object) -> None: ...


@pytest.fixture
async def gateway(where: Running) -> AsyncIterator[Gateway]:
    environment = site_environment("sqlite+aiosqlite:///:memory:") | {
        "WXSP_SIMULATOR_URL": where.url,
        "WXSP_SIMULATOR_TLS_URL": where.tls_url,
    }
    gateways = Gateways(Settings.from_env(environment), SystemClock(), KeysMet())
    yield gateways.of("test", "v2", "prv_1")
    await gateways.close()


def control(where: Running, path: str, **document: Any) -> Any:
    response = httpx.post(f"{where.url}/_sim/{path}", json=document, trust_env=False)
    assert response.is_success, response.text
    return response.json()


def auth_code(where: Running, behaviour: str = "pay") -> AuthCode:
    return AuthCode(control(where, "auth_codes", openid=PAYER, behaviour=behaviour)["auth_code"])


async def settled(gateway: Gateway, refund_no: str) -> RefundState:
    """What became of a refund once the simulator has decided it."""
    async with asyncio.timeout(10):
        while True:
            state = await gateway.query_refund(credentials(), OutRefundNo(refund_no))
            if state.status is not RefundStatus.PROCESSING:
                return state
            await asyncio.sleep(0.05)


async def test_a_code_is_charged_and_given_back_in_parts(gateway: Gateway, where: Running) -> None:
    paid = await gateway.charge(credentials(), order("GW-000001"), auth_code(where))
    assert (paid.trade_state, paid.total_fee) == (TradeState.SUCCESS, Fen(1280))
    with pytest.raises(Refused) as unknown:
        await gateway.query_refund(credentials(), OutRefundNo("RF-000001"))
    assert unknown.value.code == "REFUNDNOTEXIST"

    first = await gateway.refund(credentials(), OURS, refund_of("GW-000001", "RF-000001"))
    again = await gateway.refund(credentials(), OURS, refund_of("GW-000001", "RF-000001"))
    assert first.refund_id == again.refund_id
    state = await settled(gateway, "RF-000001")
    assert (state.status, state.amount, state.total) == (RefundStatus.SUCCESS, Fen(300), Fen(1280))
    assert state.success_at is not None
    assert state.transaction_id == paid.transaction_id

    await gateway.refund(credentials(), OURS, refund_of("GW-000001", "RF-000002", 980))
    page = await gateway.query_refunds(credentials(), OutTradeNo("GW-000001"))
    assert page.total_count == 2
    assert {refund.out_refund_no.text for refund in page.refunds} == {"RF-000001", "RF-000002"}
    assert (await gateway.query(credentials(), OutTradeNo("GW-000001"))).trade_state is TradeState.REFUND
    with pytest.raises(Refused):
        await gateway.refund(credentials(), OURS, refund_of("GW-000001", "RF-000003", 1))


async def test_F03_the_same_number_with_another_amount_is_no_second_refund(
    gateway: Gateway, where: Running
) -> None:
    await gateway.charge(credentials(), order("GW-000002"), auth_code(where))
    await gateway.refund(credentials(), OURS, refund_of("GW-000002", "RF-000020"))
    with pytest.raises(UnknownOutcome) as outcome:
        await gateway.refund(credentials(), OURS, refund_of("GW-000002", "RF-000020", 301))
    assert outcome.value.reason == "REFUND_FEE_MISMATCH"
    assert (await gateway.query_refund(credentials(), OutRefundNo("RF-000020"))).amount == Fen(300)


async def test_F09_the_simulator_takes_no_other_certificate_either(gateway: Gateway, where: Running) -> None:
    await gateway.charge(credentials(), order("GW-000003"), auth_code(where))
    stranger = client_certificate(MCH_ID, version=9)
    with pytest.raises(WechatPayError):
        await gateway.refund(credentials(), stranger, refund_of("GW-000003", "RF-000030"))
    with pytest.raises(Refused) as absent:
        await gateway.query_refund(credentials(), OutRefundNo("RF-000030"))
    assert absent.value.code == "REFUNDNOTEXIST"


async def test_a_payer_who_takes_too_long_is_reversed(gateway: Gateway, where: Running) -> None:
    with pytest.raises(UnknownOutcome) as outcome:
        await gateway.charge(credentials(), order("GW-000004"), auth_code(where, "userpaying"))
    assert outcome.value.reason == "USERPAYING"
    number = OutTradeNo("GW-000004")
    assert (await gateway.query(credentials(), number)).trade_state is TradeState.USERPAYING
    control(where, "clock", advance_s=16)
    assert not (await gateway.reverse(credentials(), OURS, number)).again
    assert (await gateway.query(credentials(), number)).trade_state is TradeState.REVOKED


async def test_an_app_order_opens_the_cashier_with_our_signature(gateway: Gateway, where: Running) -> None:
    phone = credentials(PHONE_APP)
    prepay = await gateway.place(phone, order("GW-000005", TradeType.APP))
    params = pay_params.for_app(phone, prepay.prepay_id, datetime.now(UTC))
    control(where, "pay", prepay_id=prepay.prepay_id.text, openid=PAYER, pay_params=params)
    assert (await gateway.query(phone, OutTradeNo("GW-000005"))).trade_state is TradeState.SUCCESS


async def test_an_H5_order_has_a_page_to_go_to(gateway: Gateway, where: Running) -> None:
    scene = H5Scene(H5Type.WAP, "https://m.example.com", "晨曦咖啡")
    prepay = await gateway.place(credentials(), order("GW-000006", TradeType.H5, scene=scene))
    assert prepay.h5_url is not None
    page = f"{where.url}{urlsplit(prepay.h5_url).path}"
    async with httpx.AsyncClient(trust_env=False) as browser:
        assert (await browser.get(page)).status_code == 200
