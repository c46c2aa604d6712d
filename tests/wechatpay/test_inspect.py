"""The sign inspector names the mistake (B-1), and can never be used to make a signature (rule C6)."""

from __future__ import annotations

import hashlib
import hmac
import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from urllib.parse import quote

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from wechatpay.credentials import SignType, V2Key
from wechatpay.inspect.recipe import Keys
from wechatpay.inspect.sample import MAX_TEXT, Sample, UnreadableSample, read
from wechatpay.inspect.search import MAX_DIGESTS, Account, Report, inspect
from wechatpay.inspect.words import WORDS
from wechatpay.v2 import signing

KEY = V2Key(3, "0123456789abcdefghijklmnopqrstUV")
OLD_KEY = V2Key(2, "ZYXWVUTSRQPONMLKJIHGFEDCBA987654")
V3_KEY = V2Key(1, "v3v3v3v3v3v3v3v3v3v3v3v3v3v3v3v3")
PROVIDER_APP, MINI, OTHER_MINI = "wx8888888888888888", "wx3f8c21d0b7e6a91c", "wx5b77e40aa1c2d3e4"
OPENID = "oUpF8uMuAJO_M2pxb1Q9zNjWeS6o"
ACCOUNT = Account(
    mch_id="1900000109",
    appid=PROVIDER_APP,
    sign_type=SignType.HMAC_SHA256,
    keys=Keys(KEY, (OLD_KEY,), (V3_KEY,)),
    sub_mch_ids=("1612345678",),
    sub_appids=(MINI, OTHER_MINI),
)
REQUEST = {
    "appid": PROVIDER_APP,
    "mch_id": "1900000109",
    "sub_mch_id": "1612345678",
    "sub_appid": MINI,
    "body": "拿铁 A/B 双人套餐",
    "out_trade_no": "T20261121000187",
    "total_fee": "12800",
    "notify_url": "https://pay.example.com/notify/wechat/abc/v2/payment",
    "trade_type": "JSAPI",
    "sub_openid": OPENID,
    "nonce_str": "5K8264ILTKCH16CQ2502SI8ZNMTM67VS",
    "sign_type": "HMAC-SHA256",
}
PAY = {
    "timeStamp": "1795242728",
    "nonceStr": "e61463f8efa94090b1f366cccfbbb444",
    "package": "prepay_id=wx21142032",
    "signType": "HMAC-SHA256",
}


def digest(text: str | bytes, secret: str = KEY.secret, kind: str = "HMAC-SHA256") -> str:
    whole = text if isinstance(text, bytes) else text.encode()
    match kind:
        case "HMAC-SHA256":
            return hmac.new(secret.encode(), whole, hashlib.sha256).hexdigest().upper()
        case "SHA-256":
            return hashlib.sha256(whole).hexdigest().upper()
        case _:
            return hashlib.md5(whole, usedforsecurity=False).hexdigest().upper()


def base(fields: Mapping[str, str]) -> str:
    return signing.sign_base(fields)


def signed(fields: Mapping[str, str], *, key: V2Key = KEY, kind: SignType = SignType.HMAC_SHA256) -> str:
    return signing.sign(fields, key, kind)


def joined(fields: Mapping[str, str], key: Callable[[str], str] | None = None) -> str:
    """Fields in an order of our own, empty ones too."""
    return "&".join(f"{name}={fields[name]}" for name in sorted(fields, key=key))


def xml(fields: Mapping[str, str], sign: str) -> str:
    return (
        "<xml>"
        + "".join(f"<{n}><![CDATA[{v}]]></{n}>" for n, v in {**fields, "sign": sign}.items())
        + "</xml>"
    )


def pay(fields: Mapping[str, object], sign: str) -> str:
    return json.dumps({**fields, "paySign": sign}, ensure_ascii=False)


def pay_sign(fields: Mapping[str, str], app: str | None = MINI, kind: SignType = SignType.HMAC_SHA256) -> str:
    return signing.sign({**fields, "appId": app}, KEY, kind)


@dataclass(frozen=True)
class Mutation:
    """A text with one mistake. `code` is what must be said of it, of `field` if one is to blame."""

    name: str
    make: Callable[[], str | bytes]
    code: str
    field: str | None = None


def whole(string: str) -> Callable[[], str]:
    """A request that was signed over `string`, key included."""
    return lambda: xml(REQUEST, digest(string))


def changed(before: Mapping[str, str], **sent: str) -> Callable[[], str]:
    """A request signed with `before` and sent with other values."""
    return lambda: xml(REQUEST | sent, signed(REQUEST | dict(before)))


RIGHT = signed(REQUEST)
KEYED = f"{base(REQUEST)}&key={KEY.secret}"
WITH_EMPTY = REQUEST | {"device_info": ""}
SPACED = REQUEST | {"body": "拿铁 A/B "}
CAPITAL = REQUEST | {"Attach": "x"}
WITHOUT = {name: value for name, value in REQUEST.items() if name != "sign_type"}
CALLBACK = REQUEST | {"return_code": "SUCCESS", "transaction_id": "4200002611202611215530918274"}
del CALLBACK["sign_type"]

MUTATIONS = (
    Mutation("lower-case hex", lambda: xml(REQUEST, RIGHT.lower()), "sign_lower_case", "sign"),
    Mutation("a line end behind the signature", lambda: xml(REQUEST, RIGHT + "\n"), "sign_blank", "sign"),
    Mutation("cut to 32 digits by a column", lambda: xml(REQUEST, RIGHT[:32]), "sign_cut", "sign"),
    Mutation("its last digit lost", lambda: xml(REQUEST, RIGHT[:-1]), "sign_cut", "sign"),
    Mutation("a BOM before the body", lambda: b"\xef\xbb\xbf" + xml(REQUEST, RIGHT).encode(), "bom"),
    Mutation("a body in GBK", lambda: xml(REQUEST, RIGHT).encode("gbk"), "body_not_utf8"),
    Mutation("a body cut off", lambda: xml(REQUEST, RIGHT)[:-4], "cut_off"),
    Mutation("a document type", lambda: "<!DOCTYPE xml>" + xml(REQUEST, RIGHT), "doctype"),
    Mutation(
        "a field twice",
        lambda: xml(REQUEST, RIGHT).replace("</xml>", "<total_fee>1</total_fee></xml>"),
        "duplicate_field",
        "total_fee",
    ),
    Mutation("a capital in a name", changed({"Attach": "x"}, Attach="x"), "field_name", "Attach"),
    Mutation(
        "somebody else's account",
        lambda: xml(REQUEST | {"mch_id": "1900009999"}, "A" * 64),
        "foreign_account",
        "mch_id",
    ),
    Mutation(
        "fields unsorted",
        whole("&".join(f"{n}={v}" for n, v in REQUEST.items()) + f"&key={KEY.secret}"),
        "order_as_sent",
    ),
    Mutation(
        "sorted without regard to case",
        lambda: xml(CAPITAL, digest(f"{joined(CAPITAL, key=str.lower)}&key={KEY.secret}")),
        "order_ignoring_case",
    ),
    Mutation(
        "an empty value signed",
        lambda: xml(WITH_EMPTY, digest(f"{joined(WITH_EMPTY)}&key={KEY.secret}")),
        "empty_signed",
    ),
    Mutation(
        "an empty value signed as null",
        lambda: xml(WITH_EMPTY, signed(WITH_EMPTY | {"device_info": "null"})),
        "null_signed",
    ),
    Mutation(
        "an empty sign signed",
        whole(f"{joined(REQUEST | {'sign': ''})}&key={KEY.secret}"),
        "sign_signed",
        "sign",
    ),
    Mutation(
        "a blank that was trimmed",
        lambda: xml(SPACED, signed(SPACED | {"body": SPACED["body"].strip()})),
        "blank_in_value",
        "body",
    ),
    Mutation("a blank that was not sent", changed({"body": REQUEST["body"] + " "}), "blank_signed", "body"),
    Mutation(
        "a line end that was not sent",
        changed({"out_trade_no": "T20261121000187\n"}),
        "blank_signed",
        "out_trade_no",
    ),
    Mutation(
        "entities signed",
        lambda: xml(REQUEST | {"body": "A&B"}, signed(REQUEST | {"body": "A&amp;B"})),
        "entities_signed",
        "body",
    ),
    Mutation(
        "entities escaped twice",
        lambda: xml(REQUEST | {"body": "A&amp;B"}, signed(REQUEST | {"body": "A&B"})),
        "entities_resolved",
        "body",
    ),
    Mutation(
        "CDATA signed",
        lambda: xml(REQUEST, signed({n: f"<![CDATA[{v}]]>" for n, v in REQUEST.items()})),
        "cdata_signed",
    ),
    Mutation(
        "URL-encoded before signing",
        lambda: xml(REQUEST, signed({n: quote(v, safe="") for n, v in REQUEST.items()})),
        "url_encoded",
    ),
    Mutation(
        "one value URL-encoded",
        changed({"notify_url": quote(REQUEST["notify_url"], safe="")}),
        "url_encoded",
        "notify_url",
    ),
    Mutation("sent URL-encoded", changed({}, body=quote(REQUEST["body"], safe="")), "url_decoded", "body"),
    Mutation("signed in GBK", lambda: xml(REQUEST, digest(KEYED.encode("gbk"))), "encoding_gbk"),
    Mutation(
        "signed as ISO-8859-1",
        changed({"body": REQUEST["body"].encode().decode("latin-1")}),
        "encoding_latin",
        "body",
    ),
    Mutation(
        "signed as question marks",
        lambda: xml(REQUEST, digest(KEYED.encode("ascii", "replace"))),
        "encoding_lost",
    ),
    Mutation("a BOM in the string", whole("\ufeff" + KEYED), "bom_signed"),
    Mutation(
        "slashes escaped as PHP does",
        changed({"body": REQUEST["body"].replace("/", "\\/")}),
        "json_escaped",
        "body",
    ),
    Mutation(
        "Chinese escaped as PHP does",
        changed({"body": json.dumps(REQUEST["body"])[1:-1]}),
        "json_escaped",
        "body",
    ),
    Mutation("quotes signed", changed({"body": f'"{REQUEST["body"]}"'}), "quoted", "body"),
    Mutation(
        "neutralised after signing",
        lambda: xml(REQUEST | {"body": "A＆B"}, signed(REQUEST | {"body": "A&B"})),
        "full_width",
        "body",
    ),
    Mutation(
        "sign_type not signed", lambda: xml(REQUEST, signed(WITHOUT)), "sign_type_not_signed", "sign_type"
    ),
    Mutation("sign_type not sent", lambda: xml(WITHOUT, RIGHT), "sign_type_not_sent", "sign_type"),
    Mutation(
        "MD5 though it says HMAC", lambda: xml(REQUEST, signed(REQUEST, kind=SignType.MD5)), "algorithm"
    ),
    Mutation("HMAC without saying so", lambda: xml(WITHOUT, signed(WITHOUT)), "algorithm"),
    Mutation("a replaced key", lambda: xml(REQUEST, signed(REQUEST, key=OLD_KEY)), "key_old"),
    Mutation("the API v3 key", lambda: xml(REQUEST, signed(REQUEST, key=V3_KEY)), "key_v3"),
    Mutation(
        "the key in lower case",
        lambda: xml(REQUEST, digest(f"{base(REQUEST)}&key={KEY.secret.lower()}", KEY.secret.lower())),
        "key_lower_case",
    ),
    Mutation(
        "the key in upper case",
        lambda: xml(REQUEST, digest(f"{base(REQUEST)}&key={KEY.secret.upper()}", KEY.secret.upper())),
        "key_upper_case",
    ),
    Mutation(
        "a line end behind the key",
        lambda: xml(REQUEST, digest(KEYED + "\n", KEY.secret + "\n")),
        "key_with_blank",
    ),
    Mutation("the key without its name", whole(f"{base(REQUEST)}{KEY.secret}"), "key_without_name"),
    Mutation("key= without &", whole(f"{base(REQUEST)}key={KEY.secret}"), "key_joined"),
    Mutation("HMAC without &key=", whole(base(REQUEST)), "hmac_without_key_field"),
    Mutation("MD5 without the key", lambda: xml(WITHOUT, digest(base(WITHOUT), kind="MD5")), "key_missing"),
    Mutation("SHA-256 instead of HMAC", lambda: xml(REQUEST, digest(KEYED, kind="SHA-256")), "plain_hash"),
    Mutation(
        "a field added after signing",
        lambda: xml(REQUEST | {"attach": "ord_1"}, RIGHT),
        "field_not_signed",
        "attach",
    ),
    Mutation(
        "a field removed after signing",
        lambda: xml({n: v for n, v in REQUEST.items() if n != "sub_appid"}, RIGHT),
        "field_not_sent",
        "sub_appid",
    ),
    Mutation("an amount in yuan signed", changed({"total_fee": "128.00"}), "amount_unit", "total_fee"),
    Mutation("an amount in yuan sent", changed({}, total_fee="128"), "amount_unit", "total_fee"),
    Mutation("a value in another case", changed({"trade_type": "jsapi"}), "value_case", "trade_type"),
    Mutation(
        "another sub-merchant's number sent",
        changed({}, sub_mch_id="1699999999"),
        "identity_changed",
        "sub_mch_id",
    ),
    Mutation("an & too much at the end", whole(f"{base(REQUEST)}&&key={KEY.secret}"), "joined_with_more"),
    Mutation(
        "paySign for the provider's app",
        lambda: pay(PAY, pay_sign(PAY, PROVIDER_APP)),
        "appid_of_another",
        "appId",
    ),
    Mutation("paySign without appId", lambda: pay(PAY, pay_sign(PAY, None)), "field_not_signed", "appId"),
    Mutation(
        "paySign over timestamp",
        lambda: pay(PAY, pay_sign({n.replace("timeStamp", "timestamp"): v for n, v in PAY.items()})),
        "name_case",
        "timeStamp",
    ),
    Mutation(
        "paySign over nonce_str",
        lambda: pay(PAY, pay_sign({n.replace("nonceStr", "nonce_str"): v for n, v in PAY.items()})),
        "name_spelling",
        "nonceStr",
    ),
    Mutation(
        "paySign over milliseconds",
        lambda: pay(PAY, pay_sign(PAY | {"timeStamp": "1795242728000"})),
        "time_unit",
        "timeStamp",
    ),
    Mutation(
        "milliseconds handed out",
        lambda: pay(PAY | {"timeStamp": "1795242728123"}, pay_sign(PAY)),
        "time_unit",
        "timeStamp",
    ),
    Mutation(
        "a number for a text",
        lambda: pay(PAY | {"timeStamp": 1795242728}, pay_sign(PAY)),
        "json_number",
        "timeStamp",
    ),
    Mutation(
        "package without prepay_id=",
        lambda: pay(PAY | {"package": "wx21142032"}, pay_sign(PAY)),
        "package_prefix",
        "package",
    ),
    Mutation(
        "package signed without prepay_id=",
        lambda: pay(PAY, pay_sign(PAY | {"package": "wx21142032"})),
        "package_prefix",
        "package",
    ),
    Mutation(
        "paySign in MD5 though it says HMAC", lambda: pay(PAY, pay_sign(PAY, kind=SignType.MD5)), "algorithm"
    ),
    Mutation(
        "paysign in lower case",
        lambda: pay(PAY, pay_sign(PAY)).replace("paySign", "paysign"),
        "sign_name",
        "paysign",
    ),
    Mutation("the key pasted with the string", lambda: f"{KEYED}&sign={RIGHT}", "key_in_text", "key"),
)


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
