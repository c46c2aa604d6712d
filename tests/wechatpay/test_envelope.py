"""The XML of API v2: what is read, what is refused, what is written (X01-X10, S2-08)."""

from __future__ import annotations

import time

import pytest
import xmltodict
from hypothesis import given
from hypothesis import strategies as st

from wechatpay.v2 import envelope
from wechatpay.v2.envelope import MalformedXml, UnsendableValue, build, parse


def reason_of(body: bytes) -> str:
    with pytest.raises(MalformedXml) as refusal:
        parse(body)
    return refusal.value.reason


def test_the_reference_example_reads_as_a_flat_dict() -> None:
    body = (
        "<xml>\n<appid><![CDATA[wx1111aaaa2222bbbb]]></appid>\n<mch_id>1900000109</mch_id>\n"
        "<body><![CDATA[小张南山店-超市]]></body>\n<detail></detail><empty/>\n</xml>"
    )
    assert parse(body.encode()) == {
        "appid": "wx1111aaaa2222bbbb",
        "mch_id": "1900000109",
        "body": "小张南山店-超市",
        "detail": "",
        "empty": "",
    }


def test_another_root_is_read_only_when_asked_for() -> None:
    assert parse(b"<root><a>1</a></root>", root="root") == {"a": "1"}
    assert reason_of(b"<root><a>1</a></root>") == "malformed"


NAMES = st.from_regex(r"[a-z][a-z0-9_]{0,30}", fullmatch=True)
VALUES = st.text(
    st.characters(max_codepoint=0xFFFF, exclude_categories=("Cs", "Cc"), exclude_characters="\ufffe\uffff")
)


@given(st.dictionaries(NAMES, VALUES, min_size=1, max_size=20))
def test_S2_08_what_is_written_reads_back_exactly(fields: dict[str, str]) -> None:
    assert parse(build(fields), max_bytes=1 << 20) == fields


@given(st.dictionaries(NAMES, VALUES, min_size=1, max_size=20))
def test_every_value_is_written_as_cdata_and_nothing_else_is(fields: dict[str, str]) -> None:
    elements = [
        f"<{name}><![CDATA[{value.replace(']]>', ']]]]><![CDATA[>')}]]></{name}>"
        for name, value in fields.items()
    ]
    assert build(fields).decode() == f"<xml>{''.join(elements)}</xml>"


def test_the_end_of_cdata_cannot_be_smuggled_in() -> None:
    attack = "]]></attach><total_fee>1</total_fee><attach><![CDATA["
    assert parse(build({"attach": attack})) == {"attach": attack}


@pytest.mark.parametrize(
    "value",
    [
        pytest.param("a\r\nb", id="line end"),
        pytest.param("a\x00", id="NUL"),
        pytest.param("a\x1b", id="escape"),
        pytest.param("拿铁😀", id="emoji (trap 44)"),
        pytest.param("\ud800", id="lone surrogate"),
        pytest.param("\uffff", id="noncharacter"),
    ],
)
def test_X10_values_that_xml_or_wechat_cannot_carry_are_refused(value: str) -> None:
    with pytest.raises(UnsendableValue) as refusal:
        build({"attach": value})
    assert refusal.value.field == "attach"


@pytest.mark.parametrize("name", ["", "A", "a b", "a><b", "1a", "a-b", "#text", "@id", "a" * 65, "a\n"])
def test_X10_names_are_ours_alone(name: str) -> None:
    with pytest.raises(UnsendableValue):
        build({name: "1"})


@pytest.mark.parametrize(
    "prologue",
    [
        '<!DOCTYPE xml [<!ENTITY x SYSTEM "file:///etc/passwd">]>',
        '<!DOCTYPE xml SYSTEM "http://127.0.0.1:1/x.dtd">',
        "<!DOCTYPE xml>",
        "<!doctype xml>",
        "<!DocType xml>",
        '<?xml version="1.0"?>\n<!DOCTYPE xml [<!ENTITY % p SYSTEM "http://127.0.0.1:1/"> %p;]>',
    ],
)
def test_X01_trap_22_document_types_are_refused_before_parsing(prologue: str) -> None:
    assert reason_of(f"{prologue}<xml><a>1</a></xml>".encode()) == "doctype"


def test_X02_billion_laughs_are_refused_in_no_time() -> None:
    entities = "".join(f'<!ENTITY l{i} "{f"&l{i - 1};" * 10}">' for i in range(1, 10))
    body = f'<!DOCTYPE xml [<!ENTITY l0 "ha">{entities}]><xml><a>&l9;</a></xml>'.encode()
    started = time.perf_counter()
    assert reason_of(body) == "doctype"
    assert time.perf_counter() - started < 0.05


@pytest.mark.parametrize("name", ["total_fee", "out_trade_no", "sign", "a"])
@pytest.mark.parametrize(
    "form", ["<{0}>1</{0}><{0}>100</{0}>", "<{0}/><{0}>1</{0}>", "<{0}>1</{0}><x/><{0}/>"]
)
def test_X03_an_element_twice_is_refused(name: str, form: str) -> None:
    body = f"<xml>{form.format(name)}<zz>1</zz></xml>".encode()
    assert reason_of(body) == "duplicate_field"


@pytest.mark.parametrize(
    "inner",
    [
        pytest.param("<a><b>1</b></a>", id="nested"),
        pytest.param("<a>1<b/></a>", id="mixed"),
        pytest.param('<a id="1">1</a>', id="attribute"),
        pytest.param('<a id="1"/>', id="attribute of an empty element"),
        pytest.param("1", id="text only"),
        pytest.param("x<a>1</a>", id="text between"),
        pytest.param("", id="nothing"),
        pytest.param("<a>1</b>", id="not well formed"),
        pytest.param("<a>1</a></xml><xml>", id="two roots"),
        pytest.param("<a>&unknown;</a>", id="unknown entity"),
    ],
)
def test_X03_X06_only_flat_text_elements_are_read(inner: str) -> None:
    assert reason_of(f"<xml>{inner}</xml>".encode()) == "malformed"


def test_an_attribute_of_the_root_is_refused() -> None:
    assert reason_of(b'<xml xmlns="urn:x"><a>1</a></xml>') == "malformed"


def test_X04_glued_pieces_are_one_value_for_the_signature_and_for_use() -> None:
    body = b"<xml><total_fee>1<!-- -->0<?pi?><![CDATA[0]]></total_fee></xml>"
    assert parse(body) == {"total_fee": "100"}


def test_X05_trap_15_blanks_are_kept_because_they_are_signed() -> None:
    assert parse(b"<xml><a><![CDATA[ a ]]></a><b> </b></xml>") == {"a": " a ", "b": " "}


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        pytest.param("<xml><a>1</a></xml>".encode("utf-16"), "not_utf8", id="UTF-16 with mark"),
        pytest.param("<xml><a>1</a></xml>".encode("utf-16-le"), "malformed", id="UTF-16 without mark"),
        pytest.param(
            b'<?xml version="1.0" encoding="ISO-8859-1"?><xml><a>1</a></xml>', "not_utf8", id="latin"
        ),
        pytest.param(b"<?xml version='1.0' encoding = 'gbk'?><xml><a>1</a></xml>", "not_utf8", id="gbk"),
        pytest.param(b"<xml><a>\xff</a></xml>", "not_utf8", id="invalid byte"),
        pytest.param(b"<xml><a>\xc0\x80</a></xml>", "not_utf8", id="overlong NUL"),
        pytest.param(b"<xml><a>\x00</a></xml>", "malformed", id="NUL"),
        pytest.param(b"<xml><a>&#0;</a></xml>", "malformed", id="reference to NUL"),
        pytest.param(b"<xml><a>&#x1b;</a></xml>", "malformed", id="reference to escape"),
        pytest.param(b"<xml><a>1&#13;</a></xml>", "malformed", id="reference to carriage return"),
        pytest.param(b"", "malformed", id="empty"),
        pytest.param(b"<html><body>502</body></html>", "malformed", id="HTML"),
        pytest.param(b'{"a":1}', "malformed", id="JSON"),
    ],
)
def test_X07_only_clean_utf8_is_read(body: bytes, reason: str) -> None:
    assert reason_of(body) == reason


@pytest.mark.parametrize("head", [b"\xef\xbb\xbf", b'<?xml version="1.0" encoding="UTF-8"?>', b"\n"])
def test_X07_utf8_may_be_marked_or_declared(head: bytes) -> None:
    assert parse(head + "<xml><a>微信</a></xml>".encode()) == {"a": "微信"}


def test_X08_size_is_checked_before_anything_else() -> None:
    assert reason_of(b"\xff" * (envelope.MAX_BYTES + 1)) == "too_large"
    assert parse(b"<xml><a>" + b"1" * 60_000 + b"</a></xml>")["a"] == "1" * 60_000


def test_X08_depth_and_breadth_are_limited() -> None:
    depth = 8000
    assert reason_of(b"<xml>" + b"<a>" * depth + b"</a>" * depth + b"</xml>") == "malformed"
    many = b"".join(b"<e%d/>" % i for i in range(101))
    assert reason_of(b"<xml>" + many + b"</xml>") == "malformed"


@given(st.binary(max_size=200))
def test_no_bytes_raise_anything_but_malformed(noise: bytes) -> None:
    for body in (noise, b"<xml><a>" + noise + b"</a></xml>"):
        try:
            fields = parse(body)
        except MalformedXml:
            continue
        assert all(isinstance(value, str) for value in fields.values())


def test_xmltodict_still_has_the_traps_that_are_closed_here() -> None:
    """If this fails, xmltodict changed: read envelope.py again before upgrading."""
    assert xmltodict.parse("<xml><a><![CDATA[ a ]]></a></xml>") == {"xml": {"a": "a"}}
    assert xmltodict.parse("<!DOCTYPE xml><xml><a>1</a></xml>") == {"xml": {"a": "1"}}
    assert xmltodict.parse("<xml><a>1</a><a>2</a></xml>") == {"xml": {"a": ["1", "2"]}}
