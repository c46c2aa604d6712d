"""The controls under /_sim/ (contract 6)."""

from __future__ import annotations

import copy
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from tests.support.simulated import COFFEE, COFFEE_APP, MCH_ID, PROVIDERS, Desk, order

from spsim.faults import KINDS


async def test_registering_is_idempotent_and_ignores_what_wechat_does_not_know(desk: Desk) -> None:
    first = await desk.control("providers", **PROVIDERS)
    second = await desk.control("providers", **PROVIDERS)
    assert first == second
    assert first.keys() == {"providers", "ca_pem"}
    provider = first["providers"][0]
    assert provider.keys() == {"mch_id", "wechatpay_public_keys", "platform_certificates"}
    assert provider["mch_id"] == MCH_ID
    key = provider["wechatpay_public_keys"][0]
    assert key["id"].startswith("PUB_KEY_ID_")
    assert isinstance(serialization.load_pem_public_key(key["pem"].encode()), rsa.RSAPublicKey)
    issued = provider["platform_certificates"][0]
    certificate = x509.load_pem_x509_certificate(issued["pem"].encode())
    assert issued["serial"] == f"{certificate.serial_number:040X}"
    authority = x509.load_pem_x509_certificate(first["ca_pem"].encode())
    certificate.verify_directly_issued_by(authority)


async def test_a_tenant_named_again_replaces_its_bindings(desk: Desk) -> None:
    provider = copy.deepcopy(PROVIDERS["providers"][0])
    provider["tenants"] = [{"sub_mch_id": COFFEE, "bindings": []}]
    await desk.control("providers", providers=[provider])
    answer = await desk.call("/pay/unifiedorder", order())
    assert answer["return_msg"] == "sub_mch_id与sub_appid不匹配"


def _six_bindings(provider: dict[str, Any]) -> None:
    provider["tenants"][0]["bindings"] = [{"sub_appid": f"wx{index:016d}"} for index in range(6)]


def _six_times_the_same(provider: dict[str, Any]) -> None:
    provider["tenants"][0]["bindings"] = [{"sub_appid": COFFEE_APP}] * 6


BAD: list[tuple[Any, str]] = [
    (lambda p: p.pop("mch_id"), "/providers/0/mch_id"),
    (lambda p: p.update(mch_id=1900000109), "/providers/0/mch_id"),
    (lambda p: p.update(appid="8888"), "/providers/0/appid"),
    (lambda p: p.update(kind="broker"), "/providers/0/kind"),
    (lambda p: p.update(api_v2_key="short"), "/providers/0/api_v2_key"),
    (lambda p: p.update(verification="none"), "/providers/0/verification"),
    (lambda p: p.update(client_cert_pem="x"), "/providers/0/client_cert_pem"),
    (lambda p: p.update(tenants="none"), "/providers/0/tenants"),
    (lambda p: p["tenants"][0].update(sub_mch_id=MCH_ID), "/providers/0/tenants/0/sub_mch_id"),
    (lambda p: p["tenants"][1].pop("sub_mch_id"), "/providers/0/tenants/1/sub_mch_id"),
    (lambda p: p["tenants"][0]["bindings"][0].update(kind="web"), "/providers/0/tenants/0/bindings/0/kind"),
    (lambda p: p["tenants"][0].update(wechat_status="?"), "/providers/0/tenants/0/wechat_status"),
    (lambda p: p.update(kind="merchant"), "/providers/0/tenants/0/sub_mch_id"),
    (_six_bindings, "/providers/0/tenants/0/bindings"),
]


@pytest.mark.parametrize(
    ("spoil", "pointer"), BAD, ids=[f"{i}-{pointer}" for i, (_, pointer) in enumerate(BAD)]
)
async def test_a_wrong_document_is_refused_whole_with_a_pointer(desk: Desk, spoil: Any, pointer: str) -> None:
    provider = copy.deepcopy(PROVIDERS["providers"][0])
    spoil(provider)
    response = await desk.http.post("/_sim/providers", json={"providers": [provider]})
    assert response.status_code == 400
    assert f"{pointer}:" in response.json()["detail"]
    await desk.create()


async def test_the_same_appid_counts_once_towards_five(desk: Desk) -> None:
    provider = copy.deepcopy(PROVIDERS["providers"][0])
    _six_times_the_same(provider)
    await desk.control("providers", providers=[provider])


async def test_a_document_without_providers_is_refused(refusing: Desk) -> None:
    assert await refusing.refused("providers", provider=[]) == (400, "BAD_DOCUMENT")


async def test_the_index_names_every_control_and_every_fault(desk: Desk) -> None:
    index = (await desk.http.get("/_sim/")).json()
    documented = {(entry["method"], entry["path"]) for entry in index["controls"]}
    assert all(entry["does"] for entry in index["controls"])
    routed = {
        (method, route)
        for method, route in [
            ("GET", "/_sim/"),
            ("POST", "/_sim/providers"),
            ("GET", "/_sim/ca"),
            ("POST", "/_sim/codes"),
            ("POST", "/_sim/pay"),
            ("GET", "/_sim/phone/{prepay_id}"),
            ("POST", "/_sim/phone/{prepay_id}"),
            ("GET", "/_sim/ledger"),
            ("GET", "/_sim/faults"),
            ("POST", "/_sim/faults"),
            ("DELETE", "/_sim/faults"),
            ("GET", "/_sim/clock"),
            ("POST", "/_sim/clock"),
            ("POST", "/_sim/notify/{out_trade_no}"),
            ("POST", "/_sim/auth_codes"),
            ("POST", "/_sim/refunds"),
            ("POST", "/_sim/refunds/{out_refund_no}"),
            ("GET", "/_sim/settlement"),
            ("POST", "/_sim/settlement"),
            ("POST", "/_sim/balances"),
            ("GET", "/_sim/limits"),
            ("POST", "/_sim/limits"),
            ("GET", "/_sim/misconfigurations"),
            ("POST", "/_sim/misconfigurations"),
            ("DELETE", "/_sim/misconfigurations"),
            ("POST", "/_sim/front"),
            ("GET", "/_sim/bills"),
            ("POST", "/_sim/bills"),
            ("POST", "/_sim/bills/differences"),
            ("DELETE", "/_sim/bills/differences"),
            ("GET", "/_sim/v3/keys"),
            ("POST", "/_sim/v3/keys"),
            ("POST", "/_sim/v3/flood"),
        ]
    }
    assert documented == routed
    assert index["kinds"].keys() == KINDS.keys()
    assert index["kinds"]["notify"]["duplicate"] == {"n": "int"}


@pytest.mark.parametrize(
    "document",
    [
        {},
        {"advance": 3},
        {"advance_s": -1},
        {"advance_s": "3"},
        {"advance_s": True},
        {"compress": 0},
        {"retry_gaps_s": 15},
        {"retry_gaps_s": [15, -1]},
        {"advance_s": 5, "compress": -1},
    ],
)
async def test_a_wrong_clock_setting_changes_nothing(refusing: Desk, document: dict[str, Any]) -> None:
    assert await refusing.refused("clock", **document) == (400, "BAD_CLOCK")
    clock = (await refusing.http.get("/_sim/clock")).json()
    assert (clock["offset_s"], len(clock["retry_gaps_s"])) == (0, 15)


async def test_the_clock_can_be_reset(desk: Desk) -> None:
    moved = await desk.control("clock", advance_s=60.5, retry_gaps_s=[])
    assert (moved["offset_s"], moved["retry_gaps_s"]) == (60.5, [])
    back = await desk.control("clock", reset=True)
    assert (back["offset_s"], len(back["retry_gaps_s"])) == (0, 15)


async def test_the_ledger_tells_orders_of_one_number_apart(desk: Desk) -> None:
    await desk.create(order("T000001"))
    await desk.create(order("T000002"))
    await desk.control("pay", out_trade_no="T000002")
    books = await desk.ledger(out_trade_no="T000002")
    assert books.keys() == {"orders", "payments", "refunds", "reversals", "notifications"}
    assert [entry["out_trade_no"] for entry in books["orders"]] == ["T000002"]
    assert (books["orders"][0]["trade_state"], books["orders"][0]["total_fee"]) == ("SUCCESS", 1280)
    assert (books["payments"][0]["sub_mch_id"], books["refunds"]) == (COFFEE, [])
    assert len((await desk.ledger())["orders"]) == 2


async def test_no_control_shows_a_secret(desk: Desk) -> None:
    provider = PROVIDERS["providers"][0]
    await desk.create()
    answers = [
        (await desk.http.get(path)).text for path in ("/_sim/", "/_sim/ledger", "/_sim/faults", "/_sim/clock")
    ]
    answers.append(str(await desk.control("providers", **PROVIDERS)))
    secrets = (provider["api_v2_key"], provider["tenants"][0]["bindings"][0]["app_secret"], "PRIVATE KEY")
    assert not [secret for secret in secrets for answer in answers if secret in answer]


async def test_a_body_that_is_not_an_object_is_a_client_error(refusing: Desk) -> None:
    for path in ("providers", "codes", "pay", "faults", "clock", "notify/T000001", "refunds", "limits"):
        response = await refusing.http.post(f"/_sim/{path}", content=b"[1]")
        assert response.status_code == 400, path
