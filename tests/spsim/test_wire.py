"""The strict XML reader (wechatpay-v2 1.2; catalogue X)."""

from __future__ import annotations

import pytest

from spsim.wire import MAX_BODY, BadXml, NotUtf8, read_xml, write_xml


def test_values_are_read_exactly_as_sent() -> None:
    body = "<xml><a><![CDATA[ x&y ]]></a>\n<b>1&amp;2</b><c/><d></d><e>小张</e></xml>".encode()
    assert read_xml(body) == {"a": " x&y ", "b": "1&2", "c": "", "d": "", "e": "小张"}


def test_whatever_is_written_is_read_back() -> None:
    params = {"attach": "a]]>b<c>&amp;", "body": "中文 \n\t", "empty": ""}
    assert read_xml(write_xml(params)) == params


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        (b"not xml", "syntax error"),
        (b"<xml><a>1</a>", "no element found"),
        (b"<xml><a>1</a></xml><xml/>", "junk"),
        (b"<root><a>1</a></root>", "root element is root"),
        (b"<!DOCTYPE xml><xml><a>1</a></xml>", "DOCTYPE"),
        (b'<!DOCTYPE xml [<!ENTITY e "1">]><xml><a>&e;</a></xml>', "DOCTYPE"),
        (b'<!DOCTYPE xml SYSTEM "http://127.0.0.1:9/x"><xml/>', "DOCTYPE"),
        (b"<xml><a>1</a><a>2</a></xml>", "appears twice"),
        (b"<xml><a><b>1</b></a></xml>", "has a child"),
        (b'<xml><a x="1">1</a></xml>', "has attributes"),
        (b'<xml x="1"><a>1</a></xml>', "has attributes"),
        (b"<xml>text<a>1</a></xml>", "text beside"),
        (b"<xml><a>1&#13;2</a></xml>", "carriage return"),
        (b"<xml><a>" + b"x" * MAX_BODY + b"</a></xml>", "at most"),
    ],
)
def test_anything_but_one_flat_document_is_refused(body: bytes, reason: str) -> None:
    with pytest.raises(BadXml, match=reason):
        read_xml(body)


@pytest.mark.parametrize(
    "body",
    [
        "<xml><a>小张</a></xml>".encode("gbk"),
        b'<?xml version="1.0" encoding="GBK"?><xml><a>1</a></xml>',
        "<xml><a>☕😀</a></xml>".encode(),
        b"<xml><a>&#128512;</a></xml>",
        b"<xml><a>\xed\xa0\x80</a></xml>",
    ],
)
def test_only_utf8_of_one_to_three_bytes_is_read(body: bytes) -> None:
    with pytest.raises(NotUtf8):
        read_xml(body)
