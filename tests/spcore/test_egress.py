"""Where webhooks may go: the table of addresses and the forms of an address (W01, W04)."""

from __future__ import annotations

import pytest

from spcore.egress import RefusedUrl, is_public, target_of

NOT_PUBLIC = [
    "0.0.0.0",
    "10.0.0.1",
    "100.64.0.1",
    "100.100.100.200",
    "127.0.0.1",
    "127.255.255.254",
    "168.63.129.16",
    "169.254.169.254",
    "172.16.0.1",
    "172.31.255.255",
    "192.0.0.192",
    "192.0.2.1",
    "192.88.99.1",
    "192.168.1.1",
    "198.18.0.1",
    "198.51.100.1",
    "203.0.113.1",
    "224.0.0.1",
    "240.0.0.1",
    "255.255.255.255",
    "::",
    "::1",
    "::127.0.0.1",
    "::ffff:127.0.0.1",
    "::ffff:93.184.216.34",
    "64:ff9b::7f00:1",
    "64:ff9b:1::1",
    "100::1",
    "2001::1",
    "2001:0:4136:e378:8000:63bf:3fff:fdd2",
    "2001:db8::1",
    "2002:7f00:1::",
    "3fff::1",
    "5f00::1",
    "fc00::1",
    "fd00:ec2::254",
    "fe80::1",
    "fe80::1%eth0",
    "2606:2800:220:1::1%eth0",
    "fec0::1",
    "ff02::1",
]
PUBLIC = [
    "93.184.216.34",
    "1.1.1.1",
    "9.255.255.255",
    "11.0.0.0",
    "100.63.255.255",
    "100.128.0.0",
    "172.15.255.255",
    "172.32.0.0",
    "223.255.255.255",
    "2606:2800:220:1:248:1893:25c8:1946",
    "2400:3200::1",
]


@pytest.mark.parametrize("address", NOT_PUBLIC)
def test_W01_an_address_outside_the_public_internet_is_known_as_one(address: str) -> None:
    assert not is_public(address)


@pytest.mark.parametrize("address", PUBLIC)
def test_public_addresses_are_public(address: str) -> None:
    assert is_public(address)


@pytest.mark.parametrize(
    "text", ["", "localhost", "127.1", "0x7f000001", "2130706433", "0177.0.0.1", "1.2.3"]
)
def test_text_that_is_no_address_is_not_public(text: str) -> None:
    assert not is_public(text)


@pytest.mark.parametrize(
    "host",
    [
        *(f"[{address}]" if ":" in address else address for address in NOT_PUBLIC),
        "127.1",
        "127.0.1",
        "0",
        "0x7f.0.0.1",
        "0x7f000001",
        "017700000001",
        "0177.0.0.1",
        "2130706433",
        "localhost",
        "LOCALHOST",
        "shop.localhost",
        "printer.local",
        "db.internal",
        "metadata.google.internal",
        "router.home.arpa",
        "postgres",
    ],
)
def test_W01_a_private_host_is_refused_in_every_form(host: str) -> None:
    with pytest.raises(RefusedUrl) as refused:
        target_of(f"https://{host}/hook")
    assert refused.value.code in {"not_public", "invalid_url"}


@pytest.mark.parametrize(
    ("url", "code"),
    [
        ("http://shop.example.com/", "invalid_url"),
        ("ftp://shop.example.com/", "invalid_url"),
        ("file:///etc/passwd", "invalid_url"),
        ("gopher://shop.example.com/", "invalid_url"),
        ("//shop.example.com/", "invalid_url"),
        ("shop.example.com", "invalid_url"),
        ("https://", "invalid_url"),
        ("https:///hook", "invalid_url"),
        ("https://user@shop.example.com/", "invalid_url"),
        ("https://user:pass@shop.example.com/", "invalid_url"),
        ("https://:@shop.example.com/", "invalid_url"),
        ("https://shop.example.com\\@evil.example.net/", "invalid_url"),
        ("https://shop.example.com/#part", "invalid_url"),
        ("https://shop.example.com/ x", "invalid_url"),
        ("https://shop.exa\tmple.com/", "invalid_url"),
        ("\nhttps://shop.example.com/", "invalid_url"),
        ("https://shop.example.com/\r\nX: y", "invalid_url"),
        ("https://shop..example.com/", "invalid_url"),
        ("https://shop.example.com./", "invalid_url"),
        ("https://-shop.example.com/", "invalid_url"),
        ("https://店.example.com/", "invalid_url"),
        ("https://shop。example.com/", "invalid_url"),
        ("https://１２７.0.0.1/", "invalid_url"),
        ("https://shop.example.com/咖啡", "invalid_url"),
        (f"https://{'a' * 64}.example.com/", "invalid_url"),
        (f"https://shop.example.com/{'a' * 1024}", "invalid_url"),
        ("https://shop.example.com:0/", "invalid_url"),
        ("https://shop.example.com:99999/", "invalid_url"),
        ("https://shop.example.com:x/", "invalid_url"),
        ("https://[::1", "invalid_url"),
        ("https://shop.example.com:22/", "port_not_allowed"),
        ("https://shop.example.com:80/", "port_not_allowed"),
        ("https://shop.example.com:5432/", "port_not_allowed"),
        ("https://shop.example.com:6379/", "port_not_allowed"),
        ("https://pay.example.org/", "own_address"),
        ("https://PAY.example.org:8443/hook", "own_address"),
    ],
)
def test_W04_only_plain_https_to_a_stranger(url: str, code: str) -> None:
    with pytest.raises(RefusedUrl) as refused:
        target_of(url, own_host="pay.Example.org")
    assert refused.value.code == code


def test_an_address_is_read_into_its_parts() -> None:
    plain = target_of("https://Shop.Example.com")
    assert (plain.host, plain.port, plain.path, plain.host_header) == (
        "shop.example.com",
        443,
        "/",
        "shop.example.com",
    )
    full = target_of("https://xn--tlq.example.com:8443/a/b?c=d&e=%20")
    assert (full.path, full.host_header) == ("/a/b?c=d&e=%20", "xn--tlq.example.com:8443")
    v6 = target_of("https://[2606:2800:220:1::1]:8443/")
    assert (v6.host, v6.host_header) == ("2606:2800:220:1::1", "[2606:2800:220:1::1]:8443")
