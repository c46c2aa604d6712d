"""What belongs to somebody else looks as if it did not exist (failure catalogue T01, T04, rule Y3)."""

from __future__ import annotations

from typing import Any

import pytest
from tests.support.installation import (
    BANK,
    COFFEE,
    COFFEE_APP,
    FLOWERS,
    MARKET,
    PARTNER,
    SLOW,
    Installation,
    new_openid,
)

NOWHERE = "ord_01JD3K8W7Q4M6X0B2T9V5H1CZN"


def without_request_id(answer: Any, path: str) -> dict[str, Any]:
    body: dict[str, Any] = answer.json()
    assert body.pop("request_id")
    assert body.pop("instance") == path
    return body


@pytest.mark.parametrize("stranger", [FLOWERS, MARKET])
@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "/v1/orders/{}"),
        ("POST", "/v1/orders/{}/close"),
        ("POST", "/v1/orders/{}/sync"),
        ("GET", "/v1/orders/{}/timeline"),
    ],
)
def test_T01_a_foreign_order_answers_like_a_missing_one(
    house: Installation, stranger: str, method: str, path: str
) -> None:
    order = house.order(COFFEE)
    key = house.tenants[stranger].key
    foreign, missing = path.format(order["id"]), path.format(NOWHERE)

    found, absent = house.call(method, foreign, key), house.call(method, missing, key)

    assert (found.status_code, absent.status_code) == (404, 404)
    assert without_request_id(found, foreign) == without_request_id(absent, missing)
    assert house.read(COFFEE, order["id"])["status"] == "pending"


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
