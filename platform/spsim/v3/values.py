"""Values that no schema can check: addresses, times (wechatpay-v3 0, 2.2)."""

from __future__ import annotations

import re
from datetime import datetime
from ipaddress import ip_address
from typing import Final
from urllib.parse import urlsplit

from .failures import wrong_parameter

_RFC3339: Final = re.compile(
    r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}(\.[0-9]{1,6})?(Z|[+-][0-9]{2}:[0-9]{2})"
)


def check_notify_url(pointer: str, url: str) -> None:
    """Check an address for notifications: absolute, with a path and no query, HTTPS for public hosts."""
    try:
        parts = urlsplit(url)
        valid = parts.scheme in {"http", "https"} and bool(parts.hostname) and parts.port != 0
    except ValueError:
        valid = False
    if not valid or any(character.isspace() for character in url):
        raise wrong_parameter(pointer, url, "必须为http或https的绝对地址")
    if "?" in url or "#" in url:
        raise wrong_parameter(pointer, url, "不能携带参数")
    if parts.path in {"", "/"}:
        raise wrong_parameter(pointer, url, "必须包含路径")
    if parts.scheme == "http" and _is_public(parts.hostname or ""):
        raise wrong_parameter(pointer, url, "公网地址必须为https")


def check_ip(pointer: str, text: str, *, real: bool) -> None:
    """Check the payer's address; a `real` one is not this machine's."""
    try:
        address = ip_address(text)
    except ValueError:
        raise wrong_parameter(pointer, text, "不是有效的IP地址") from None
    if real and address.is_loopback:
        raise wrong_parameter(pointer, text, "必须为用户的真实IP")


def read_time(pointer: str, text: str) -> int:
    """Read an RFC 3339 time with its offset as milliseconds since 1970."""
    try:
        if not _RFC3339.fullmatch(text):
            raise ValueError("not RFC 3339")
        return int(datetime.fromisoformat(text).timestamp() * 1000)
    except ValueError:
        raise wrong_parameter(pointer, text, "必须为rfc3339格式的时间") from None


def _is_public(host: str) -> bool:
    """Tell whether a host is one that the internet reaches; names without a dot are of a private network."""
    try:
        return ip_address(host).is_global
    except ValueError:
        return "." in host.strip(".") and not host.endswith((".localhost", ".local", ".internal", ".test"))
