"""What belongs to somebody else looks as if it did not exist (failure catalogue T01, T04, rule Y3)."""

from __future__ import annotations

import time
from typing import Any

import pytest
from tests.support.installation import (
    BANK,
    COFFEE,
    COFFEE_APP,
    FLOWERS,
    MARKET,
    PARTNER,
    PATIENCE_S,
    SLOW,
    Installation,
    new_openid,
)

NEVER = "01JD3K8W7Q4M6X0B2T9V5H1CZN"


def without_request_id(answer: Any, path: str) -> dict[str, Any]:
    body: dict[str, Any] = answer.json()
    assert body.pop("request_id")
    assert body.pop("instance") == path
    return body


ROUTES: dict[tuple[str, str], Any] = {
    ("GET", "/v1/orders/{order_id}"): None,
    ("GET", "/v1/orders/{order_id}/timeline"): None,
    ("GET", "/v1/orders/{order_id}/qr.svg"): None,
    ("POST", "/v1/orders/{order_id}/close"): None,
    ("POST", "/v1/orders/{order_id}/sync"): None,
    ("POST", "/v1/orders/{order_id}/attempts"): {"amount": 990},
    ("POST", "/v1/orders/{order_id}/refunds"): {"merchant_refund_no": "FOREIGN1", "amount": 100},
    ("POST", "/v1/orders/{order_id}/refunds/sync"): None,
    ("GET", "/v1/refunds/{refund_id}"): None,
    ("POST", "/v1/refunds/{refund_id}/sync"): None,
    ("GET", "/v1/anomalies/{anomaly_id}"): None,
    ("POST", "/v1/anomalies/{anomaly_id}/resolve"): {"note": "已与付款人核对"},
    ("GET", "/v1/bills/{date}"): None,
    ("GET", "/v1/bills/{date}/download"): None,
    ("GET", "/v1/events/{event_id}"): None,
    ("GET", "/v1/deliveries/{delivery_id}"): None,
    ("POST", "/v1/deliveries/{delivery_id}/resend"): None,
    ("GET", "/v1/webhook-endpoints/{endpoint_id}"): None,
    ("PATCH", "/v1/webhook-endpoints/{endpoint_id}"): {"description": "我的"},
    ("DELETE", "/v1/webhook-endpoints/{endpoint_id}"): None,
    ("POST", "/v1/webhook-endpoints/{endpoint_id}/rotate-secret"): None,
    ("POST", "/v1/webhook-endpoints/{endpoint_id}/test"): None,
}
"""Every route of the API that names something of a tenant, with a body it takes."""

OF_A_PROVIDER = "/v1/tenants/"
"""These routes name a tenant; they belong to the provider's key and are tried below."""


@pytest.fixture(scope="module")
def mine(house: Installation) -> dict[str, str]:
    """One of everything that a merchant can have, by its name in paths."""
    key, until = house.tenants[COFFEE].key, time.monotonic() + PATIENCE_S
    made = house.call("POST", "/v1/webhook-endpoints", key, {"url": "https://shop.example.invalid/hook"})
    assert made.status_code == 201, made.text
    order = house.order(COFFEE)
    house.control("pay", {"out_trade_no": order["out_trade_no"], "openid": new_openid()})
    house.until(COFFEE, order["id"], "paid")
    body = {"merchant_refund_no": f"R{order['merchant_order_no']}", "amount": 100}
    refund = house.call("POST", f"/v1/orders/{order['id']}/refunds", key, body)
    assert refund.status_code == 201, refund.text
    house.control("faults", {"path": "notify", "kind": "wrong_amount", "total_fee": 1})
    disputed = house.order(COFFEE)
    house.control("pay", {"out_trade_no": disputed["out_trade_no"], "openid": new_openid()})
    house.until_notified(disputed["out_trade_no"])
    found = {"order_id": order["id"], "refund_id": refund.json()["id"], "endpoint_id": made.json()["id"]}
    for name, path in (("event_id", "events"), ("delivery_id", "deliveries"), ("anomaly_id", "anomalies")):
        while not (listed := house.call("GET", f"/v1/{path}", key).json()["data"]):
            assert time.monotonic() < until, path
            time.sleep(0.1)
        found[name] = listed[0]["id"]
    return found | {"date": _reconciled(house, order["id"])}


def _reconciled(house: Installation, order_id: str) -> str:
    """Have the day of a payment compared while it lasts; only the coffee shop sold anything on it."""
    key = house.tenants[COFFEE].key
    day: str = house.call("GET", f"/v1/orders/{order_id}", key).json()["paid_at"][:10]
    house.control("bills", {"open_days": True})
    # What the disputed order makes of the bill is of no importance here, so it may end with 1.
    house.command("bill", "fetch", "--date", day, "--kind", "trade", "--json")
    for path in (f"/v1/bills/{day}", f"/v1/bills/{day}/download"):
        assert house.call("GET", path, key).status_code == 200
    return day


def test_T01_no_route_that_names_something_is_left_out(house: Installation) -> None:
    named = {
        (route["method"], route["path"])
        for route in house.ask("routes")
        if route["area"] == "api" and "{" in route["path"] and not route["path"].startswith(OF_A_PROVIDER)
    }
    assert named == ROUTES.keys()


@pytest.mark.parametrize("stranger", [FLOWERS, MARKET])
@pytest.mark.parametrize(("method", "path"), ROUTES)
def test_T01_what_is_foreign_answers_like_what_is_missing(
    house: Installation, mine: dict[str, str], stranger: str, method: str, path: str
) -> None:
    key, body = house.tenants[stranger].key, ROUTES[method, path]
    # Ids of one kind begin alike; the rest is that of something that never existed.
    missing = path.format(**{name: known[:4] + NEVER for name, known in mine.items()})
    foreign = path.format(**mine)

    found, absent = house.call(method, foreign, key, body), house.call(method, missing, key, body)

    assert (found.status_code, absent.status_code) == (404, 404), found.text
    assert without_request_id(found, foreign) == without_request_id(absent, missing)


def test_T01_after_all_that_nothing_has_changed(house: Installation, mine: dict[str, str]) -> None:
    key = house.tenants[COFFEE].key
    order = house.read(COFFEE, mine["order_id"])
    assert (order["status"], order["refunded_amount"] + order["refunding_amount"]) == ("paid", 100)
    anomaly = house.call("GET", f"/v1/anomalies/{mine['anomaly_id']}", key).json()
    assert (anomaly["kind"], anomaly["state"]) == ("amount_mismatch", "open")
    endpoint = house.call("GET", f"/v1/webhook-endpoints/{mine['endpoint_id']}", key).json()
    assert (endpoint["status"], endpoint["description"]) == ("active", None)


def test_T02_lists_hold_own_orders_only_and_foreign_cursors_give_nothing_away(house: Installation) -> None:
    mine = {house.order(COFFEE)["id"] for _ in range(3)}
    theirs = {house.order(FLOWERS)["id"] for _ in range(3)}
    page = house.call("GET", "/v1/orders?limit=2", house.tenants[COFFEE].key).json()
    assert {order["id"] for order in page["data"]} <= mine

    swapped = house.call(
        "GET", f"/v1/orders?limit=100&cursor={page['next_cursor']}", house.tenants[FLOWERS].key
    ).json()

    assert not mine & {order["id"] for order in swapped["data"]}
    assert all(order["id"] not in theirs for order in page["data"])


def test_T01_a_foreign_tenant_answers_like_a_missing_one(house: Installation) -> None:
    key = house.provider_keys[BANK]
    foreign = f"/v1/tenants/{house.tenants[COFFEE].id}"
    missing = "/v1/tenants/ten_01JD3K8W7Q4M6X0B2T9V5H1CZN"
    found, absent = house.call("GET", foreign, key), house.call("GET", missing, key)
    assert (found.status_code, absent.status_code) == (404, 404)
    assert without_request_id(found, foreign) == without_request_id(absent, missing)
    body = {"sub_appid": "wx00000000000000aa", "kind": "miniprogram", "owner": "merchant"}
    assert house.call("POST", f"{foreign}/bindings", key, body).status_code == 404


def test_T04_a_provider_acts_for_its_own_tenants_and_no_others(house: Installation) -> None:
    order = house.order(COFFEE)
    path = f"/v1/orders/{order['id']}"
    coffee = house.tenants[COFFEE].id

    own = house.call("GET", path, house.provider_keys[PARTNER], Tenant_Id=coffee)
    foreign = house.call("GET", path, house.provider_keys[BANK], Tenant_Id=coffee)
    unnamed = house.call("GET", path, house.provider_keys[PARTNER])

    assert own.json()["id"] == order["id"]
    assert foreign.status_code == 404
    assert unnamed.status_code == 422


@pytest.mark.parametrize(
    "token", ["", "wsk_test_", "wsk_test_" + "A" * 32, "wpk_live_" + "B" * 32, "x" * 4000, "wst_abc"]
)
def test_T04_a_key_that_is_none_opens_nothing(house: Installation, token: str) -> None:
    for method, path in (("GET", "/v1/orders"), ("POST", "/v1/orders"), ("GET", "/v1/tenants")):
        answer = house.call(method, path, token)
        assert (answer.status_code, answer.json()["code"]) == (401, "unauthenticated")
        assert answer.headers["www-authenticate"].startswith("Bearer")


def test_T04_a_tenants_key_does_nothing_on_a_providers_routes(house: Installation) -> None:
    for method in ("GET", "POST"):
        assert house.call(method, "/v1/tenants", house.tenants[COFFEE].key, {}).status_code == 401


def test_O07_a_payer_sees_own_orders_only(house: Installation) -> None:
    mini = f"/v1/mini/{house.tenants[COFFEE].id}/orders"
    one, other = (house.log_in(COFFEE, COFFEE_APP, new_openid()) for _ in range(2))
    order = house.call("POST", mini, one, {"price_code": "latte", "quantity": 1}).json()

    assert house.call("GET", f"{mini}/{order['id']}", one).status_code == 200
    assert house.call("GET", f"{mini}/{order['id']}", other).status_code == 404
    assert house.call("POST", f"{mini}/{order['id']}/pay", other).status_code == 404


def test_T10_a_tenant_over_its_own_limit_is_slowed_and_nobody_else_is(house: Installation) -> None:
    slow = [house.call("GET", "/v1/orders", house.tenants[SLOW].key) for _ in range(20)]
    others = [house.call("GET", "/v1/orders", house.tenants[COFFEE].key) for _ in range(20)]

    refused = [answer for answer in slow if answer.status_code == 429]
    assert refused
    assert refused[0].json()["code"] == "rate_limited"
    assert int(refused[0].headers["retry-after"]) >= 1
    assert slow[0].headers["ratelimit-limit"] == "3"
    assert {answer.status_code for answer in others} == {200}
