"""The sign inspector names the mistake (B-1), and can never be used to make a signature (rule C6)."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from urllib.parse import quote

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.support.v2_mistakes import (
    ACCOUNT,
    CALLBACK,
    KEY,
    MUTATIONS,
    OLD_KEY,
    OTHER_MINI,
    PAY,
    PROVIDER_APP,
    REQUEST,
    RIGHT,
    SPACED,
    V3_KEY,
    WITHOUT,
    Mutation,
    base,
    pay,
    pay_sign,
    signed,
    xml,
)

from wechatpay.credentials import SignType, V2Key
from wechatpay.inspect.sample import MAX_TEXT, Sample, UnreadableSample, read
from wechatpay.inspect.search import MAX_DIGESTS, Report, inspect
from wechatpay.inspect.words import WORDS


def looked_at(text: str | bytes) -> tuple[Sample, Report]:
    sample = read(text)
    return sample, inspect(sample, ACCOUNT)


def named(report: Report) -> list[tuple[str, str | None]]:
    return [(cause.code, cause.field) for cause in report.causes]


@pytest.mark.parametrize("mutation", MUTATIONS, ids=lambda mutation: mutation.name)
def test_B1_every_mutation_is_named(mutation: Mutation) -> None:
    _, report = looked_at(mutation.make())
    assert (mutation.code, mutation.field) in named(report) or (
        mutation.field is None and mutation.code in dict(named(report))
    ), (report.verdict, named(report))
    assert len(report.steps) <= 1
    assert report.verdict in ("right", "found") or mutation.code == "foreign_account"


def test_B1_there_are_forty_mutations_and_more_of_many_kinds() -> None:
    assert len(MUTATIONS) >= 40
    assert len({mutation.code for mutation in MUTATIONS}) >= 40


@pytest.mark.parametrize(
    "text",
    [
        pytest.param(lambda: xml(REQUEST, RIGHT), id="a request"),
        pytest.param(lambda: xml(WITHOUT, signed(WITHOUT, kind=SignType.MD5)), id="a request in MD5"),
        pytest.param(lambda: xml(CALLBACK, signed(CALLBACK)), id="a callback, in the provider's algorithm"),
        pytest.param(lambda: f"{base(REQUEST)}&sign={RIGHT}", id="a joined string"),
        pytest.param(lambda: pay(PAY, pay_sign(PAY)), id="payment parameters"),
        pytest.param(lambda: pay(PAY, pay_sign(PAY, OTHER_MINI)), id="payment parameters of the second app"),
        pytest.param(
            lambda: json.dumps({"data": {"pay_params": PAY | {"paySign": pay_sign(PAY)}}}), id="wrapped"
        ),
        pytest.param(lambda: xml(REQUEST, RIGHT).replace("><", ">\r\n<"), id="with line ends between"),
    ],
)
def test_B1_a_right_signature_is_called_right(text: Callable[[], str]) -> None:
    _, report = looked_at(text())
    assert (report.verdict, report.steps, report.remarks, report.signed) == ("right", (), (), ())
    assert report.key_version == KEY.version


def test_B1_two_mistakes_at_once_are_named_both() -> None:
    sent = SPACED | {"total_fee": "12800"}
    text = xml(sent, signed({n: quote(v, safe="") for n, v in sent.items() if n != "sign_type"}))
    _, report = looked_at(text)
    assert {step.code for step in report.steps} == {"url_encoded", "sign_type_not_signed"}
    slips = xml(WITHOUT, signed(WITHOUT | {"total_fee": "128.00"}, key=OLD_KEY, kind=SignType.MD5))
    assert {step.code for step in looked_at(slips)[1].steps} == {"amount_unit", "key_old"}


def test_a_value_changed_after_signing_cannot_be_known_and_is_not_guessed() -> None:
    _, report = looked_at(xml(REQUEST | {"body": "something else"}, RIGHT))
    assert (report.verdict, report.steps, report.key_version) == ("unexplained", (), None)
    assert 1_000 < report.digests <= MAX_DIGESTS + 1


def test_a_message_of_another_account_says_so_by_its_numbers() -> None:
    foreign = REQUEST | {"mch_id": "1900009999", "sub_mch_id": "1699999999"}
    _, report = looked_at(xml(foreign, signed(foreign, key=V2Key(1, "Q" * 32))))
    assert report.verdict == "unexplained"
    assert {("foreign_account", "mch_id"), ("foreign_account", "sub_mch_id")} <= set(named(report))


def test_payment_parameters_say_for_which_app_they_were_signed() -> None:
    assert looked_at(pay(PAY, pay_sign(PAY, OTHER_MINI)))[1].app == OTHER_MINI
    assert looked_at(pay(PAY, pay_sign(PAY, PROVIDER_APP)))[1].app == PROVIDER_APP


# --- it makes no signatures --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "empty"),
        (" \n ", "empty"),
        ("x" * (MAX_TEXT + 1), "too_long"),
        ("hello", "not_understood"),
        ("<html>", "not_understood"),
        ("[1]", "not_understood"),
        ("{}", "no_signature"),
        ("{" + "[" * 9000, "not_understood"),
        (json.dumps(PAY), "no_signature"),
        (xml(REQUEST, ""), "no_signature"),
        (base(REQUEST), "no_signature"),
        (xml(REQUEST, "A"), "not_a_signature"),
        (xml(REQUEST, RIGHT[:8]), "not_a_signature"),
        (xml(REQUEST, RIGHT[:33]), "not_a_signature"),
        (xml(REQUEST, RIGHT + "00"), "not_a_signature"),
        (xml(REQUEST, "Z" * 64), "not_a_signature"),
        ("&".join(f"f{n}=1" for n in range(80)) + "&sign=" + "A" * 32, "too_many_fields"),
    ],
)
def test_C6_without_a_signature_of_its_own_a_text_is_not_looked_at(text: str, reason: str) -> None:
    with pytest.raises(UnreadableSample) as caught:
        read(text)
    assert caught.value.reason == reason


def test_C6_a_signature_cannot_be_completed_digit_by_digit() -> None:
    """Whatever is known of a signature, no answer tells one digit more than guessing does."""
    md5 = signed(WITHOUT, kind=SignType.MD5)
    told = []
    for right, fields in ((RIGHT, REQUEST), (md5, WITHOUT)):
        for known in range(1, len(right)):
            try:
                told.append((len(right), known, looked_at(xml(fields, right[:known]))[1].verdict))
            except UnreadableSample:
                continue
    assert [(whole, known) for whole, known, verdict in told if verdict != "unexplained"] == [
        (64, 32),
        (64, 63),
        (32, 31),
    ]


@pytest.mark.parametrize("mutation", MUTATIONS, ids=lambda mutation: mutation.name)
def test_C6_no_answer_holds_a_signature_or_the_key(mutation: Mutation) -> None:
    text = mutation.make()
    sample, report = looked_at(text)
    answer = repr(report) + repr(sample)
    given = text if isinstance(text, str) else text.decode("gb18030", errors="replace")
    for run in re.findall(r"[0-9A-Fa-f]{31,}", answer):
        assert run.lower() in given.lower(), run
    assert sample.claimed not in answer
    for key in (KEY, OLD_KEY, V3_KEY):
        assert key.secret.lower() not in answer.lower()


@given(
    st.dictionaries(st.sampled_from(sorted(REQUEST)), st.text(max_size=20), max_size=6),
    st.binary(min_size=32, max_size=32),
)
@settings(max_examples=30, deadline=None)
def test_C6_a_made_up_signature_is_never_explained(fields: dict[str, str], made_up: bytes) -> None:
    text = xml({name: value.replace("]]>", "") for name, value in fields.items()}, made_up.hex().upper())
    assert looked_at(text)[1].verdict == "unexplained"


@given(st.one_of(st.text(max_size=300), st.binary(max_size=300)))
@settings(max_examples=200, deadline=None)
def test_reading_takes_anything_and_raises_only_its_own_error(text: str | bytes) -> None:
    try:
        sample = read(text)
    except UnreadableSample:
        return
    assert sample.claimed


def test_every_cause_has_its_words_in_both_languages() -> None:
    found = {code for mutation in MUTATIONS for code in (mutation.code,)}
    assert found <= set(WORDS)
    for words in WORDS.values():
        for chinese in (words.zh, words.fix_zh):
            assert re.search(r"[\u4e00-\u9fff]", chinese)
            assert chinese.endswith("。")
        for english in (words.en, words.fix_en):
            assert re.fullmatch(r"[A-Z][ -~]+\.", english), english
        assert words.zh.format(field="x")
        assert words.en.format(field="x")
