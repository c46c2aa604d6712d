"""Tables of the small parts: addresses, redirects, languages, JSON (failure catalogue S08, X11)."""

from __future__ import annotations

from ipaddress import ip_network

import pytest

from spapp.web import json_body
from spapp.web.peers import peer_address
from spapp.web.problems import MalformedJson
from spapp.web.redirects import own_path

TRUSTED = (ip_network("10.0.0.0/8"), ip_network("2001:db8::/32"))


@pytest.mark.parametrize(
    ("client", "forwarded", "peer"),
    [
        pytest.param("203.0.113.7", "", "203.0.113.7", id="direct"),
        pytest.param("203.0.113.7", "198.51.100.1", "203.0.113.7", id="a stranger's header"),
        pytest.param("10.0.0.2", "198.51.100.1", "198.51.100.1", id="our proxy's header"),
        pytest.param("10.0.0.2", "6.6.6.6, 198.51.100.1", "198.51.100.1", id="forged before our proxy"),
        pytest.param("10.0.0.2", "198.51.100.1, 10.0.0.3", "198.51.100.1", id="two proxies of ours"),
        pytest.param("10.0.0.2", "10.0.0.9", "10.0.0.9", id="nothing but ours"),
        pytest.param("10.0.0.2", "unknown", "10.0.0.2", id="not an address"),
        pytest.param("10.0.0.2", "", "10.0.0.2", id="a proxy that says nothing"),
        pytest.param("::ffff:203.0.113.7", "", "203.0.113.7", id="IPv4 inside IPv6"),
        pytest.param("2001:db8::1", "2001:470::5", "2001:470::5", id="IPv6"),
        pytest.param(None, "", "0.0.0.0", id="no address at all"),
    ],
)
def test_O12_the_callers_address_comes_through_trusted_proxies_only(
    client: str | None, forwarded: str, peer: str
) -> None:
    assert peer_address(client, forwarded, TRUSTED) == peer


@pytest.mark.parametrize("path", ["/", "/console/orders", "/m/orders?status=paid&q=T%2B1&from=2026-11-21"])
def test_S08_own_paths_are_followed(path: str) -> None:
    assert own_path(path, "/home") == path


@pytest.mark.parametrize(
    "path",
    [
        None,
        "",
        "//evil.example",
        "/\\evil.example",
        "\\\\evil.example",
        "https:evil.example",
        "https://evil.example",
        "/%2f%2fevil.example",
        "/%2Fevil",
        "/%5cevil",
        "/\t/evil",
        "\n//evil",
        " //evil",
        "/ /evil",
        "/console\r\nSet-Cookie: x=1",
        "javascript:alert(1)",
        "/@evil.example",
        "/.evil.example",
        "/console#x",
        "／evil",
        "/" + "a" * 3000,
    ],
)
def test_S08_nothing_else_is(path: str | None) -> None:
    assert own_path(path, "/home") == "/home"


@pytest.mark.parametrize(
    "body",
    [
        b"{",
        b'{"a":1}{"b":2}',
        b'{"a":1,}',
        b'{"a":1,"a":1}',
        b'{"x":{"a":1,"a":2}}',
        b"NaN",
        b"[Infinity]",
        b"[-Infinity]",
        b'\xef\xbb\xbf{"a":1}',
        b'"\\ud800"',
        b'{"\\udfff":1}',
        b"\xff",
        b"[" * 33 + b"]" * 33,
        b"[" * 100_000,
        b"9" * 5000,
    ],
)
def test_X11_ambiguous_json_is_refused(body: bytes) -> None:
    with pytest.raises(MalformedJson) as refusal:
        json_body.check(body)
    assert refusal.value.text.zh
    assert refusal.value.text.en


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{}",
        b"null",
        b'{"a":1,"b":{"a":2}}',
        '{"名":"拿铁"}'.encode(),
        b'"\\ud83d\\ude00"',
        b"[" * 31 + b"]" * 31,
    ],
)
def test_X11_plain_json_passes(body: bytes) -> None:
    json_body.check(body)
