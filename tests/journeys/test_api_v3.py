"""API v3 over the real programs: every way to pay, every way to verify, and the move from v2 under load."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any

import pytest
from tests.support.databases import postgres_url, sqlite_url
from tests.support.installation import (
    COFFEE,
    COFFEE_APP,
    COFFEE_PAGE,
    COFFEE_PHONE,
    MERCHANT,
    MERCHANT_APP,
    PARTNER,
    Installation,
    installed,
    new_openid,
)
from tests.support.later import healed
from tests.support.parties_v3 import move_to_v3, refuse_nothing
from tests.support.traffic import Traffic


@contextmanager
def house_on(folders: pytest.TempPathFactory, kind: str) -> Iterator[Installation]:
    folder = folders.mktemp("v3")
    with installed(folder, sqlite_url(folder) if kind == "sqlite" else postgres_url()) as made:
        yield made


@pytest.fixture(params=["sqlite", "postgresql"])
def shop(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Installation]:
    with house_on(tmp_path_factory, request.param) as made:
        yield made


WAYS: dict[str, dict[str, Any]] = {
    "mini-program": {"trade_type": "JSAPI", "sub_appid": COFFEE_APP, "openid": True},
    "official account": {"trade_type": "JSAPI", "sub_appid": COFFEE_PAGE, "openid": True},
    "app": {"trade_type": "APP", "sub_appid": COFFEE_PHONE},
    "code": {"trade_type": "NATIVE"},
    "page": {"trade_type": "H5", "payer_ip": "203.0.113.77"},
}


@pytest.mark.slow
def test_a_provider_moves_to_v3_under_load_and_old_orders_end_by_v2(shop: Installation) -> None:
    """Pain 8; decision 7: no order fails, and every notification of an old order is applied."""
    waiting = [shop.order(COFFEE) for _ in range(10)]
    traffic = Traffic(shop, COFFEE, COFFEE_APP)
    with traffic.running():
        traffic.wait_for_more(20)
        before = len(traffic.orders)
        move_to_v3(shop, PARTNER)
        traffic.wait_for_more(40)
    for order in waiting:
        shop.control("pay", {"out_trade_no": order["out_trade_no"], "openid": new_openid()})

    assert traffic.refused == []
    everything = [*waiting, *traffic.orders]
    for order in everything:
        shop.until(COFFEE, order["id"], "paid")
    refuse_nothing(shop, everything)
    versions = [shop.books(order["out_trade_no"])["orders"][0]["api_version"] for order in everything]
    assert set(versions[: len(waiting) + before]) == {"v2"}
    assert versions[-1] == "v3"
    assert versions.count("v3") >= 20

    # A refund goes the way its payment went, whatever is configured now.
    for order in (waiting[0], traffic.orders[-1]):
        refund = shop.call(
            "POST",
            f"/v1/orders/{order['id']}/refunds",
            shop.tenants[COFFEE].key,
            {"merchant_refund_no": f"R-{order['id'][-8:]}", "amount": 100, "reason": "退款"},
        )
        assert refund.status_code in {201, 202}, refund.text
    for minutes in (1, 2, 12, 70):
        healed(shop, minutes)
    for order in (waiting[0], traffic.orders[-1]):
        assert shop.read(COFFEE, order["id"])["refunded_amount"] == 100


@pytest.mark.slow
@pytest.mark.parametrize(
    ("kind", "verification"),
    [
        ("sqlite", "public_key"),
        ("sqlite", "certificate"),
        ("sqlite", "both"),
        ("postgresql", "public_key"),
    ],
)
def test_every_way_to_pay_by_v3(
    tmp_path_factory: pytest.TempPathFactory, kind: str, verification: str
) -> None:
    """Pain 2: whose openid and appid it is follows from the binding; the simulator is strict about it."""
    with house_on(tmp_path_factory, kind) as house:
        move_to_v3(house, PARTNER, verification=verification)
        move_to_v3(house, MERCHANT, verification=verification)
        paid = [_paid(house, COFFEE, **fields) for fields in WAYS.values()]
        paid.append(_paid(house, None, trade_type="JSAPI", sub_appid=MERCHANT_APP, openid=True))
        refuse_nothing(house, paid)


def _paid(house: Installation, sub_mch_id: str | None, **fields: Any) -> Any:
    openid = new_openid()
    fields = {name: openid if value is True else value for name, value in fields.items()}
    order = house.order(sub_mch_id, **fields)
    paying: dict[str, Any] = {"out_trade_no": order["out_trade_no"], "openid": openid, "outcome": "success"}
    if params := order.get("pay_params"):
        assert params.get("signType", "RSA") == "RSA"
        paying |= {"pay_params": params, "appid": fields["sub_appid"]}
    house.control("pay", paying)
    assert house.until(sub_mch_id, order["id"], "paid")["trade_type"] == fields["trade_type"]
    return order


@pytest.mark.slow
def test_K03_a_flood_of_unknown_serials_costs_one_fetch_and_delays_nobody(
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    with house_on(tmp_path_factory, "postgresql") as house, ThreadPoolExecutor(1) as stranger:
        move_to_v3(house, PARTNER, verification="certificate")
        target, traffic = house.order(COFFEE), Traffic(house, COFFEE, COFFEE_APP, merchants=2)
        before = _fetches(house)
        forged = {"mch_id": PARTNER, "out_trade_no": target["out_trade_no"], "count": 300, "per_second": 30}
        with traffic.running():
            flood = stranger.submit(house.control, "v3/flood", forged)
            traffic.wait_for_more(20)
            answers = flood.result()["answers"]

        assert answers == {"401": 300}
        assert _fetches(house) - before <= 1
        assert traffic.refused == []
        for order in traffic.orders:
            house.until(COFFEE, order["id"], "paid")
        refuse_nothing(house, traffic.orders)
        assert house.read(COFFEE, target["id"])["status"] == "pending"


def _fetches(house: Installation) -> int:
    """Return how often WeChat was asked for its certificates."""
    (simulator,) = (program for program in house.programs if program.log.name == "simulator.log")
    return simulator.output().count('"/v3/certificates"')
