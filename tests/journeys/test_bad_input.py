"""Bad input gets a clear answer that names the field, and nothing is stored (issue, "Must show")."""

from __future__ import annotations

import copy
import json
from typing import Any

import pytest
from tests.support.installation import (
    COFFEE,
    COFFEE_APP,
    FLOWERS,
    PARTNER,
    PASSWORD,
    Installation,
    new_openid,
)


def pointers(answer: Any) -> list[str]:
    return [error["pointer"] for error in answer.json()["errors"]]


@pytest.mark.parametrize(
    ("change", "pointer"),
    [
        pytest.param({"amount": "1280"}, "#/amount", id="amount as text"),
        pytest.param({"amount": 12.8}, "#/amount", id="amount with a fraction"),
        pytest.param({"amount": True}, "#/amount", id="amount as truth"),
        pytest.param({"amount": 0}, "#/amount", id="nothing"),
        pytest.param({"amount": -1}, "#/amount", id="less than nothing"),
        pytest.param({"amount": 10**12}, "#/amount", id="more than WeChat takes"),
        pytest.param({"total_fee": 1}, "#/total_fee", id="unknown field"),
        pytest.param({"tenant_id": "ten_x"}, "#/tenant_id", id="a tenant named in the body"),
        pytest.param({"sub_mch_id": FLOWERS}, "#/sub_mch_id", id="another sub-merchant named"),
        pytest.param({"description": ""}, "#/description", id="no description"),
        pytest.param({"description": "字" * 43}, "#/description", id="129 bytes"),
        pytest.param({"trade_type": "CASH"}, "#/trade_type", id="unknown trade type"),
        pytest.param(
            {"trade_type": "JSAPI", "sub_appid": "wx0000000000000000", "openid": new_openid()},
            "#/sub_appid",
            id="unbound sub_appid",
        ),
    ],
)
def test_an_order_with_a_wrong_field_is_refused_by_name(
    house: Installation, change: dict[str, Any], pointer: str
) -> None:
    number = f"BAD{new_openid()[1:9].replace('-', 'x')}"

    answer = house.try_order(COFFEE, merchant_order_no=number, **change)

    assert answer.status_code == 422, answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.json()["code"] == "invalid_request"
    assert pointer in pointers(answer)
    stored = house.call("GET", f"/v1/orders?merchant_order_no={number}", house.tenants[COFFEE].key).json()
    assert stored["data"] == []


@pytest.mark.parametrize("field", ["amount", "total_fee", "price", "openid", "sub_appid"])
def test_O01_a_mini_program_that_names_money_or_payer_is_refused(house: Installation, field: str) -> None:
    token = house.log_in(COFFEE, COFFEE_APP, new_openid())
    body = {"price_code": "latte", "quantity": 1, field: 1}
    answer = house.call("POST", f"/v1/mini/{house.tenants[COFFEE].id}/orders", token, body)
    assert (answer.status_code, pointers(answer)) == (422, [f"#/{field}"])


def test_the_language_of_an_answer_follows_the_caller(house: Installation) -> None:
    key = house.tenants[COFFEE].key
    chinese = house.call("POST", "/v1/orders", key, {}).json()
    english = house.call("POST", "/v1/orders", key, {}, Accept_Language="en-GB,en;q=0.9").json()
    assert chinese["title"] == "请求参数有误"
    assert english["title"] == "The request is invalid"
    assert [e["code"] for e in chinese["errors"]] == [e["code"] for e in english["errors"]]


@pytest.mark.parametrize(
    "body",
    [
        pytest.param(b'{"amount":1,"amount":2}', id="a name twice"),
        pytest.param(b'{"amount":NaN}', id="NaN"),
        pytest.param(b'\xef\xbb\xbf{"amount":1}', id="byte order mark"),
        pytest.param(b'{"description":"\\ud800"}', id="half a character"),
        pytest.param(b"[" * 5000 + b"]" * 5000, id="deep"),
        pytest.param(b'{"amount":' + b"9" * 5000 + b"}", id="a huge number"),
        pytest.param(b"{", id="cut off"),
        pytest.param(b"\xff\xfe", id="not UTF-8"),
    ],
)
def test_X11_json_that_could_mean_two_things_is_refused(house: Installation, body: bytes) -> None:
    headers = {
        "Authorization": f"Bearer {house.tenants[COFFEE].key}",
        "Content-Type": "application/json",
    }
    answer = house.api.post("/v1/orders", content=body, headers=headers)
    assert (answer.status_code, answer.json()["code"]) == (400, "malformed_json")


def test_a_sixth_binding_is_refused_and_five_stay(house: Installation) -> None:
    """S1-40."""
    provider_key = house.provider_keys[PARTNER]
    path = f"/v1/tenants/{house.tenants[FLOWERS].id}"
    body = {"kind": "miniprogram", "owner": "merchant"}
    bound = len(house.call("GET", path, provider_key).json()["bindings"])
    made = []
    for number in range(5 - bound):
        answer = house.call(
            "POST", f"{path}/bindings", provider_key, body | {"sub_appid": f"wx00000000000000f{number}"}
        )
        assert answer.status_code == 201, answer.text
        made.append(answer.json()["id"])

    sixth = house.call("POST", f"{path}/bindings", provider_key, body | {"sub_appid": "wx00000000000000ff"})

    assert (sixth.status_code, sixth.json()["code"]) == (422, "invalid_request")
    assert len(house.call("GET", path, provider_key).json()["bindings"]) == 5
    for binding_id in made:
        assert house.call("DELETE", f"{path}/bindings/{binding_id}", provider_key).status_code in {200, 204}


def test_an_import_file_with_faults_is_refused_whole_and_every_fault_is_named(house: Installation) -> None:
    document = copy.deepcopy(house.document)
    provider = document["providers"][0]
    provider["tenants"][0]["colour"] = "green"
    provider["tenants"][1]["prices"][0]["amount"] = 12.8
    provider["tenants"][1]["bindings"] = [
        {"sub_appid": f"wx00000000000000e{n}", "kind": "miniprogram", "owner": "merchant"} for n in range(6)
    ]
    provider["tenants"].append({"name": "新商户", "sub_mch_id": "1600000099"})
    before = house.call("GET", "/v1/tenants", house.provider_keys[PARTNER]).json()["data"]

    done = house.command("import", "-", given=json.dumps(document).encode())

    said = done.stderr.decode()
    assert done.returncode == 1
    for pointer in (
        "#/providers/0/tenants/0/colour",
        "#/providers/0/tenants/1/prices/0/amount",
        "#/providers/0/tenants/1/bindings",
    ):
        assert pointer in said
    assert PASSWORD not in said
    assert house.call("GET", "/v1/tenants", house.provider_keys[PARTNER]).json()["data"] == before


def test_a_refused_import_tells_machines_where_each_fault_is(house: Installation) -> None:
    done = house.command("import", "-", "--json", given=b'{"providers": [], "zzz": 1, "admins": 2}')
    assert done.returncode == 1
    refused = json.loads(done.stdout)
    assert (refused["ok"], refused["code"]) == (False, "invalid_request")
    assert {each["pointer"] for each in refused["errors"]} == {"#/zzz", "#/admins"}
    assert all(set(each) == {"pointer", "code", "detail"} for each in refused["errors"])
    assert b"#/zzz" in done.stderr


def test_importing_the_same_file_again_changes_nothing_and_tells_no_secret(house: Installation) -> None:
    done = house.command("import", "-", "--json", given=json.dumps(house.document).encode())
    assert done.returncode == 0, done.stderr.decode()
    assert b"wsk_" not in done.stdout
    assert b"wpk_" not in done.stdout
    ids = [t["id"] for p in json.loads(done.stdout)["providers"] for t in p["tenants"]]
    assert ids == [tenant.id for tenant in house.tenants.values()]
