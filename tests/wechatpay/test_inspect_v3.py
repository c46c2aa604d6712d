"""The sign inspector names the mistake of a text of API v3 (B-1, pain 21), and signs nothing itself (C6)."""

from __future__ import annotations

import re
import time
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.support.v3_mistakes import (
    ACCOUNT,
    BODY,
    CALLBACKS,
    CASHIERS,
    CERTIFICATE,
    CERTIFICATE_SERIAL,
    KEY_ID,
    MINI,
    NONCE,
    OFFICIAL,
    OLD_V3_KEY,
    OPENID,
    PLATFORM,
    PREPAY,
    QUERY_URL,
    REQUESTS,
    SERIAL,
    STRANGER,
    TIME,
    V2_KEY,
    V3_KEY,
    Mutation,
    asked,
    headers,
    of_app,
    opened,
    over,
    pasted,
)

from wechatpay.inspect.sample import MAX_TEXT, UnreadableSample
from wechatpay.inspect.v3.checking import MAX_CHECKS
from wechatpay.inspect.v3.report import Account, Report
from wechatpay.inspect.v3.sample import is_v3, read
from wechatpay.inspect.v3.search import inspect
from wechatpay.inspect.v3.words import WORDS


def report(text: str, account: Account = ACCOUNT) -> Report:
    assert is_v3(text)
    return inspect(read(text), account)


@pytest.mark.parametrize("mutation", [*CALLBACKS, *REQUESTS, *CASHIERS], ids=lambda each: each.name)
def test_B1_a_mistake_is_named(mutation: Mutation) -> None:
    found = report(mutation.make())
    causes = {(cause.code, cause.field) for cause in found.causes}
    assert mutation.code in {code for code, _ in causes}, causes
    assert mutation.field is None or (mutation.code, mutation.field) in causes, causes
    assert len(found.steps) <= 1, found.steps


def test_what_is_right_is_said_to_be_right() -> None:
    by_certificate = headers(key=CERTIFICATE, Serial=CERTIFICATE_SERIAL)
    get = asked(method="GET", url=QUERY_URL, body="")
    for text, serial_, app in (
        (pasted(headers()), KEY_ID, None),
        (pasted(by_certificate), CERTIFICATE_SERIAL, None),
        (pasted(headers(), BODY + "\n\n"), KEY_ID, None),
        (asked(), SERIAL, None),
        (get, SERIAL, None),
        (opened(), SERIAL, MINI),
        (opened(f"{OFFICIAL}\n{TIME}\n{NONCE}\nprepay_id={PREPAY}\n"), SERIAL, OFFICIAL),
        (of_app(), SERIAL, MINI),
    ):
        found = report(text)
        assert (found.verdict, found.steps, found.remarks) == ("right", (), ()), found
        assert (found.serial, found.app) == (serial_, app)
    assert report(pasted(headers())).key_version == 3


def test_the_same_message_is_read_however_it_was_logged() -> None:
    given = headers()
    for text in (
        pasted(given).replace("\n", "\r\n"),
        pasted({name.upper(): value for name, value in given.items()}),
        pasted({f"HTTP_{name.upper().replace('-', '_')}": value for name, value in given.items()}),
        "\n".join(f"< {name}: {value}" for name, value in given.items()) + f"\n<\n{BODY}",
        "\n".join(f"-H '{name}: {value}' \\" for name, value in given.items()) + f"\n\n{BODY}",
        "\n".join(f'"{name}" => "{value}",' for name, value in given.items()) + f"\n\n{BODY}",
        pasted(given, first="HTTP/1.1 200 OK"),
        "\n".join(f"{name}: {value}" for name, value in given.items()) + f"\n{BODY}",
    ):
        assert report(text).verdict == "right", text


def test_a_changed_message_is_unexplained_and_its_cipher_text_known_to_be_whole() -> None:
    found = report(pasted(headers(), BODY.replace("EV-1", "EV-2")))
    assert found.verdict == "unexplained"
    assert "resource_intact" in {cause.code for cause in found.causes}
    assert found.checks <= MAX_CHECKS
    assert report(asked(over(url="/v3/other"))).verdict == "unexplained"


def test_C6_nothing_of_another_account_is_told_apart_from_nonsense() -> None:
    """A serial number that is another provider's reads as one that nobody has."""
    texts = (pasted(headers(key=STRANGER, Serial="8" * 40)), pasted(headers(key=PLATFORM, Serial="8" * 40)))
    alone = replace(ACCOUNT, platform=ACCOUNT.platform[1:2], opening=(), old=(), v2=())
    reports = [report(text, alone) for text in texts]
    assert [each.steps for each in reports] == [reports[0].steps] * 2
    assert all(each.serial is None for each in reports)


def test_C6_a_report_holds_no_signature_key_nonce_or_person() -> None:
    for mutation in (*CALLBACKS, *REQUESTS, *CASHIERS):
        text = repr(report(mutation.make())) + repr(read(mutation.make()))
        assert not re.search(r"[0-9A-Za-z+/]{100,}", text), mutation.name
        for secret in (V3_KEY, OLD_V3_KEY, V2_KEY, OPENID, NONCE):
            assert secret not in text, mutation.name


def test_every_mistake_has_words_in_both_languages() -> None:
    said = {cause.code for each in (*CALLBACKS, *REQUESTS, *CASHIERS) for cause in report(each.make()).causes}
    assert said <= WORDS.keys()
    for code, words in WORDS.items():
        assert all((words.zh, words.en, words.fix_zh, words.fix_en)), code
        assert ("{field}" in words.zh) == ("{field}" in words.en), code


@pytest.mark.parametrize(
    "text",
    [
        "Authorization: WECHATPAY2-SHA256-RSA2048",
        "Wechatpay-Nonce: x",
        '{"paySign": "' + "A" * 344 + '"}',
        "Wechatpay-Serial: " + "x" * 9000,
        'Authorization: WECHATPAY2-SHA256-RSA2048 mchid="' + "\x00\ud7ff" + '"',
        "POST\nwechatpay-signature:\n\n" + "[" * 5000,
    ],
)
def test_half_a_text_is_no_accident(text: str) -> None:
    assert report(text).verdict in {"found", "unexplained"}


@pytest.mark.parametrize("run", ["\n", " ", "a", "a=", '"', "\\", "[", "{", "<", "\t-H ", "x: ", '"sign":"'])
def test_no_run_of_a_character_takes_long(run: str) -> None:
    many = run * (MAX_TEXT // len(run))
    half = many[: MAX_TEXT // 2]
    began = time.process_time()
    for text in (many, f"Authorization: {half}x", f"wechatpay-nonce: x{half}x", f'{{"paySign": "{half}"}}'):
        if is_v3(text):
            try:
                inspect(read(text), ACCOUNT)
            except UnreadableSample:
                continue
    assert time.process_time() - began < 2


def test_nothing_to_inspect_is_refused() -> None:
    for text, reason in (
        ("", "empty"),
        ("wechatpay-nonce: " + "x" * MAX_TEXT, "too_long"),
        ("wechatpay2-sha256", "not_understood"),
        ('{"paySign": 1}', "no_signature"),
        ("{" * 3000, "not_understood"),
    ):
        with pytest.raises(UnreadableSample) as refusal:
            read(text)
        assert refusal.value.reason == reason
    assert not is_v3("<xml><sign>wechatpay</sign></xml>")
    assert not is_v3('{"paySign": "0123456789ABCDEF0123456789ABCDEF"}')


@settings(max_examples=150, deadline=None)
@given(st.data())
def test_no_text_makes_it_fail(data: st.DataObject) -> None:
    texts = [pasted(headers()), asked(), opened()]
    text = data.draw(st.sampled_from(texts))
    cut = data.draw(st.integers(0, len(text)))
    put = data.draw(st.text(max_size=20))
    changed = text[:cut] + put + text[cut + data.draw(st.integers(0, 40)) :]
    try:
        message = read(changed)
    except UnreadableSample:
        return
    inspect(message, ACCOUNT)
