"""What WeChat allows, as tables (S1-03, S1-37 to S1-42, S18)."""

from __future__ import annotations

import pytest

from sptenants.registry import rules
from sptenants.registry.rules import MOVES, TenantStatus


@pytest.mark.parametrize(
    ("kind", "owner", "allowed"),
    [
        ("miniprogram", "merchant", True),
        ("miniprogram", "channel", True),
        ("miniprogram", "provider", True),
        ("official_account", "merchant", True),
        ("official_account", "channel", True),
        ("official_account", "provider", False),
        ("app", "merchant", True),
        ("app", "channel", True),
        ("app", "provider", False),
    ],
)
def test_S1_38_S1_39_the_nine_pairs_of_kind_and_owner(kind: str, owner: str, allowed: bool) -> None:
    faults = rules.owner_faults(kind, owner, "#/bindings/0")

    assert [(fault.pointer, fault.code) for fault in faults] == (
        [] if allowed else [("#/bindings/0/owner", "owner_not_allowed")]
    )


@pytest.mark.parametrize(("kind", "owner", "at"), [("h5", "merchant", "#/kind"), ("app", "me", "#/owner")])
def test_S1_37_unknown_kinds_and_owners_are_named(kind: str, owner: str, at: str) -> None:
    assert [fault.pointer for fault in rules.owner_faults(kind, owner, "#")] == [at]


@pytest.mark.parametrize(
    ("text", "code"),
    [
        pytest.param("16000000", None, id="eight digits"),
        pytest.param("1600000021", None, id="ten digits"),
        pytest.param("1600000", "invalid_format", id="seven digits"),
        pytest.param("16000000211", "invalid_format", id="eleven digits"),
        pytest.param("16000000２1", "invalid_format", id="S18 full-width digit"),
        pytest.param("16000000٢1", "invalid_format", id="S18 Arabic digit"),
        pytest.param(" 1600000021", "invalid_format", id="blank"),
        pytest.param("1600000021\n", "invalid_format", id="line end"),
        pytest.param("1900000109", "same_as_provider", id="S1-03 the provider's own"),
        pytest.param(None, "missing", id="none"),
    ],
)
@pytest.mark.parametrize("provider_kind", ["ordinary", "bank"])
def test_S1_03_the_number_of_a_sub_merchant(provider_kind: str, text: str | None, code: str | None) -> None:
    faults = rules.sub_mch_id_faults(
        text, provider_kind=provider_kind, provider_mch_id="1900000109", pointer="#/sub_mch_id"
    )

    assert [fault.code for fault in faults] == ([] if code is None else [code])


def test_S1_30_a_plain_merchants_tenant_has_no_number() -> None:
    def codes(text: str | None) -> list[str]:
        faults = rules.sub_mch_id_faults(
            text, provider_kind="merchant", provider_mch_id="1900000109", pointer="#"
        )
        return [fault.code for fault in faults]

    assert codes(None) == []
    assert codes("1600000021") == ["not_allowed"]


@pytest.mark.parametrize(
    ("name", "sound"),
    [
        pytest.param("晨曦咖啡", True, id="Chinese"),
        pytest.param("Café Ångström №1 (店)", True, id="accents"),
        pytest.param("店" * 64, True, id="64 characters"),
        pytest.param("店" * 65, False, id="65 characters"),
        pytest.param("", False, id="empty"),
        pytest.param("晨曦 ", False, id="blank at the end"),
        pytest.param("晨曦\u200b咖啡", False, id="S18 zero width space"),
        pytest.param("晨曦\u202e咖啡", False, id="S18 direction override"),
        pytest.param("晨曦\n咖啡", False, id="A05 line end"),
        pytest.param("晨曦\x1b[31m", False, id="A05 terminal code"),
    ],
)
def test_S18_names_have_nothing_invisible(name: str, sound: bool) -> None:
    assert (rules.name_faults(name, "#/name") == []) is sound


@pytest.mark.parametrize(
    ("url", "sound"),
    [
        ("https://shop.example.com/hook?a=1", True),
        ("https://shop.example.com:8443/hook", True),
        ("http://shop.example.com/hook", False),
        ("https://user@shop.example.com/", False),
        ("https://shop.example.com/#part", False),
        ("https://shop.example.com:99999/", False),
        ("https://店.example.com/", False),
        ("https:///hook", False),
        ("https://shop.example.com/\r\nX: y", False),
        ("https://shop.example.com/" + "a" * 1024, False),
        ("javascript:alert(1)", False),
    ],
)
def test_webhook_addresses_are_plain_https(url: str, sound: bool) -> None:
    assert (rules.webhook_url_faults(url, "#/url") == []) is sound


def test_the_life_of_a_tenant() -> None:
    assert {status: set(after) for status, after in MOVES.items()} == {
        "draft": {"onboarding", "closed"},
        "onboarding": {"ready", "closed"},
        "ready": {"live", "closed"},
        "live": {"suspended"},
        "suspended": {"live", "closed"},
        "closed": set(),
    }
    assert set(MOVES) == set(TenantStatus)
