"""Orders by API v3, and providers that move between the two APIs (acceptance pains 2, 8, 21; P3-P12, K05).

What both versions have in common is in `test_by_v3`.
"""

from __future__ import annotations

import base64
import json
from typing import Any

import pytest
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import padding
from sqlalchemy import insert, select, update
from tests.sptenants.orders.test_adoption import lose
from tests.support.counting import counted
from tests.support.replacing import NATIVE, attempts, old_order, replaced
from tests.support.till import APP, MINI, OFFICIAL, PEER, Till, wanted
from tests.support.till_v3 import OWN, PLATFORM, PUBLIC_KEY_ID, build_till_v3, equip, move
from tests.support.v3_line import V3Wechat

from spcore.audit.actor import Actor
from spcore.clock import Clock
from spcore.db.base import table_of
from spcore.db.engine import Database
from spcore.db.scope import ProviderScope
from spcore.errors import InvalidInput
from spcore.providers.errors import ProviderNotReady
from spcore.providers.models import KeyKind
from sptenants.orders.filters import OrderFilter
from sptenants.orders.models import Attempt
from sptenants.orders.records import OrderRecord
from sptenants.orders.service import OrderService
from sptenants.orders.states import AttemptState, OrderStatus
from sptenants.orders.summing import Summing
from sptenants.orders.sums import DAY, day_of, midnight, sums
from sptenants.prices.service import Prices
from sptenants.registry.models import AppBinding, AppClaim
from wechatpay.gateway import TradeState, TradeType
from wechatpay.identifiers import AppId, AuthCode, OutTradeNo
from wechatpay.v3 import signing

WANG = Actor("person", "per_1", "王敏")
SCANNED: dict[str, Any] = {"trade_type": TradeType.NATIVE, "sub_appid": None, "openid": None}


ON_SQLITE = pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
"""What does not depend on the database is tested on one kind of it."""


@pytest.fixture
async def moved(database: Database, clock: Clock) -> Till:
    """A till that goes by v3."""
    return await build_till_v3(database, clock)


def rightly_signed(sign: str, *lines: str) -> bool:
    """Check the cashier's signature as the phone does: four lines, each with its end (wechatpay-v3 2.4)."""
    message = "".join(f"{line}\n" for line in lines).encode()
    OWN.public_key().verify(base64.b64decode(sign), message, padding.PKCS1v15(), hashes.SHA256())
    return True


async def attempt_of(till: Till, order: OrderRecord) -> Attempt:
    async with till.database.read(till.scope) as session:
        row = await session.scalar(
            select(Attempt).where(
                Attempt.tenant_id == till.scope.tenant_id, Attempt.out_trade_no == order.out_trade_no
            )
        )
    assert row is not None
    return row


# --- new orders --------------------------------------------------------------------------------------------


@ON_SQLITE
async def test_pain_3_a_mini_program_gets_five_fields_signed_by_rsa_for_its_own_appid(moved: Till) -> None:
    placed = await moved.orders.place(moved.caller, wanted(), peer=PEER)
    params = placed.pay_params
    assert params is not None
    assert set(params) == {"timeStamp", "nonceStr", "package", "signType", "paySign"}
    assert params["signType"] == "RSA"
    assert rightly_signed(params["paySign"], MINI, params["timeStamp"], params["nonceStr"], params["package"])
    issued = [
        entry.raw for entry in (await moved.detail(placed.order.id)).timeline if "sign_type" in entry.raw
    ]
    assert [raw["sign_type"] for raw in issued] == ["RSA"]


@ON_SQLITE
async def test_pain_3_pages_and_apps_get_theirs_under_their_own_appids(moved: Till) -> None:
    page = (await moved.orders.place(moved.caller, wanted(sub_appid=AppId(OFFICIAL)), peer=PEER)).pay_params
    assert page is not None
    assert page["appId"] == OFFICIAL
    assert rightly_signed(page["paySign"], OFFICIAL, page["timeStamp"], page["nonceStr"], page["package"])
    asked = wanted("T2", trade_type=TradeType.APP, sub_appid=AppId(APP), openid=None)
    app = (await moved.orders.place(moved.caller, asked, peer=PEER)).pay_params
    assert app is not None
    assert rightly_signed(app["sign"], APP, app["timestamp"], app["noncestr"], app["prepayid"])


@ON_SQLITE
@pytest.mark.parametrize("by_v3", [False, True])
@pytest.mark.parametrize("appid", [MINI, OFFICIAL])
async def test_pain_2_the_payer_of_a_sub_merchants_app_is_known_under_it(
    database: Database, clock: Clock, appid: str, *, by_v3: bool
) -> None:
    till = await build_till_v3(database, clock)
    await move(till, "v3" if by_v3 else "v2")
    order = await till.placed(sub_appid=AppId(appid))
    provider = till.caller.provider
    assert till.wechat.books[order.out_trade_no or ""].identity == {
        "appid": provider.appid,
        "mch_id": provider.mch_id,
        "sub_mch_id": till.caller.tenant.sub_mch_id,
        "sub_appid": appid,
    }


@ON_SQLITE
@pytest.mark.parametrize("by_v3", [False, True])
async def test_pain_2_the_payer_of_the_providers_own_mini_program_is_known_under_the_providers_appid(
    database: Database, clock: Clock, *, by_v3: bool
) -> None:
    """Then there is no `sub_appid`, and `sp_openid` (v2: `openid`) is sent (wechatpay-v3 2.3)."""
    till = await build_till_v3(database, clock)
    await move(till, "v3" if by_v3 else "v2")
    provider, bindings = till.caller.provider, table_of(AppBinding)
    claim = {"mode": "test", "sub_appid": provider.appid, "provider_id": provider.id}
    async with till.database.write(ProviderScope(provider.id)) as session:
        await session.execute(insert(table_of(AppClaim)), [claim])
    async with till.database.write(till.scope) as session:
        mine = (bindings.c.tenant_id == till.scope.tenant_id, bindings.c.sub_appid == MINI)
        await session.execute(
            update(bindings).where(*mine).values(sub_appid=provider.appid, owner="provider")
        )
    placed = await till.orders.place(till.caller, wanted(sub_appid=AppId(provider.appid)), peer=PEER)
    identity = till.wechat.books[placed.order.out_trade_no or ""].identity
    assert identity == {
        "appid": provider.appid,
        "mch_id": provider.mch_id,
        "sub_mch_id": till.caller.tenant.sub_mch_id,
    }
    assert placed.order.sub_appid == provider.appid
    params = placed.pay_params
    assert params is not None
    if by_v3:
        lines = (params["timeStamp"], params["nonceStr"], params["package"])
        assert rightly_signed(params["paySign"], provider.appid, *lines)
    till.wechat.pay(placed.order.out_trade_no or "", clock.now())
    assert (await till.orders.sync(till.scope, placed.order.id, WANG)).status is OrderStatus.PAID


@ON_SQLITE
async def test_pain_1_the_address_bears_the_version_and_the_attempt_remembers_it(moved: Till) -> None:
    order = await moved.placed()
    sent = moved.wechat.books[order.out_trade_no or ""].order
    assert sent.notify_url.endswith(f"/notify/wechat/{moved.caller.tenant.route_key}/v3/payment")
    attempt = await attempt_of(moved, order)
    # The second version of the provider's API certificate: the first was replaced when it got keys of v3.
    assert (attempt.api_version, attempt.key_version) == ("v3", 2)
    assert attempt.request["notify_url"] == sent.notify_url


@pytest.mark.parametrize("way", [TradeType.NATIVE, TradeType.H5])
async def test_P3_P7_what_has_no_prepay_id_is_payable_renewed_and_counted_all_the_same(
    moved: Till, way: TradeType
) -> None:
    asked = wanted(**(SCANNED | {"trade_type": way, "expires_in_s": 86_400}))
    first = await moved.orders.place(moved.caller, asked, peer=PEER)
    assert first.order.status is OrderStatus.PENDING
    assert (first.code_url or first.h5_url) is not None
    stored = await attempt_of(moved, first.order)
    assert (stored.state, stored.prepay_id) == (AttemptState.PAYABLE, None)
    assert stored.prepay_at == moved.clock.now()
    moved.clock.advance(hours=2)
    again = await moved.orders.place(moved.caller, asked, peer=PEER)
    assert (again.code_url or again.h5_url) is not None
    assert moved.wechat.numbers == [first.order.out_trade_no] * 2
    moved.wechat.pay(first.order.out_trade_no or "", moved.clock.now())
    assert (await moved.orders.sync(moved.scope, first.order.id, WANG)).status is OrderStatus.PAID
    moved.clock.advance(hours=1)
    while await Summing(moved.database, moved.clock).run():
        pass
    today = midnight(day_of(moved.clock.now()))
    async with moved.database.read(moved.scope) as session:
        counted_up, _as_of = await sums(session, moved.scope, today, today + DAY)
    assert (counted_up.settled_of, counted_up.settled_paid) == (1, 1)
    figures = await moved.reader.figures(moved.scope, OrderFilter())
    assert figures.success_per_10000 == 10_000


@ON_SQLITE
async def test_P7_a_repeat_sends_the_very_same_parameters(moved: Till) -> None:
    order = await moved.placed(expires_in_s=86_400)
    books = moved.wechat.books[order.out_trade_no or ""]
    kept, first = (await attempt_of(moved, order)).request, books.order
    moved.clock.advance(hours=3)
    await moved.placed(expires_in_s=86_400)
    assert (await attempt_of(moved, order)).request == kept
    assert (first.to_json(), books.prepays) == (kept, 2)


@ON_SQLITE
async def test_payment_codes_go_by_v2_at_every_provider(moved: Till) -> None:
    code = AuthCode("134567890123456789")
    asked = wanted(trade_type=TradeType.MICROPAY, sub_appid=None, openid=None, auth_code=code)
    placed = await moved.orders.place(moved.caller, asked, peer=PEER)
    assert placed.order.status is OrderStatus.PAID
    attempt = await attempt_of(moved, placed.order)
    assert (attempt.api_version, attempt.key_version) == ("v2", 1)
    assert attempt.request["notify_url"].endswith("/v2/payment")
    assert dict(moved.wechat.spoken) == {"v2": 1}


LACKS = {
    KeyKind.API_V3: "APIv3 密钥",
    KeyKind.WECHATPAY_PUBLIC_KEY: "微信支付公钥",
}


@ON_SQLITE
@pytest.mark.parametrize("lack", LACKS)
async def test_pain_21_a_provider_that_lacks_a_key_of_v3_is_told_which_and_nothing_is_stored(
    till: Till, lack: KeyKind
) -> None:
    await equip(till, lack)
    await move(till, "v3")
    with pytest.raises(ProviderNotReady) as refused:
        await till.placed()
    assert LACKS[lack] in refused.value.text.zh
    with pytest.raises(InvalidInput):  # what is wrong with the order is said first
        await till.placed(description="a" * 200)
    assert till.wechat.numbers == []
    assert not (await till.reader.list(till.scope, OrderFilter(), 100)).rows


@ON_SQLITE
async def test_K05_after_its_certificate_ended_nothing_is_made_by_v3_and_v2_goes_on(moved: Till) -> None:
    order = await moved.placed()
    moved.clock.advance(days=366)
    with pytest.raises(ProviderNotReady):
        await moved.placed("T2")
    await moved.healing.run_due()
    assert (await moved.order(order.id)).next_check_at is not None  # it waits for a new one
    await move(moved, "v2")
    assert (await moved.placed("T3")).status is OrderStatus.PENDING


# --- moving ------------------------------------------------------------------------------------------------


async def test_orders_of_v2_are_finished_by_v2_after_the_provider_moved_and_back(till: Till) -> None:
    old, unpaid = await till.placed("T1"), await till.placed("T2")
    await equip(till)
    await move(till, "v3")
    new = await till.placed("T3")
    assert [till.wechat.books[o.out_trade_no or ""].api_version for o in (old, unpaid, new)] == [
        "v2",
        "v2",
        "v3",
    ]
    till.wechat.pay(old.out_trade_no or "", till.clock.now())
    assert (
        await till.tell(till.wechat.notification(old.out_trade_no or "", await till.signing_key()))
    ).settled
    await move(till, "v2")
    latest = await till.placed("T4")
    assert (await attempt_of(till, latest)).api_version == "v2"
    till.wechat.spoken.clear()
    # The fake refuses a close by the other API, and credentials of the other one.
    till.clock.advance(minutes=40)
    await till.run_healing(times=3, minutes=1)
    assert (await till.order(old.id)).status is OrderStatus.PAID
    for order in (unpaid, new, latest):
        assert (await till.order(order.id)).status is OrderStatus.CLOSED
        assert till.wechat.books[order.out_trade_no or ""].state is TradeState.CLOSED
    assert till.wechat.spoken["v3"] > 0
    assert till.wechat.spoken["v2"] == 2 * till.wechat.spoken["v3"]


@ON_SQLITE
async def test_P3_an_order_whose_answer_was_lost_before_the_move_is_found_by_its_own_api(till: Till) -> None:
    till.wechat.fail("unifiedorder", "timeout")
    order = await till.placed()
    assert order.status is OrderStatus.SUBMITTING
    await equip(till)
    await move(till, "v3")
    await till.run_healing(times=2, seconds=6)
    healed = await till.order(order.id)
    assert (healed.status, till.wechat.numbers) == (OrderStatus.PENDING, [order.out_trade_no] * 2)
    assert set(till.wechat.spoken) == {"v2"}


@ON_SQLITE
async def test_O10_the_attempt_of_v2_is_closed_by_v2_and_the_next_one_made_by_v3(till: Till) -> None:
    order = await old_order(till)
    await equip(till)
    await move(till, "v3")
    placed = await replaced(till, order, NATIVE)
    assert placed.code_url is not None
    assert await attempts(till, order) == [
        (1, AttemptState.CLOSED, 12800),
        (2, AttemptState.PAYABLE, 12800),
    ]
    books = [till.wechat.books[number] for number in till.wechat.numbers]
    assert [(known.api_version, known.state) for known in books] == [
        ("v2", TradeState.CLOSED),
        ("v3", TradeState.NOTPAY),
    ]
    assert books[1].order.notify_url.endswith("/v3/payment")


async def test_a_lost_order_is_rebuilt_by_the_api_that_told_of_it(till: Till, clock: Clock) -> None:
    await equip(till)
    for no, told_by, expected in (("T1", None, "v3"), ("T2", "v2", "v2"), ("T3", "v3", "v3")):
        await move(till, "v2" if told_by == "v2" else "v3")
        order = await till.placed(no)
        till.wechat.pay(order.out_trade_no or "", clock.now())
        await move(till, "v3")
        await lose(till, order)
        adopted = await till.adoption.adopt(
            till.caller.provider,
            till.caller.tenant,
            OutTradeNo(order.out_trade_no or ""),
            api_version=told_by,
        )
        assert adopted.outcome == "adopted"
        attempt = await attempt_of(till, order)
        assert (attempt.api_version, attempt.key_version) == (expected, 2 if expected == "v3" else 1)


# --- what it costs -----------------------------------------------------------------------------------------


async def test_an_order_by_v3_costs_what_one_by_v2_costs_and_two_rsa_signatures(
    moved: Till, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One for the request, one for the cashier; no key is read, opened or parsed in steady state."""
    wechat = V3Wechat(moved.clock, PLATFORM, PUBLIC_KEY_ID)
    orders = OrderService(
        moved.database,
        moved.clock,
        moved.keyring,
        wechat,
        Prices(moved.database),
        public_url="https://p.example",
    )
    await orders.place(moved.caller, wanted("warm"), peer=PEER)
    loads, signatures = moved.keyring.loads, []
    sign = signing.sign

    def counting(key: Any, message: bytes) -> str:
        if key is not PLATFORM:
            signatures.append(message)
        return sign(key, message)

    def parsed(*_args: object, **_named: object) -> None:
        raise AssertionError("a key was parsed")

    monkeypatch.setattr(signing, "sign", counting)
    for name in (
        "load_pem_private_key",
        "load_pem_public_key",
        "load_der_private_key",
        "load_der_public_key",
    ):
        monkeypatch.setattr(serialization, name, parsed)
    with counted(moved.database) as cost:
        placed = await orders.place(moved.caller, wanted("T2"), peer=PEER)
    assert placed.pay_params is not None
    assert (cost.commits, len(cost.statements)) == (2, 6), cost.statements
    assert moved.keyring.loads == loads
    assert len(signatures) == 2
    with counted(moved.database) as cost:
        again = await orders.place(moved.caller, wanted("T2"), peer=PEER)
    assert again.outcome == "repeated"
    assert (len(signatures), moved.keyring.loads) == (3, loads)  # signed afresh, once

    sent = json.loads(wechat.sent[-1].content)
    assert sent["payer"] == {"sub_openid": sent["payer"]["sub_openid"]}
    assert wechat.sent[-1].headers["Wechatpay-Serial"] == PUBLIC_KEY_ID
