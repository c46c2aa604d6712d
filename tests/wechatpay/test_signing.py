"""Signatures of API v2 against published vectors and an independent implementation (S1-25, S2-06, S2-07)."""

from __future__ import annotations

import hmac
import inspect
import json
import random
import string
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wechatpay.credentials import SignType, V2Key
from wechatpay.nonces import nonce
from wechatpay.v2 import signing

VECTORS = json.loads(
    (Path(__file__).parents[1] / "vectors" / "wechatpay_v2.json").read_text(encoding="utf-8")
)
POSITIVE = {vector["id"]: vector for vector in VECTORS["positive"]}
KEY = V2Key(1, "0123456789abcdefghijABCDEFGHIJ45")
DIGEST = {SignType.MD5: "md5", SignType.HMAC_SHA256: "hmac_sha256"}


@pytest.mark.parametrize("vector", VECTORS["positive"], ids=lambda v: v["id"])
@pytest.mark.parametrize("sign_type", list(SignType))
def test_S2_07_published_vectors(vector: dict[str, Any], sign_type: SignType) -> None:
    key = V2Key(1, vector["key"])
    assert signing.sign_base(vector["params"]) == vector["base"]
    assert signing.sign(vector["params"], key, sign_type) == vector[DIGEST[sign_type]]
    assert signing.verify({**vector["params"], "sign": vector[DIGEST[sign_type]]}, key, sign_type)


def test_S1_25_the_article_s_example_signature() -> None:
    vector = POSITIVE["T2"]
    assert signing.sign(vector["params"], V2Key(1, vector["key"]), SignType.MD5) == (
        "22D9B4E54AB1950F51E0649E8810ACD6"
    )


@pytest.mark.parametrize("vector", VECTORS["negative"], ids=lambda v: v["id"])
def test_5_6_mistakes_of_the_articles_do_not_verify(vector: dict[str, Any]) -> None:
    right = POSITIVE[vector["of"]]
    key = V2Key(1, right["key"])
    assert signing.sign(vector["params"], key, SignType.MD5) == vector["md5"]
    assert not signing.verify({**vector["params"], "sign": right["md5"]}, key, SignType.MD5)


@pytest.mark.parametrize("sign_type", list(SignType))
def test_wechatpy_signs_alike(sign_type: SignType) -> None:
    """The independent package wechatpy agrees on every vector."""
    from wechatpy.pay.utils import calculate_signature, calculate_signature_hmac

    theirs = calculate_signature if sign_type is SignType.MD5 else calculate_signature_hmac
    for vector in VECTORS["positive"]:
        ours = signing.sign(vector["params"], V2Key(1, vector["key"]), sign_type)
        assert theirs(vector["params"], vector["key"]) == ours, vector["id"]


MESSAGES = st.dictionaries(
    st.from_regex(r"[a-z][a-z0-9_]{0,20}", fullmatch=True).filter(lambda name: name != "sign"),
    st.text(st.characters(codec="utf-8"), min_size=1, max_size=30),
    min_size=1,
    max_size=12,
)


@given(MESSAGES, st.sampled_from(list(SignType)), st.data())
def test_N01_any_change_of_one_field_breaks_the_signature(
    message: dict[str, str], sign_type: SignType, data: st.DataObject
) -> None:
    sent = {**message, "sign": signing.sign(message, KEY, sign_type)}
    assert signing.verify(sent, KEY, sign_type)

    name = data.draw(st.sampled_from(sorted(message)))
    longer = {**sent, name: sent[name] + "0"}
    removed = {field: value for field, value in sent.items() if field != name}
    added = {**sent, "zz_added_by_somebody": "1"}
    for forged in (longer, removed, added):
        assert not signing.verify(forged, KEY, sign_type)


@given(MESSAGES, st.sampled_from(list(SignType)))
def test_C2_empty_fields_and_the_order_of_fields_do_not_matter(
    message: dict[str, str], sign_type: SignType
) -> None:
    shuffled = list(message.items())
    random.Random(1).shuffle(shuffled)
    assert signing.sign({**dict(shuffled), "empty": "", "none": None}, KEY, sign_type) == signing.sign(
        message, KEY, sign_type
    )


@pytest.mark.parametrize(
    "spoil",
    [
        pytest.param(str.lower, id="lower case"),
        pytest.param(lambda sign: f" {sign}", id="padded"),
        pytest.param(lambda sign: f"{sign}\n", id="line end"),
        pytest.param(lambda sign: sign * 2, id="doubled"),
        pytest.param(lambda sign: sign[:-1], id="cut"),
        pytest.param(lambda sign: sign[:-1] + "é", id="not ASCII"),
        pytest.param(lambda sign: sign + "é", id="followed by something else"),
        pytest.param(
            lambda sign: sign.translate({ord("0") + i: 0xFF10 + i for i in range(10)}), id="full-width"
        ),
        pytest.param(lambda sign: "", id="empty"),
    ],
)
@pytest.mark.parametrize("sign_type", list(SignType))
def test_N07_another_spelling_of_the_right_signature_is_refused(spoil: Any, sign_type: SignType) -> None:
    params = {"total_fee": "1", "sign_type": sign_type.value}
    params["sign"] = spoil(signing.sign(params, KEY, sign_type))
    assert not signing.verify(params, KEY, sign_type)


@given(st.text())
def test_N07_no_text_in_the_sign_field_raises(text: str) -> None:
    assert not signing.verify({"total_fee": "1", "sign": text}, KEY, SignType.MD5)


def test_N02_a_missing_sign_never_verifies() -> None:
    assert not signing.verify({"total_fee": "1"}, KEY, SignType.MD5)
    assert not signing.verify({"total_fee": "1", "sign": None}, KEY, SignType.HMAC_SHA256)


def test_N03_a_signature_of_the_other_algorithm_is_refused() -> None:
    params = {"total_fee": "1"}
    for ours, theirs in [(SignType.MD5, SignType.HMAC_SHA256), (SignType.HMAC_SHA256, SignType.MD5)]:
        assert not signing.verify({**params, "sign": signing.sign(params, KEY, theirs)}, KEY, ours)


def test_N08_the_comparison_is_constant_time_on_equally_long_bytes(monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[tuple[bytes, bytes]] = []
    real = hmac.compare_digest

    def spy(received: bytes, computed: bytes) -> bool:
        seen.append((received, computed))
        return real(received, computed)

    monkeypatch.setattr(hmac, "compare_digest", spy)
    assert not signing.verify({"total_fee": "1", "sign": "A" * 32}, KEY, SignType.MD5)
    assert [(type(a), len(a), len(b)) for a, b in seen] == [(bytes, 32, 32)]
    assert "==" not in inspect.getsource(signing.verify)


def test_C6_d_separators_become_full_width() -> None:
    assert signing.neutralise("A&B=C 咖啡") == "A＆B＝C 咖啡"


def test_S2_06_nonces_are_32_letters_and_digits_and_never_repeat() -> None:
    nonces = [nonce() for _ in range(2000)]
    assert len(set(nonces)) == len(nonces)
    assert {len(nonce) for nonce in nonces} == {32}
    # 64 000 draws from 62 characters leave none out, unless the source is lopsided.
    assert set("".join(nonces)) == set(string.ascii_letters + string.digits)


@pytest.mark.parametrize(
    ("path", "refused", "extra"),
    [
        ("/pay/unifiedorder", None, {"nonce_str", "sign_type", "sign"}),
        ("/tools/authcodetoopenid", SignType.HMAC_SHA256, {"nonce_str", "sign"}),
        ("/secapi/mch/addsubdevconfig", SignType.HMAC_SHA256, {"sign"}),
        ("/pay/downloadfundflow", SignType.MD5, {"nonce_str", "sign_type", "sign"}),
        ("/secapi/pay/profitsharing", SignType.MD5, {"nonce_str", "sign_type", "sign"}),
    ],
)
def test_trap_42_each_endpoint_gets_what_it_takes(
    path: str, refused: SignType | None, extra: set[str]
) -> None:
    for sign_type in SignType:
        if sign_type is refused:
            with pytest.raises(signing.SignTypeNotAllowed):
                signing.signed(path, {"mch_id": "1900000109"}, KEY, sign_type)
            continue
        request = signing.signed(path, {"mch_id": "1900000109", "attach": ""}, KEY, sign_type)
        assert set(request) == {"mch_id"} | extra
        assert signing.verify(request, KEY, sign_type)


def test_C6_c_an_address_without_policy_is_never_signed_for() -> None:
    with pytest.raises(KeyError):
        signing.signed("/anything/else", {"a": "b"}, KEY, SignType.MD5)
