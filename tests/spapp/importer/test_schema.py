"""Reading an import file: what is wrong is found without a database, all of it, each with its place."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

import pytest
from tests.support import import_file
from tests.support.import_file import binding, changed, encoded, example, provider, tenant

from spapp.importer.schema import read_document
from spcore.errors import Fault, InvalidInput
from sptenants.registry.rules import TenantStatus

NOW = datetime(2026, 11, 21, 12, 50, tzinfo=UTC)
TENANT = "#/providers/0/tenants/0"


def faults_of(document: bytes) -> tuple[Fault, ...]:
    with pytest.raises(InvalidInput) as refused:
        read_document(document, NOW)
    return refused.value.faults


def places_of(document: Any) -> list[tuple[str, str]]:
    return [(fault.pointer, fault.code) for fault in faults_of(encoded(document))]


def test_the_contracts_example_is_read_whole() -> None:
    read = read_document(encoded(example()), NOW)

    (only,) = read.providers
    (shop,) = only.tenants
    assert (only.mch_id, only.kind, only.api_version, only.sign_type) == (
        "1900000109",
        "ordinary",
        "v2",
        "HMAC-SHA256",
    )
    assert [key.kind for key in only.keys] == [
        "api_v2_key",
        "api_v3_key",
        "client_certificate",
        "wechatpay_public_key",
    ]
    assert shop.status is TenantStatus.LIVE
    assert shop.amendments == {"name": "晨曦咖啡", "server_per_second": 50, "session_per_second": 5}
    assert [person.email for person in read.people()] == [
        "root@example.com",
        "op@example.com",
        "boss@example.com",
    ]


def test_secrets_show_in_no_repr() -> None:
    shown = repr(read_document(encoded(example()), NOW))

    assert not [canary for canary in import_file.CANARIES if canary in shown]
    assert "PRIVATE KEY" not in shown


@pytest.mark.parametrize(
    ("pointer", "value", "code"),
    [
        pytest.param("#/provider", [], "unknown_field", id="unknown field at the top"),
        pytest.param("#/providers/0/secret", "x", "unknown_field", id="unknown field of a provider"),
        pytest.param(f"{TENANT}/provider_id", "prv_x", "unknown_field", id="T03 owner in the body"),
        pytest.param(f"{TENANT}/bindings/0/slot", 1, "unknown_field", id="unknown field of a binding"),
        pytest.param("#/providers", {}, "wrong_type", id="object for an array"),
        pytest.param("#/providers/0", "x", "wrong_type", id="text for an object"),
        pytest.param("#/providers/0/name", 7, "wrong_type", id="number for a text"),
        pytest.param("#/providers/0/mode", None, "wrong_type", id="null for what is needed"),
        pytest.param("#/providers/0/mode", "prod", "unknown_value", id="unknown mode"),
        pytest.param("#/providers/0/kind", "Ordinary", "unknown_value", id="kind in capitals"),
        pytest.param("#/providers/0/sign_type", "SHA1", "unknown_value", id="unknown sign type"),
        pytest.param(
            "#/providers/0/mch_id", "19000001", "foreign_certificate", id="K06 another's certificate"
        ),
        pytest.param("#/providers/0/mch_id", "1900000１09", "invalid_format", id="S18 full-width digit"),
        pytest.param("#/providers/0/appid", "8888888888888888", "invalid_format", id="appid without wx"),
        pytest.param("#/providers/0/api_v2_key", "short", "invalid_key", id="S1-08 key too short"),
        pytest.param("#/providers/0/api_v2_key", " " * 32, "invalid_key", id="S1-08 key of blanks"),
        pytest.param("#/providers/0/api_v3_key", "k" * 33, "invalid_key", id="S1-08 v3 key too long"),
        pytest.param("#/providers/0/client_key_pem", None, "missing", id="certificate without key"),
        pytest.param("#/providers/0/client_cert_pem", "DER", "not_pem", id="K06 not PEM"),
        pytest.param("#/providers/0/wechatpay_public_keys/0/id", "X", "invalid_public_key_id", id="key id"),
        pytest.param("#/providers/0/members/0/role", "platform_admin", "unknown_value", id="role elsewhere"),
        pytest.param("#/providers/0/members/0/email", "op", "invalid_email", id="no address"),
        pytest.param("#/providers/0/members/0/password", "short", "weak_password", id="S06 short password"),
        pytest.param("#/admins/0/role", "merchant_user", "unknown_value", id="merchant as admin"),
        pytest.param(f"{TENANT}/name", "晨曦\u200b咖啡", "invalid_name", id="S18 invisible character"),
        pytest.param(f"{TENANT}/name", "", "invalid_name", id="empty name"),
        pytest.param(f"{TENANT}/name", "\ud800", "invalid_text", id="X11 lone surrogate"),
        pytest.param(f"{TENANT}/sub_mch_id", "1900000109", "same_as_provider", id="S1-03 provider's number"),
        pytest.param(f"{TENANT}/sub_mch_id", "160", "invalid_format", id="S1-03 too short"),
        pytest.param(f"{TENANT}/sub_mch_id", None, "missing", id="no sub_mch_id"),
        pytest.param(f"{TENANT}/status", "alive", "unknown_value", id="unknown status"),
        pytest.param(f"{TENANT}/limits/server_per_second", 0, "out_of_range", id="limit of nothing"),
        pytest.param("#/providers/0/refund_approval_above", -1, "out_of_range", id="F07 limit below zero"),
        pytest.param("#/providers/0/refund_approval_above", "1", "wrong_type", id="F07 limit as text"),
        pytest.param(f"{TENANT}/refunds_double_payments", 1, "wrong_type", id="number for a policy"),
        pytest.param(f"{TENANT}/merchant_refunds", "no", "wrong_type", id="text for a policy"),
        pytest.param(f"{TENANT}/own_bills", 1, "wrong_type", id="number for own bills"),
        pytest.param(f"{TENANT}/fee_rate", 0.6, "wrong_type", id="rate as a number"),
        pytest.param(f"{TENANT}/fee_rate", "0.6", "invalid_format", id="rate without its sign"),
        pytest.param(f"{TENANT}/fee_rate", "０.60%", "invalid_format", id="rate in wide digits"),
        pytest.param(f"{TENANT}/fee_rate", "10.01%", "out_of_range", id="rate above ten per cent"),
        pytest.param(f"{TENANT}/bindings/0/kind", "h5", "unknown_value", id="S1-37 unknown kind"),
        pytest.param(f"{TENANT}/bindings/0/sub_appid", "wx1", "invalid_format", id="short appid"),
        pytest.param(f"{TENANT}/bindings/0/app_secret", "a b", "invalid_app_secret", id="blank in secret"),
        pytest.param(f"{TENANT}/prices/0/amount", 12.8, "wrong_type", id="O02 fraction of a fen"),
        pytest.param(f"{TENANT}/prices/0/amount", "1280", "wrong_type", id="O02 amount as text"),
        pytest.param(f"{TENANT}/prices/0/amount", True, "wrong_type", id="O02 true as amount"),
        pytest.param(f"{TENANT}/prices/0/amount", 0, "out_of_range", id="O02 nothing"),
        pytest.param(f"{TENANT}/prices/0/amount", 10**9, "out_of_range", id="O02 too much"),
        pytest.param(f"{TENANT}/prices/0/max_quantity", 10_000, "out_of_range", id="quantity"),
        pytest.param(f"{TENANT}/prices/0/name", "☕🥐", "invalid_format", id="O11 emoji"),
        pytest.param(f"{TENANT}/prices/0/code", "拿铁", "invalid_format", id="code not ASCII"),
        pytest.param(f"{TENANT}/prices/0/active", "yes", "wrong_type", id="text for a flag"),
        pytest.param(f"{TENANT}/webhooks/0/url", "http://shop.example.com/", "invalid_url", id="plain http"),
        pytest.param(
            f"{TENANT}/webhooks/0/url", "https://u:p@shop.example.com/", "invalid_url", id="password"
        ),
        pytest.param(f"{TENANT}/webhooks/0/url", "https://shop.example.com:x/", "invalid_url", id="bad port"),
        pytest.param(f"{TENANT}/webhooks/0/url", "https:///hook", "invalid_url", id="no host"),
    ],
)
def test_one_wrong_value_is_named_by_its_pointer(pointer: str, value: Any, code: str) -> None:
    spoilt = changed(example(), pointer, value)
    document = json.dumps(spoilt).encode()

    found = faults_of(document)

    assert code in {fault.code for fault in found}
    assert all(fault.pointer.startswith(pointer) or "cert" in fault.pointer for fault in found)
    assert all(fault.text.zh and fault.text.en for fault in found)


@pytest.mark.parametrize("field", ["name", "mode", "kind", "mch_id", "appid", "api_version"])
def test_every_needed_field_of_a_provider_is_missed(field: str) -> None:
    document = provider(1)
    del document[field]

    assert (f"#/providers/0/{field}", "missing") in places_of({"providers": [document]})


def test_all_faults_of_a_file_are_listed_at_once() -> None:
    spoilt = changed(example(), f"{TENANT}/prices/0/amount", 0)
    spoilt = changed(spoilt, "#/providers/0/api_v2_key", "short")
    spoilt = changed(spoilt, "#/admins/0/email", "nobody")
    spoilt = changed(spoilt, f"{TENANT}/colour", "red")

    assert places_of(spoilt) == [
        ("#/providers/0/api_v2_key", "invalid_key"),
        (f"{TENANT}/colour", "unknown_field"),
        (f"{TENANT}/prices/0/amount", "out_of_range"),
        ("#/admins/0/email", "invalid_email"),
    ]


def test_faults_never_repeat_what_was_entered() -> None:
    spoilt = changed(example(), "#/providers/0/api_v2_key", f"{import_file.V2_KEY} ")
    spoilt = changed(spoilt, "#/admins/0/role", import_file.PASSWORD)

    with pytest.raises(InvalidInput) as refused:
        read_document(encoded(spoilt), NOW)

    told = repr(refused.value.faults) + str(refused.value) + refused.value.text.zh
    assert not [canary for canary in import_file.CANARIES if canary in told]


def test_S1_40_a_sixth_binding_is_refused_at_its_place() -> None:
    six = [binding(f"wx{number:016d}") for number in range(6)]

    assert places_of({"providers": [provider(1, tenant(1, bindings=six))]}) == [
        (f"{TENANT}/bindings/5", "no_free_slot")
    ]


@pytest.mark.parametrize("kind", ["official_account", "app"])
def test_S1_39_only_mini_programs_may_be_the_providers_own(kind: str) -> None:
    own = [binding("wx0000000000000001", kind, "provider")]

    assert places_of({"providers": [provider(1, tenant(1, bindings=own))]}) == [
        (f"{TENANT}/bindings/0/owner", "owner_not_allowed")
    ]


def test_S18_what_comes_twice_in_a_file_is_refused_the_second_time() -> None:
    shop = tenant(
        1,
        bindings=[binding("wx0000000000000001"), binding("wx0000000000000001")],
        prices=[{"code": "a", "name": "a", "amount": 1}, {"code": "a", "name": "b", "amount": 2}],
        api_keys=[{"name": "server"}, {"name": "server"}],
        webhooks=[{"url": "https://a.example/"}, {"url": "https://a.example/"}],
        members=[
            {"email": "A@b.example", "role": "merchant_user"},
            {"email": "a@b.example", "role": "merchant_user"},
        ],
    )

    places = places_of({"providers": [provider(1, shop, tenant(1)), provider(1)]})

    assert places == [
        (f"{TENANT}/bindings/1/sub_appid", "duplicate"),
        (f"{TENANT}/prices/1/code", "duplicate"),
        (f"{TENANT}/api_keys/1/name", "duplicate"),
        (f"{TENANT}/members/1/email", "duplicate"),
        (f"{TENANT}/webhooks/1/url", "duplicate"),
        ("#/providers/0/tenants/1/name", "duplicate"),
        ("#/providers/0/tenants/1/sub_mch_id", "duplicate"),
        ("#/providers/1/mch_id", "duplicate"),
    ]


def test_the_same_number_in_test_and_live_mode_are_two_providers() -> None:
    both = {"providers": [provider(1), provider(1, mode="live")]}

    assert [entry.mode for entry in read_document(encoded(both), NOW).providers] == ["test", "live"]


def test_S1_30_a_plain_merchant_has_one_tenant_without_sub_mch_id() -> None:
    alone = {"name": "自营", "status": "live"}
    document = {"providers": [provider(1, alone, kind="merchant")]}
    assert read_document(encoded(document), NOW).providers[0].tenants[0].sub_mch_id is None

    two = {"providers": [provider(1, tenant(1), {"name": "二店"}, kind="merchant")]}
    assert places_of(two) == [
        (f"{TENANT}/sub_mch_id", "not_allowed"),
        ("#/providers/0/tenants/1", "only_one"),
    ]


def test_a_person_with_two_passwords_is_refused() -> None:
    spoilt = changed(example(), f"{TENANT}/members/0/email", "OP@example.com")
    spoilt = changed(spoilt, f"{TENANT}/members/0/password", "another-violet-otter-92")

    assert places_of(spoilt) == [(f"{TENANT}/members/0/password", "contradicts")]


@pytest.mark.parametrize(
    "document",
    [
        pytest.param(b"", id="empty"),
        pytest.param(b"{", id="cut"),
        pytest.param(b'{"providers": [NaN]}', id="NaN"),
        pytest.param(b'{"providers": [-Infinity]}', id="Infinity"),
        pytest.param('{"providers": []}'.encode("utf-16"), id="UTF-16"),
        pytest.param(b"\xff\xfe{}", id="not text"),
        pytest.param(b"[" * 200_000, id="X01 nested deeply"),
        pytest.param(b'{"providers": ' + b"9" * 5000 + b"}", id="number of 5000 digits"),
        pytest.param(b" " * (16 * 1024 * 1024 + 1), id="larger than 16 MiB"),
    ],
)
def test_X11_what_is_not_one_strict_json_document_is_refused_as_a_whole(document: bytes) -> None:
    assert [(fault.pointer, fault.code) for fault in faults_of(document)] == [("#", "malformed_json")]


def test_X11_a_name_that_comes_twice_in_an_object_is_refused() -> None:
    document = b'{"admins": [{"email": "a@b.example", "role": "platform_admin", "role": "platform_auditor"}]}'

    assert [(fault.pointer, fault.code) for fault in faults_of(document)] == [
        ("#/admins/0/role", "duplicate_field")
    ]


def test_a_byte_order_mark_of_a_windows_editor_does_no_harm() -> None:
    assert read_document(b"\xef\xbb\xbf" + encoded(example()), NOW).providers


def test_pointers_escape_what_json_pointers_must() -> None:
    assert places_of({"a/b~c": 1}) == [("#/a~1b~0c", "unknown_field")]
