"""Money, identifiers and credentials: what exists is right (failure catalogue M1, I1; wechatpay-v2 2.1)."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wechatpay.credentials import (
    InvalidCredentials,
    MerchantCredentials,
    PartnerCredentials,
    ProviderKind,
    SignType,
    V2Key,
)
from wechatpay.identifiers import (
    AppId,
    Identifier,
    InvalidIdentifier,
    MchId,
    OpenId,
    OutTradeNo,
    PrepayId,
    SubMchId,
    TransactionId,
)
from wechatpay.money import Fen, InvalidAmount

SECRET = "0123456789abcdefghijABCDEFGHIJ45"


@pytest.mark.parametrize("text", ["1", "100", "999999999"])
def test_M1_amount_text_is_plain_digits(text: str) -> None:
    assert Fen.parse(text).value == int(text)


@pytest.mark.parametrize(
    "text",
    [
        pytest.param("１００", id="full-width digits"),
        pytest.param("٣", id="arabic digit"),
        pytest.param("1_000", id="underscore"),
        pytest.param(" 10 ", id="blanks"),
        pytest.param("10\n", id="line end"),
        pytest.param("+10", id="plus"),
        pytest.param("-1", id="negative"),
        pytest.param("0", id="zero"),
        pytest.param("007", id="leading zero"),
        pytest.param("1.0", id="decimal"),
        pytest.param("1e3", id="exponent"),
        pytest.param("1000000000", id="ten digits"),
        pytest.param("", id="empty"),
    ],
)
def test_M1_what_int_would_take_is_refused(text: str) -> None:
    with pytest.raises(InvalidAmount):
        Fen.parse(text)


@given(st.integers(min_value=0, max_value=99_999_999_999))
def test_yuan_text_reads_back_as_the_same_fen(value: int) -> None:
    assert Fen.from_yuan(Fen(value).yuan) == Fen(value)


@pytest.mark.parametrize(
    ("text", "fen"), [("0.29", 29), ("12", 1200), ("12.3", 1230), ("0.00", 0), ("1234.50", 123450)]
)
def test_trap_50_yuan_never_passes_through_a_float(text: str, fen: int) -> None:
    assert Fen.from_yuan(text) == Fen(fen)


@pytest.mark.parametrize("text", ["0.001", "1,000.00", "NaN", "1e5", ".5", "5.", "-1.00", "１.00", ""])
def test_yuan_in_any_other_form_is_refused(text: str) -> None:
    with pytest.raises(InvalidAmount):
        Fen.from_yuan(text)


@pytest.mark.parametrize("value", [-1, True, 1.0, "1", None])
def test_fen_is_a_whole_number_from_zero(value: object) -> None:
    with pytest.raises(InvalidAmount):
        Fen(value)  # type: ignore[arg-type]


def test_fen_adds_compares_and_never_goes_below_zero() -> None:
    assert Fen(1) + Fen(2) == Fen(3) > Fen(2)
    assert Fen(3) - Fen(3) == Fen(0)
    with pytest.raises(InvalidAmount):
        Fen(1) - Fen(2)


@pytest.mark.parametrize(
    ("kind", "good"),
    [
        (MchId, ["10000100", "1900000109"]),
        (SubMchId, ["1600000021"]),
        (AppId, ["wx3f8c21d0b7e6a91c", "wxd678efh567hg6787"]),
        (OutTradeNo, ["T0007-20261121_000001", "abc|*9", "x" * 32]),
        (TransactionId, ["4200001234202611210123456789"]),
        (OpenId, ["oSubUser_0000000000000000001"]),
        (PrepayId, ["wx21205000123456789abcdef01234567890"]),
    ],
)
def test_identifiers_of_the_documentation_are_accepted(kind: type[Identifier], good: list[str]) -> None:
    for text in good:
        assert str(kind(text)) == text


@pytest.mark.parametrize(
    ("kind", "bad"),
    [
        (MchId, ["", "1234567", "12345678901", "19000001０9", "1900000109\n", " 1900000109"]),
        (SubMchId, ["", "abc", "1600000021 "]),
        (AppId, ["", "wx", "wx123", "WX3f8c21d0b7e6a91c", "wx3f8c21d0b7e6a91c0", "wx3f8c21d0b7e6a91&"]),
        (OutTradeNo, ["", "short", "x" * 33, "a&b=cde", "订单订单订单", "abcdef\n"]),
        (TransactionId, ["", "1" * 33, "42-1"]),
        (OpenId, ["", "o" * 129, "o&b", "o b"]),
        (PrepayId, ["", "p" * 65, "wx1&appId=wx2", "a=b"]),
    ],
)
def test_malformed_identifiers_cannot_exist(kind: type[Identifier], bad: list[str]) -> None:
    for text in bad:
        with pytest.raises(InvalidIdentifier) as refusal:
            kind(text)
        assert refusal.value.field == kind.field
        assert refusal.value.reason


def test_identifiers_of_different_kinds_are_never_equal() -> None:
    same_digits: list[Identifier] = [MchId("1900000109"), SubMchId("1900000109")]
    assert same_digits[0] != same_digits[1]


def test_an_openid_shows_in_no_repr_and_no_error() -> None:
    assert "oSecret" not in repr([OpenId("oSecretUser")])
    with pytest.raises(InvalidIdentifier) as refusal:
        OpenId("oSecret User")
    assert "oSecret" not in repr(refusal.value)


@pytest.mark.parametrize(
    "secret", ["", "short", SECRET + "x", SECRET[:-1] + "-", SECRET[:-1] + "é", SECRET[:-1] + "\n"]
)
def test_a_key_that_is_not_32_letters_and_digits_is_refused_without_showing_it(secret: str) -> None:
    with pytest.raises(InvalidCredentials) as refusal:
        V2Key(1, secret)
    assert refusal.value.field == "api_v2_key"
    assert not secret or secret not in str(refusal.value)


def partner(**changes: object) -> PartnerCredentials:
    values: dict[str, object] = {
        "kind": ProviderKind.ORDINARY,
        "mch_id": MchId("1900000109"),
        "appid": AppId("wx1111aaaa2222bbbb"),
        "sub_mch_id": SubMchId("1900000200"),
        "sub_appid": AppId("wx3333cccc4444dddd"),
        "key": V2Key(1, SECRET),
        "sign_type": SignType.HMAC_SHA256,
    }
    return PartnerCredentials(**{**values, **changes})  # type: ignore[arg-type]


def test_credentials_never_show_their_key() -> None:
    assert SECRET not in repr(partner())


@pytest.mark.parametrize("kind", [ProviderKind.ORDINARY, ProviderKind.BANK])
def test_a_provider_call_carries_exactly_the_four_identities(kind: ProviderKind) -> None:
    assert partner(kind=kind).identity() == {
        "appid": "wx1111aaaa2222bbbb",
        "mch_id": "1900000109",
        "sub_mch_id": "1900000200",
        "sub_appid": "wx3333cccc4444dddd",
    }


def test_without_sub_appid_the_field_is_absent_and_the_cashier_is_the_providers() -> None:
    credentials = partner(sub_appid=None)
    assert "sub_appid" not in credentials.identity()
    assert credentials.cashier_appid == AppId("wx1111aaaa2222bbbb")


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"sub_mch_id": None}, "sub_mch_id"),
        ({"sub_mch_id": SubMchId("1900000109")}, "sub_mch_id"),
        ({"kind": ProviderKind.MERCHANT}, "kind"),
    ],
)
def test_a_provider_call_without_a_proper_sub_merchant_cannot_be_written(
    changes: dict[str, object], field: str
) -> None:
    with pytest.raises(InvalidCredentials) as refusal:
        partner(**changes)
    assert refusal.value.field == field


def test_a_plain_merchant_lets_no_sub_field_out() -> None:
    credentials = MerchantCredentials(
        MchId("1900000109"), AppId("wx1111aaaa2222bbbb"), V2Key(1, SECRET), SignType.MD5
    )
    assert credentials.identity() == {"appid": "wx1111aaaa2222bbbb", "mch_id": "1900000109"}
    assert credentials.kind is ProviderKind.MERCHANT
    assert not [name for name in dir(credentials) if name.startswith("sub_")]


def test_trap_41_the_app_cashier_is_opened_for_the_receiving_merchant() -> None:
    merchant = MerchantCredentials(
        MchId("1900000109"), AppId("wx1111aaaa2222bbbb"), V2Key(1, SECRET), SignType.MD5
    )
    assert partner().partner_id == "1900000200"
    assert merchant.partner_id == "1900000109"
