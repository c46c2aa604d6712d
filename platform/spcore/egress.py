"""Where the platform may call a stranger's server: public addresses only, by names that can be nothing else.

The table is our own: `ipaddress.is_global` of Python 3.11 calls 64:ff9b::7f00:1, 2002:7f00:1:: and 224.0.0.1
global (failure catalogue W01). Source: IANA's special-purpose address registries. Addresses that carry an
IPv4 address inside (mapped, NAT64, 6to4, Teredo) are refused whole: whoever needs them has the plain one.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address
from urllib.parse import SplitResult, urlsplit

from spcore.errors import Text

MAX_URL = 1024
PORTS = frozenset({443, 8443})

_NOT_PUBLIC_V4 = tuple(
    IPv4Network(text)
    for text in (
        "0.0.0.0/8",
        "10.0.0.0/8",
        "100.64.0.0/10",  # carrier-grade NAT
        "127.0.0.0/8",
        "168.63.129.16/32",  # metadata of a large cloud, under an address that looks public
        "169.254.0.0/16",
        "172.16.0.0/12",
        "192.0.0.0/24",
        "192.0.2.0/24",
        "192.88.99.0/24",  # 6to4 relays
        "192.168.0.0/16",
        "198.18.0.0/15",
        "198.51.100.0/24",
        "203.0.113.0/24",
        "224.0.0.0/4",
        "240.0.0.0/4",
    )
)
_UNICAST_V6 = IPv6Network("2000::/3")
"""The only part of IPv6 that is handed out; loopback, mapped, NAT64, ULA and link-local lie outside."""
_NOT_PUBLIC_V6 = tuple(
    IPv6Network(text)
    for text in (
        "2001::/23",  # protocols, Teredo among them
        "2001:db8::/32",
        "2002::/16",  # 6to4
        "3fff::/20",
    )
)
_LABEL = re.compile(r"[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?")
_NUMBER = re.compile(r"[0-9]+|0x[0-9a-f]*")
_LOCAL_NAMES = ("localhost", "local", "internal", "home.arpa")


class RefusedUrl(ValueError):
    """An address that is never called. `code` is stable snake_case, `text` names cause and fix."""

    def __init__(self, code: str, text: Text) -> None:
        super().__init__(text.en)
        self.code = code
        self.text = text


@dataclass(frozen=True, slots=True)
class Target:
    """Whom to call: `host` in lower case and without brackets, `path` with its query."""

    host: str
    port: int
    path: str

    @property
    def host_header(self) -> str:
        host = f"[{self.host}]" if ":" in self.host else self.host
        return host if self.port == 443 else f"{host}:{self.port}"


def is_public(address: str) -> bool:
    """Say whether an address, as text, belongs to the public internet. Text that is no address does not."""
    try:
        parsed = ip_address(address)
    except ValueError:
        return False
    if isinstance(parsed, IPv4Address):
        return not any(parsed in network for network in _NOT_PUBLIC_V4)
    return (
        parsed.scope_id is None
        and parsed in _UNICAST_V6
        and not any(parsed in network for network in _NOT_PUBLIC_V6)
    )


def target_of(url: str, *, own_host: str | None = None) -> Target:
    """Read an address that is to be called. `own_host` is the name under which we are reached ourselves.

    Only https on port 443 or 8443, without user, password and fragment, to a name or a public address
    written in its usual form (W01, W04). Raises RefusedUrl. What the name leads to is looked at when calling.
    """
    parts = _split(url)
    port = parts.port or 443
    if port not in PORTS:
        raise RefusedUrl("port_not_allowed", _PORT)
    host = parts.hostname or ""
    if not host.isascii():
        raise RefusedUrl("invalid_url", _UNICODE_HOST)
    _check_host(host)
    if own_host is not None and host == own_host.lower():
        raise RefusedUrl("own_address", _OWN_HOST)
    path = parts.path or "/"
    return Target(host, port, f"{path}?{parts.query}" if parts.query else path)


def _split(url: str) -> SplitResult:
    # Looked at before splitting: urlsplit silently drops line ends and tabs.
    hidden = not url.isprintable() or " " in url or "#" in url or "\\" in url
    if hidden or len(url) > MAX_URL:
        raise RefusedUrl("invalid_url", _FORM)
    try:
        parts = urlsplit(url)
        sound = parts.scheme == "https" and parts.hostname and (parts.port is None or parts.port > 0)
    except ValueError:
        raise RefusedUrl("invalid_url", _FORM) from None
    if not sound or "@" in parts.netloc:
        raise RefusedUrl("invalid_url", _FORM)
    if not (parts.path + parts.query).isascii():
        raise RefusedUrl("invalid_url", _FORM)
    return parts


def _check_host(host: str) -> None:
    """Refuse what some resolver could read as a private address: 127.1, 0x7f000001, 0177.0.0.1."""
    labels = host.split(".")
    if ":" in host or _NUMBER.fullmatch(labels[-1]):
        if not _is_usual_form(host) or not is_public(host):
            raise RefusedUrl("not_public", _NOT_PUBLIC)
        return
    if not all(map(_LABEL.fullmatch, labels)) or len(host) > 253:
        raise RefusedUrl("invalid_url", _FORM)
    if len(labels) < 2 or any(f".{host}".endswith(f".{name}") for name in _LOCAL_NAMES):
        raise RefusedUrl("not_public", _NOT_PUBLIC)


def _is_usual_form(host: str) -> bool:
    try:
        parsed: IPv4Address | IPv6Address = ip_address(host)
    except ValueError:
        return False
    return parsed.version == 6 or str(parsed) == host


_FORM = Text(
    f"须为完整的 https 地址（ASCII，不超过 {MAX_URL} 个字符），不含用户名、密码和 # 片段。",
    f"must be a complete https address in ASCII, at most {MAX_URL} characters, without user, password or"
    " fragment.",
)
_UNICODE_HOST = Text(
    "中文等国际化域名请填写其 ASCII 形式（xn--…）。",
    "names an international domain: write it in its ASCII form (xn--…).",
)
_PORT = Text("只允许 443 或 8443 端口。", "may use port 443 or 8443 only.")
_NOT_PUBLIC = Text(
    "须指向公网：请填写公网域名，不能是内网、本机或特殊写法的地址。",
    "must lead to the public internet: name a public host, not a private, local or oddly written address.",
)
_OWN_HOST = Text("不能指向本平台自身的域名。", "must not lead to this platform itself.")
