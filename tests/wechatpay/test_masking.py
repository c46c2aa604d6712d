"""What is shown of a message holds no signature, no cipher text and no whole openid (rule C6 a)."""

from __future__ import annotations

import pytest

from wechatpay.masking import HIDDEN, mask_document, mask_serial, mask_value

SIGN, OPENID = "3F4A07BFB8F160084462D81CC1FC4CD2", "oUpF8uMuAJO_M2pxb1Q9zNjWeS6o"


@pytest.mark.parametrize(
    ("name", "value", "shown"),
    [
        ("sign", SIGN, HIDDEN),
        ("paySign", SIGN, HIDDEN),
        ("nonce_str", "abc", HIDDEN),
        ("req_info", "AAAA", HIDDEN),
        ("ciphertext", "AAAA", HIDDEN),
        ("nonce", "61f9c719728a", HIDDEN),
        ("sp_openid", OPENID, "oUpF8****eS6o"),
        ("sub_openid", OPENID, "oUpF8****eS6o"),
        ("attach", SIGN, HIDDEN),
        ("attach", f"of {OPENID}", "of oUpF8****eS6o"),
        ("transaction_id", "4200002611202611215530918274", "4200002611202611215530918274"),
        ("total_fee", "1", "1"),
        ("sign", "", ""),
    ],
)
def test_C6_a_value_is_masked_by_its_name_and_by_its_shape(name: str, value: str, shown: str) -> None:
    assert mask_value(name, value) == shown


@pytest.mark.parametrize(
    "document",
    [
        f"<xml><sign><![CDATA[{SIGN}]]></sign><openid>{OPENID}</openid></xml>",
        f"<xml><openid>{OPENID}</openid><sign>{SIGN}",
        f"garbage sign={SIGN} {OPENID}",
        f"<xml><req_info>{'Q' * 400}==</req_info>",
    ],
)
def test_C6_a_broken_document_is_masked_too(document: str) -> None:
    shown = mask_document(document)
    assert SIGN not in shown
    assert OPENID not in shown
    assert "Q" * 20 not in shown


def test_C6_a_serial_number_is_shown_and_nothing_that_may_be_a_signature() -> None:
    for serial in ("PUB_KEY_ID_0119000000012026112100111101000000", "5157F09E", "6A" * 20):
        assert mask_serial(serial) == serial
    for other in (SIGN, SIGN * 2, "A" * 344, "Q" * 64):
        assert other not in mask_serial(other)
    assert mask_serial(f"of {OPENID}") == "of oUpF8****eS6o"
